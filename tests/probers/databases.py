"""What the tests of the Postgres and of the Redis prober share."""

from __future__ import annotations

import asyncio
import functools
import gc
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, ParamSpec

import uvloop

from exporter.probers.result import ProbeResult, Sample
from model.names import Metric

P = ParamSpec("P")

PASSWORD = "hunter2-do-not-print"
# What a busy machine with two cores may add to a deadline. Less than HANGS: two such deadlines one
# after the other would be seen.
SLACK = 1.2
TIMEOUT = 5.0
# The deadline of probes that have to come to it.
HANGS = 1.5
# Rounds of the loop in which what was closed has to be gone: a busy machine makes them longer.
_ROUNDS = 100


def on_uvloop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on the loop that the exporter runs on: how libraries cancel differs."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with warnings.catch_warnings():
            # As an error it would stop uvloop from closing what a failed test has left open.
            warnings.simplefilter("default", ResourceWarning)
            uvloop.run(test(*args, **kwargs))

    return run


def of(result: ProbeResult, metric: Metric) -> list[Sample]:
    return [sample for sample in result.samples if sample.metric is metric]


def value(result: ProbeResult, metric: Metric) -> float:
    [sample] = of(result, metric)
    return sample.value


def sockets() -> int:
    """How many sockets this process has open."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            count += str(descriptor.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue
    return count


@asynccontextmanager
async def no_socket_or_task_left() -> AsyncIterator[None]:
    """Whatever happens inside, afterwards no socket and no task is there that was not before.

    Without the garbage collector: what only it closes stays open for minutes.
    """
    gc.collect()
    await _rounds(5)
    before, tasks = sockets(), asyncio.all_tasks()
    # What nobody has looked at, such as a task's exception, goes to the loop.
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    gc.disable()
    try:
        yield
        await _rounds(5)
        # The loop hands a socket back a round or two after it was told to, and the other side,
        # which is in this process too, after it has seen that.
        await _rounds(_ROUNDS, lambda: sockets() == before and asyncio.all_tasks() == tasks)
        assert sockets() == before
        assert asyncio.all_tasks() == tasks
        assert complaints == []
    finally:
        gc.enable()
        loop.set_exception_handler(None)


async def _rounds(most: int, enough: Callable[[], bool] = lambda: False) -> None:
    """Give the loop so many rounds, or as many as are enough."""
    for _ in range(most):
        if enough():
            return
        await asyncio.sleep(0.01)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[int]:
    """The port of a server that treats each connection so."""
    treated: set[object] = set()

    async def treat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        treated.add(writer)
        try:
            await handler(reader, writer)
        finally:
            treated.discard(writer)

    async with await asyncio.start_server(treat, "127.0.0.1", 0) as listener:
        yield listener.sockets[0].getsockname()[1]
        # Its connections end with those of the prober.
        await _rounds(10)
        await _rounds(_ROUNDS, lambda: not treated)


@asynccontextmanager
async def interfering(
    port: int, when: bytes, how: Literal["swallow", "cut"], met: asyncio.Event | None = None
) -> AsyncIterator[int]:
    """The port of a proxy that, once a client sends certain bytes, swallows them or cuts it off.

    Then `met` is set.
    """

    async def forward(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, when: bytes | None
    ) -> None:
        while data := await reader.read(65536):
            if when is not None and when in data:
                if met is not None:
                    met.set()
                if how == "swallow":
                    continue
                break
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(forward(reader, up_writer, when))
                group.create_task(forward(up_reader, writer, None))
        except* ConnectionError:
            pass
        finally:
            up_writer.close()
            writer.close()

    async with listening(serve) as own:
        yield own
