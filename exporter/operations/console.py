"""What the operations have in common: lines of progress, one clear end, and its exit code.

0: it is done. 1: it is not, and why is said. 2: what was asked for cannot be understood.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import NoReturn

import click

from exporter import logs
from exporter.ledger.errors import StoreUnavailableError
from exporter.settings import Settings, SettingsError, read_settings

FAILED, MISUSED = 1, 2


class OperationError(Exception):
    """Something that could not be done; says why and what to do, without a secret."""


def say(text: str) -> None:
    """A line of progress, at once."""
    click.echo(text)
    sys.stdout.flush()


def refuse(problems: list[str], code: int) -> NoReturn:
    """End with complaints."""
    for problem in problems:
        click.echo(f"exporter: {problem}", err=True)
    sys.exit(code)


def settings() -> Settings:
    """The environment's; ends with 2 where they cannot be used."""
    logs.quiet()
    try:
        return read_settings(os.environ)
    except SettingsError as error:
        refuse(error.problems, MISUSED)


def finish(operation: Coroutine[None, None, str]) -> None:
    """Run an operation and print the line that it ends with; ends with 1 where it fails."""
    try:
        say(asyncio.run(operation))
    except (OperationError, StoreUnavailableError) as error:
        refuse([str(error)], FAILED)
    except KeyboardInterrupt:
        refuse(["interrupted: nothing was finished"], FAILED)
