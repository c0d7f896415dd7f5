"""Runs the collectors: all in one query as long as that works, each by itself when it does not.

One query that returns every collector's rows as JSON costs a fraction of one query each. A single
view that is forbidden, locked or slow would fail it, so then its collectors are asked one by one,
each with its share of the time that is left, and those that fail are kept apart for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exporter.probers.failure import ProbeFailure, clean
from exporter.probers.http.clock import now
from exporter.probers.postgres.collector import Collector, Server
from exporter.probers.postgres.rows import Rows
from exporter.probers.postgres.views import Forgotten, Views
from exporter.probers.result import Block, Reason, Sample
from model import names

# How many seconds a collector that has failed is asked by itself.
APART = 60.0
# The share of the time left that the joint query may take, so that there is some to do without.
_JOINT_SHARE = 0.5
# A server that is alive ends a query itself; later than this many seconds after, it is cut off.
_GRACE = 0.2
_LEAST_TIMEOUT = 0.01
_RIGHTS = b"SELECT has_function_privilege('pg_ls_waldir()', 'EXECUTE')"
# Columns are evaluated in order, and a subquery without outer references when first needed.
_NOW = "extract(epoch FROM clock_timestamp())"


class Collection:
    """The collectors of one server, and which of them have lately failed."""

    def __init__(self, collectors: Sequence[Collector]) -> None:
        self._collectors = collectors
        self._rows = {each.name: Rows(each) for each in collectors}
        self._succeeded, self._failed = (
            {
                each.name: Sample(names.PG_COLLECTOR_SUCCESS, (each.name,), one)
                for each in collectors
            }
            for one in (1.0, 0.0)
        )
        self._apart: dict[str, float] = {}
        # What is known by the connection that is in use.
        self._views: Views | None = None
        self._server = Server(0, lists_wal=False)
        self._stamps: dict[str, str] = {}
        # Planning the joint query takes the server longer than running it.
        self._prepares = True
        self._question: tuple[Any, str] = (None, "")
        # Which collectors failed in the last run, and why; empty if none did.
        self.complaints = ""

    async def run(self, views: Views, deadline: float) -> list[Block]:
        """The samples of all collectors, by `deadline` in seconds of `clock.now`.

        Raises ProbeFailure if the connection breaks or hangs.
        """
        if views is not self._views:
            await self._meet(views, deadline)
        at = now()
        apart = {name for name, until in self._apart.items() if until > at}
        joint = tuple(each for each in self._collectors if each.name not in apart)
        alone = [each for each in self._collectors if each.name in apart]
        found: list[Block] = []
        try:
            limit = at + (deadline - at) * _JOINT_SHARE
            await self._ask(joint, views, limit, found)
        except ProbeFailure as failure:
            _raise_if_lost(failure, views)
            alone = list(self._collectors)
        complaints = []
        for position, collector in enumerate(alone):
            at = now()
            limit = at + (deadline - at) / (len(alone) - position)
            if complaint := await self._run_alone(collector, views, limit, found):
                complaints.append(complaint)
        self.complaints = clean("; ".join(complaints))
        return found

    async def _meet(self, views: Views, deadline: float) -> None:
        """Begin with a connection: its session may have other rights and settings."""
        result = await views.ask(_RIGHTS, deadline)
        self._views = views
        self._server = Server(views.major, lists_wal=result.get_value(0, 0) == b"t")
        self._stamps.clear()

    async def _run_alone(
        self, collector: Collector, views: Views, limit: float, found: list[Block]
    ) -> str:
        """Add a collector's samples, and say why it failed; empty if it has not."""
        started = now()
        try:
            await self._ask([collector], views, limit, found)
        except ProbeFailure as failure:
            _raise_if_lost(failure, views)
            self._apart[collector.name] = now() + APART
            found.append((self._failed[collector.name], _duration(collector, now() - started)))
            return f"{collector.name}: {failure.detail}"
        return ""

    async def _ask(
        self, collectors: Sequence[Collector], views: Views, limit: float, found: list[Block]
    ) -> None:
        """Add the samples of these collectors, of all of them or of none. Raises ProbeFailure."""
        if not collectors:
            return
        left = limit - now()
        if left < _LEAST_TIMEOUT:
            raise ProbeFailure(Reason.TIMEOUT, "no time was left for this query")
        # SET LOCAL ends with the implicit transaction of the two: behind a connection pooler it
        # must not reach others.
        timeout = f"SET LOCAL statement_timeout = {int(left * 1000)};\n"
        text = self._joint(collectors)
        if self._prepares and len(collectors) > 1:
            text = await views.prepare(text, timeout, limit + _GRACE)
        try:
            result = await views.ask((timeout + text).encode(), limit + _GRACE)
        except Forgotten:
            # A pooler has given us another connection.
            self._prepares = False
            text = self._joint(collectors)
            result = await views.ask((timeout + text).encode(), limit + _GRACE)
        durations = []
        blocks = []
        before = float(result.get_value(0, 0))
        for position, collector in enumerate(collectors):
            text, stamp, ended = (result.get_value(0, 3 * position + n) for n in (1, 2, 3))
            blocks.append(self._read(collector, text, stamp))
            after = float(ended)
            durations.append(_duration(collector, max(0.0, after - before)))
            before = after
        found += (
            *blocks,
            tuple(self._succeeded[each.name] for each in collectors),
            tuple(durations),
        )

    def _read(self, collector: Collector, text: bytes | None, stamp: bytes | None) -> Block:
        rows = self._rows[collector.name]
        if stamp is None:
            return rows.read(text or b"")
        said = stamp.decode()
        if said != self._stamps.get(collector.name):
            self._stamps[collector.name] = said
            return rows.read(text or b"")
        return rows.samples

    def _joint(self, collectors: Sequence[Collector]) -> str:
        """One row: a time, and for each collector its rows as JSON, its stamp, the time after."""
        asked = (self._server, *(each.name for each in collectors), *self._stamps.values())
        if self._question[0] != asked:
            parts = [_NOW]
            for each in collectors:
                parts += (self._rows_of(each), each.stamp or "NULL", _NOW)
            self._question = (asked, f"SELECT {', '.join(parts)}")
        return self._question[1]

    def _rows_of(self, collector: Collector) -> str:
        query = collector.query(self._server)
        if query is None:
            return "NULL"
        rows = f"SELECT json_agg(q) FROM ({query}\n) AS q"
        if collector.name in self._stamps:
            # A subquery without a column is decided before the query is begun.
            rows += f" WHERE (SELECT {collector.stamp}) <> '{self._stamps[collector.name]}'"
        return f"({rows})"


def _raise_if_lost(failure: ProbeFailure, views: Views) -> None:
    """Postgres has answered already: a view that is slow or forbidden does not make it down.

    A connection that breaks does, and so does one that had to be cut off: the server did not end
    the query when it should have.
    """
    if failure.reason is Reason.RESET or views.closed:
        raise failure


def _duration(collector: Collector, seconds: float) -> Sample:
    return Sample(names.PG_COLLECTOR_DURATION, (collector.name,), seconds)
