"""Asks Prometheus what expressions were at many evaluations, in pieces that it can answer.

It refuses a range query of more than 11,000 points a series, of too many samples or of too long a
time; pieces get shorter until it does not.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp

from model.visible import printable
from rules.backtest.asked import Server
from rules.backtest.clock import Grid
from rules.backtest.replay import Span

Labels = tuple[tuple[str, str], ...]
Progress = Callable[[datetime], None]

# Prometheus' limit is 11,000.
MOST_STEPS = 10_000
# A piece that Prometheus cannot answer at this length is not to be answered at all.
_FEWEST_STEPS = 50
# Prometheus ends a query at its deadline and says so; by default that is 2 minutes.
_DEADLINE = 60
_SECONDS = aiohttp.ClientTimeout(total=_DEADLINE + 10, sock_connect=5)
_LARGEST = 256 * 2**20
_ATTEMPTS = 3
_PAUSE = 0.5


class PrometheusError(Exception):
    """Prometheus does not answer, or not what was asked; says why and what to do."""


class _TooMuchError(Exception):
    """It cannot answer so much at once; says what it said."""


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one label set, by tick; a tick without a value is missing."""

    labels: Labels
    values: dict[int, float]


@dataclass
class Prometheus:
    """A Prometheus, and how much it can answer at once.

    `progress` is told the time of each piece that is asked for; `warnings` are what it has said.
    """

    session: aiohttp.ClientSession
    url: str
    progress: Progress
    warnings: list[str] = field(default_factory=list)
    _steps: int = MOST_STEPS

    async def range(
        self, query: str, grid: Grid, window: Span, stride: int = 1, *, each: int = 1
    ) -> AsyncIterator[tuple[Span, list[Series]]]:
        """What an expression is at every `stride`th tick of a window, piece by piece in order.

        `each` is how many evaluations one value takes, as of a subquery. Raises PrometheusError.
        """
        first = window.first
        while first < window.end:
            end = min(window.end, first + max(1, self._steps // each) * stride)
            piece = Span(first, end)
            self.progress(grid.time(first))
            try:
                found = await self._piece(query, grid, piece, stride)
            except _TooMuchError as error:
                if self._steps == _FEWEST_STEPS:
                    raise PrometheusError(
                        f"{self.url} cannot calculate {_FEWEST_STEPS} evaluations of "
                        f"{query[:300]} at once: {error}"
                    ) from None
                self._steps = max(_FEWEST_STEPS, self._steps // 4)
                continue
            yield piece, found
            first += -(-len(piece) // stride) * stride

    async def _piece(self, query: str, grid: Grid, piece: Span, stride: int) -> list[Series]:
        asked = {
            "query": query,
            "start": f"{grid.unix(piece.first):.3f}",
            "end": f"{grid.unix(piece.end - 1):.3f}",
            "step": f"{grid.unix(stride):.3f}",
            "timeout": f"{_DEADLINE}s",
        }
        answer = await self._answer(asked)
        try:
            for warning in answer.get("warnings", ()):
                if (said := printable(str(warning))) not in self.warnings:
                    self.warnings.append(said)
            return [_series(one, grid) for one in answer["data"]["result"]]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise PrometheusError(f"{self.url}: its answer is not that of a Prometheus") from None

    async def _answer(self, asked: Mapping[str, str]) -> dict[str, Any]:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._once(asked)
            except TimeoutError:
                raise _TooMuchError(f"no answer in {_SECONDS.total:g} s") from None
            except (aiohttp.ClientError, OSError) as error:
                if attempt == _ATTEMPTS:
                    why = printable(str(error)) or type(error).__name__
                    raise PrometheusError(f"{self.url} does not answer: {why}") from None
                await asyncio.sleep(_PAUSE * attempt)
        raise AssertionError("every attempt ends in an answer or an error")

    async def _once(self, asked: Mapping[str, str]) -> dict[str, Any]:
        url = f"{self.url}/api/v1/query_range"
        async with self.session.post(
            url, data=asked, timeout=_SECONDS, allow_redirects=False
        ) as response:
            body = await _body(response)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if response.status == 200 and isinstance(answer, dict):
            return answer
        raise _refusal(self.url, response.status, answer)


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that shows a server its credentials."""
    headers = {} if server.credentials is None else {"Authorization": server.credentials}
    async with aiohttp.ClientSession(headers=headers, trust_env=False) as session:
        yield session


async def _body(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_chunked(2**18):
        size += len(part)
        if size > _LARGEST:
            raise _TooMuchError(f"its answer is larger than {_LARGEST // 2**20} MiB")
        parts.append(part)
    return b"".join(parts)


def _refusal(url: str, status: int, answer: Any) -> Exception:
    said = answer if isinstance(answer, dict) else {}
    text = printable(str(said.get("error", "")))
    timed_out = said.get("errorType") in ("timeout", "canceled")
    if timed_out or (status == 422 and ("too many" in text or "timed out" in text)):
        return _TooMuchError(text or f"it answers {status}")
    if status in (401, 403):
        hint = "; --prometheus-credentials takes a file with a token or user:password"
        return PrometheusError(f"{url} refuses us: it answers {status}{hint}")
    if text:
        return PrometheusError(f"{url} refuses the query: {text}")
    return PrometheusError(f"{url} answers {status}: is it a Prometheus?")


def _series(one: Any, grid: Grid) -> Series:
    labels = {name: str(value) for name, value in one["metric"].items() if name != "__name__"}
    values = {grid.tick(float(at)): float(value) for at, value in one["values"]}
    return Series(tuple(sorted(labels.items())), values)
