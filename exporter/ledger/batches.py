"""Takes what many deliveries bring at the same time into the store by one transaction.

Alertmanager delivers every alert by itself and all of them at once: a thousand transactions would
take longer than it waits for its answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from exporter.ledger.errors import StoreUnavailableError
from exporter.ledger.incoming import Incoming

# So many alerts are written by one transaction at most, unless one delivery brings more.
_MOST = 1000

Take = Callable[[Sequence[Incoming]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class _Delivery:
    incoming: Sequence[Incoming]
    taken: asyncio.Future[None]


class Batches:
    """While one transaction is under way, the deliveries that come gather for the next one."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._waiting: list[_Delivery] = []
        self._working: asyncio.Task[None] | None = None

    async def add(self, incoming: Sequence[Incoming]) -> None:
        """Return when these are committed. Raises StoreUnavailableError, or what else is wrong."""
        delivery = _Delivery(incoming, asyncio.get_running_loop().create_future())
        self._waiting.append(delivery)
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        await delivery.taken

    async def _work(self) -> None:
        try:
            while batch := self._next():
                await self._commit(batch)
        finally:
            self._working = None

    def _next(self) -> list[_Delivery]:
        number, size = 0, 0
        for delivery in self._waiting:
            size += len(delivery.incoming)
            if number and size > _MOST:
                break
            number += 1
        batch, self._waiting = self._waiting[:number], self._waiting[number:]
        return batch

    async def _commit(self, batch: Sequence[_Delivery]) -> None:
        together = [one for delivery in batch for one in delivery.incoming]
        try:
            await self._take(together)
        except StoreUnavailableError as error:
            for delivery in batch:
                _fail(delivery, StoreUnavailableError(str(error)))
        except Exception as error:  # noqa: BLE001 - each delivery's own handler is told
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            # What is wrong with one of them is no reason to lose the others.
            for delivery in batch:
                await self._commit([delivery])
        else:
            for delivery in batch:
                if not delivery.taken.done():
                    delivery.taken.set_result(None)


def _fail(delivery: _Delivery, error: Exception) -> None:
    if not delivery.taken.done():  # whoever delivered it has gone
        delivery.taken.set_exception(error)
