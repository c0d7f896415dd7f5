"""Where a checklist is gone through: what is known at its beginning, and whom it may ask."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp

from exporter.ledger.errors import StoreUnavailableError
from exporter.ledger.store import Store
from exporter.operations.beside import store_beside
from exporter.operations.checks.patient import Patient, meet, own_url
from exporter.operations.console import OperationError
from exporter.operations.looks.outcome import Outcome, unknown
from exporter.service import Loaded, ledger_wanted
from exporter.settings import Settings
from model.platform import Platform

_SECONDS = aiohttp.ClientTimeout(total=10)
_LARGEST = 16 * 2**20


class ServiceSilentError(Exception):
    """The service that should run here does not answer; says how it did not."""


@dataclass(frozen=True, slots=True)
class Desk:
    """As the doctor's patient, but that the environment and the config can be used.

    `store` is None where it cannot be opened, which `trouble` explains.
    """

    patient: Patient
    settings: Settings
    loaded: Loaded
    store: Store | None
    trouble: str
    now: datetime

    @property
    def platform(self) -> Platform:
        """What the config says."""
        return self.loaded.platform

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables."""
        return self.patient.environment

    async def ask_service(self, path: str) -> Any:
        """The document that the service here answers, whatever its status says of the platform.

        Raises ServiceSilentError.
        """
        url = f"{own_url(self.settings)}{path}"
        try:
            async with self.patient.session.get(url, timeout=_SECONDS) as answer:
                body = await answer.content.read(_LARGEST)
                if answer.status not in (200, 503):
                    raise ServiceSilentError(f"{path} is answered by {answer.status}")
                while part := await answer.content.read(_LARGEST):
                    body += part
            return json.loads(body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            why = str(error) or type(error).__name__
            raise ServiceSilentError(f"no service answers at {url}: {why}") from None


Look = Callable[[Desk], Awaitable[Sequence[Outcome]]]


@asynccontextmanager
async def desk(
    environment: Mapping[str, str], clock: Callable[[], float]
) -> AsyncIterator[Desk | list[str]]:
    """A desk, or the mistakes in the environment and in the config. `clock` answers unix time."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(trust_env=False))
        patient = await meet(environment, session, clock)
        if patient.settings is None or patient.loaded is None:
            yield [*patient.problems, *patient.config_problems]
            return
        store, trouble = None, "the config has no ledger, or LEDGER is off"
        if ledger_wanted(patient.settings, patient.loaded.platform):
            try:
                store = await stack.enter_async_context(store_beside(patient.settings))
            except (OperationError, StoreUnavailableError) as error:
                trouble = str(error)
        now = datetime.fromtimestamp(clock(), UTC)
        yield Desk(patient, patient.settings, patient.loaded, store, trouble, now)


def in_ledger(look: Callable[[Desk, Store], Awaitable[Sequence[Outcome]]]) -> Look:
    """A look that needs the store, and is unknown without."""

    async def looked(desk: Desk) -> Sequence[Outcome]:
        if desk.store is None:
            return [unknown(desk.trouble)]
        try:
            return await look(desk, desk.store)
        except StoreUnavailableError as error:
            return [unknown(str(error))]

    return looked
