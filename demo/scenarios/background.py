"""What goes on while a scenario lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager


@asynccontextmanager
async def going_on(*works: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Work that never ends by itself, ended with the context; raises what it raises."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
    except ExceptionGroup as failed:
        # A deadline that has passed is not to look like something else.
        raise failed.exceptions[0] from None
