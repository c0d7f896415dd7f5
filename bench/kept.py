"""What was measured, group of rows by group, each with when and on what: docs/performance.json.

The document is made of it, so that one group can be measured anew without the others.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from bench.rounds import Plan
from bench.table import Row
from bench.usage import cpu_model
from bench.workshop import BenchError


class Kept(BaseModel):
    """A group of rows as the document shows them, and what has to be known of their measuring.

    `limit` is the share of the machine that others might use; rounds are of ours and the peers'.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    measured: date
    machine: str
    limit: float
    rounds_kept: int
    rounds_dropped: int
    cells: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    versions: dict[str, str]


_FILE = TypeAdapter(dict[str, Kept])


def kept(rows: Sequence[Row], plan: Plan, versions: Mapping[str, str], today: date) -> Kept:
    """A group that was just measured here."""
    spreads = [spread for row in rows for spread in (row.ours, row.peer) if spread is not None]
    return Kept(
        measured=today,
        machine=f"{cpu_model()}, Linux {platform.release()}",
        limit=plan.limit,
        rounds_kept=sum(spread.kept for spread in spreads),
        rounds_dropped=sum(spread.dropped for spread in spreads),
        cells=tuple(row.cells() for row in rows),
        notes=tuple(f"**({row.key})** {note}" for row in rows for note in row.notes),
        versions=dict(versions),
    )


def read(path: Path) -> dict[str, Kept]:
    """What is kept there, by group; nothing if there is no file. Raises BenchError."""
    try:
        return _FILE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise BenchError(f"{path}: {error.error_count()} mistakes: run the whole bench") from None


def write(path: Path, groups: Mapping[str, Kept]) -> None:
    """Keep it."""
    path.write_bytes(_FILE.dump_json(dict(groups), indent=2) + b"\n")
