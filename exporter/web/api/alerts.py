"""Reading alerts: the list, one alert, history, rules and statistics."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from pydantic_core import from_json

from exporter.web.api.alert_models import (
    Alert,
    AlertAnswer,
    AlertsAnswer,
    AlertsQuery,
    Figures,
    HistoryAnswer,
    HistoryQuery,
    NamedFigures,
    NoteAnswer,
    RulesAnswer,
    StatisticsAnswer,
    StatisticsQuery,
    Summary,
    TimelineLine,
)
from exporter.web.api.endpoint import Call
from exporter.web.api.rules import Rules, RulesInUse
from exporter.web.api.shapes import Nothing, Query, stamp, stamp_or_none
from exporter.web.slices import sliced

if TYPE_CHECKING:
    from sqlalchemy import Row

    from exporter.ledger.listing import Position
    from exporter.ledger.lists import Listed
    from exporter.ledger.statistics import Figures as Counted
    from exporter.ledger.story import Moment

RULES: Final = web.AppKey("rules", RulesInUse)

_OPEN: Final = ("active", "acknowledged")
_ENDED: Final = ("resolved",)
_COMPARISON: Final = re.compile(r"^(>=|<=|==|!=|>|<)\s*")
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# Alertmanager's zero time is in the year 1, and what it is sent may be in any.
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _FIRST) // _MICROSECOND


async def list_alerts(call: Call[AlertsQuery, Nothing]) -> AlertsAnswer:
    """What is open, and what has ended; a page of each."""
    from exporter.ledger import listing

    query = call.query
    filters = listing.Filters(query.severity, query.service, query.name, query.q)
    statuses = (query.status,) if query.status else (*_OPEN, *_ENDED)
    wanted = [tuple(one for one in group if one in statuses) for group in (_OPEN, _ENDED)]
    first = query.cursor is None
    places = [None, None] if query.cursor is None else list(map(place_of, query.cursor.split("~")))
    pages: list[Sequence[Row[Any]]] = []
    async with call.ledger.store.read() as connection:
        for group, place in zip(wanted, places, strict=True):
            more = group and (first or place is not None)
            limit = query.limit + 1
            pages.append(
                await listing.newest(connection, group, filters, limit, place) if more else ()
            )
        counted = await listing.counts(
            connection, (query.status,) if query.status else _OPEN, filters
        )
    active, recent = [await sliced(_converter(call), page[: query.limit]) for page in pages]
    ends = [end_of(page, query.limit) for page in pages]
    return AlertsAnswer(
        active=active,
        recent=recent,
        summary=counted_by_severity(counted),
        next="~".join(ends) if any(ends) else None,
    )


async def history(call: Call[HistoryQuery, Nothing]) -> HistoryAnswer:
    """All alerts that began in a time, from the archives too."""
    from exporter.ledger import listing
    from exporter.ledger.archives import everywhere
    from exporter.ledger.tables import alerts

    query = call.query
    filters = listing.Filters(
        query.severity,
        query.service,
        query.name,
        since=query.since,
        until=query.until,
        false_positive=query.false_positive,
    )
    place = None if query.cursor is None else place_of(query.cursor)
    async with call.ledger.store.read() as connection:
        page = await listing.newest_of(
            connection,
            await everywhere(connection, alerts),
            query.status,
            filters,
            query.limit + 1,
            place,
        )
    return HistoryAnswer(
        alerts=await sliced(_converter(call), page[: query.limit]),
        next=end_of(page, query.limit) or None,
    )


async def show(call: Call[Query, Nothing]) -> AlertAnswer:
    """An alert with its notes and timeline, wherever it is kept. Raises HTTPNotFound."""
    from exporter.ledger import listing, story
    from exporter.ledger.archives import everywhere
    from exporter.ledger.tables import alerts

    alert_id = known_id(call.part("id"))
    async with call.ledger.store.read() as connection:
        row = await listing.one(connection, alerts, alert_id)
        if row is None:
            row = await listing.one(connection, await everywhere(connection, alerts), alert_id)
        if row is None:
            raise not_found(alert_id)
        notes = await listing.notes_of(connection, alert_id)
        lines = await listing.audit_of(connection, alert_id)
    admin = call.identity is not None and call.identity.role == "admin"
    done = await sliced(partial(_line, with_address=admin), lines)
    happened = map(_happened, story.moments(row, datetime.now(UTC)))
    timeline = sorted((*happened, *done), key=lambda line: line.at)
    return AlertAnswer(
        **_converter(call)(row).model_dump(),
        notes=await sliced(_note, notes),
        timeline=timeline[-listing.MOST_LINES :],
    )


async def list_rules(call: Call[Nothing, Nothing]) -> RulesAnswer:
    """The alerts of the config in use."""
    return RulesAnswer(rules=_rules(call).listed)


async def statistics(call: Call[StatisticsQuery, Nothing]) -> StatisticsAnswer:
    """How alerts were responded to, from the archives too."""
    from exporter.ledger.archives import everywhere
    from exporter.ledger.statistics import by_name, total
    from exporter.ledger.tables import alerts

    now = datetime.now(UTC)
    since = now - period(call.query.window)
    async with call.ledger.store.read() as connection:
        found = await by_name(connection, await everywhere(connection, alerts), since, now)
    return StatisticsAnswer(
        window=call.query.window,
        since=stamp(since),
        until=stamp(now),
        alerts=await sliced(named_figures, found),
        total=Figures(**figures_of(total(found))),
    )


def period(text: str) -> timedelta:
    """What `24h` or `30d` is."""
    return timedelta(**{{"h": "hours", "d": "days"}[text[-1]]: int(text[:-1])})


def known_id(text: str) -> str:
    """An id as the ledger writes it. Raises HTTPNotFound for what can be none."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise not_found(text) from None


def not_found(alert_id: str) -> web.HTTPNotFound:
    """That there is no such alert."""
    return web.HTTPNotFound(text=f'there is no alert "{alert_id[:36]}"')


def figure(text: str | None) -> float | str | None:
    """A number where an annotation is one, whatever it is compared by; else the text itself."""
    if text is None:
        return None
    bare = _COMPARISON.sub("", text.strip())
    number = float(bare) if _NUMBER.fullmatch(bare) else math.nan
    return number if math.isfinite(number) else text


def alert_of(rules: Rules, row: Row[Any]) -> Alert:
    """A row of `alerts`, or of an archive, as the API shows it."""
    labels, annotations = _texts(row.labels), _texts(row.annotations)
    rule_id, channels = rules.id_and_channels(row.name, row.severity, labels)
    started = stamp(row.starts_at)
    return Alert(
        id=row.id,
        rule_id=rule_id,
        rule_name=row.name,
        severity=row.severity or "",
        message=annotations.get("summary") or annotations.get("description") or row.name,
        value=figure(annotations.get("value")),
        threshold=figure(annotations.get("threshold")),
        timestamp=started,
        channels=channels,
        acknowledged=row.acknowledged_at is not None,
        status=row.status,
        service=row.service or "",
        starts_at=started,
        ends_at=stamp_or_none(row.ends_at),
        acknowledged_at=stamp_or_none(row.acknowledged_at),
        acknowledged_by=row.acknowledged_by,
        acknowledged_via=row.acknowledged_via,
        on_behalf_of=row.acknowledged_for,
        response_due_at=stamp_or_none(row.response_due_at),
        resolution=row.resolution,
        resolved_by=row.resolved_by,
        false_positive=bool(row.false_positive),
        firing=bool(row.firing),
        suppressed=bool(row.suppressed),
        source=row.source or "",
        fingerprint=row.fingerprint or "",
        generator_url=row.generator_url or "",
        labels=labels,
        annotations=annotations,
    )


def _converter(call: Call[Any, Any]) -> partial[Alert]:
    return partial(alert_of, _rules(call))


def _rules(call: Call[Any, Any]) -> Rules:
    return call.request.app[RULES].of(call.service.loaded.platform)


def _texts(value: str | None) -> dict[str, str]:
    """JSON of labels or annotations; an archive that somebody else has made may lack it."""
    return {name: str(text) for name, text in from_json(value or "{}").items()}


def counted_by_severity(counted: Mapping[tuple[str, str], int]) -> Summary:
    """How many there are in all, and of each severity, from counts by status and severity."""
    by_severity: dict[str, int] = {}
    for (_, severity), count in counted.items():
        by_severity[severity] = by_severity.get(severity, 0) + count
    known = {name: by_severity.get(name, 0) for name in Summary.model_fields if name != "total"}
    return Summary(total=sum(by_severity.values()), **known)


def end_of(page: Sequence[Row[Any] | Listed], limit: int) -> str:
    """Where the next page begins; empty if this is the last."""
    if len(page) <= limit:
        return ""
    last = page[limit - 1]
    return f"{(last.starts_at - _FIRST) // _MICROSECOND}-{uuid.UUID(last.id).hex}"


def place_of(text: str) -> Position | None:
    """What `end_of` has told; None of an empty text."""
    from exporter.ledger.listing import Position

    if not text:
        return None
    microseconds, _, hexadecimal = text.partition("-")
    since_first = min(int(microseconds), _LAST) * _MICROSECOND
    return Position(_FIRST + since_first, str(uuid.UUID(hexadecimal)))


def _note(row: Row[Any]) -> NoteAnswer:
    return NoteAnswer(
        id=row.id,
        created_at=stamp(row.created_at),
        author=row.author,
        on_behalf_of=row.author_for,
        via=row.channel,
        text=row.text,
    )


def _happened(moment: Moment) -> TimelineLine:
    nobody = dict.fromkeys(
        ("actor", "on_behalf_of", "via", "address", "request_id", "before", "after")
    )
    return TimelineLine(at=stamp(moment.at), action=moment.event, **nobody)


def _line(row: Row[Any], *, with_address: bool) -> TimelineLine:
    return TimelineLine(
        at=stamp(row.at),
        action=row.action,
        actor=row.actor,
        on_behalf_of=row.actor_for,
        via=row.channel,
        address=row.address if with_address else None,
        request_id=row.request_id,
        before=row.before,
        after=row.after,
    )


def named_figures(counted: Counted) -> NamedFigures:
    """The figures of a name."""
    return NamedFigures(name=counted.name, **figures_of(counted))


def figures_of(counted: Counted) -> dict[str, Any]:
    """The fields of Figures: means and shares as they are shown."""
    return {
        "count": counted.count,
        "acknowledged": counted.acknowledged,
        "resolved": counted.ended,
        "mtta_seconds": _rounded(counted.mtta),
        "mttr_seconds": _rounded(counted.mttr),
        "false_positives": counted.false_positives,
        "false_positive_share": _rounded(counted.false_positive_share),
        "acknowledged_in_time_share": _rounded(counted.in_time_share),
        "breaches": counted.breaches,
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 4)
