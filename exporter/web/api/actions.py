"""What people do to alerts by the API. Who acts is whoever the token names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from exporter.ledger.actor import Actor
from exporter.ledger.notes import NoteError
from exporter.web.api.alert_models import (
    AcknowledgeAnswer,
    AcknowledgeBody,
    FalsePositiveAnswer,
    FalsePositiveBody,
    NoteBody,
    NotedAnswer,
    ResolveAnswer,
    ResolveBody,
)
from exporter.web.api.alerts import known_id
from exporter.web.api.endpoint import Call
from exporter.web.api.shapes import Nothing, stamp
from exporter.web.identity import actor


async def acknowledge(call: Call[Nothing, AcknowledgeBody]) -> AcknowledgeAnswer:
    """Take care of an alert; the second is told who was first."""
    from exporter.ledger import actions

    async with _acting(call) as alert_id:
        done = await actions.acknowledge(
            call.ledger.store,
            alert_id,
            _actor(call, call.body.acknowledged_by),
            datetime.now(UTC),
            call.body.notes,
        )
    return AcknowledgeAnswer(
        alert_id=done.alert_id,
        acknowledged_at=stamp(done.acknowledged_at),
        acknowledged_by=done.acknowledged_by,
        first=done.first,
    )


async def add_note(call: Call[Nothing, NoteBody]) -> NotedAnswer:
    """Note something about an alert, open or ended."""
    from exporter.ledger import actions

    async with _acting(call) as alert_id:
        note_id = await actions.add_note(
            call.ledger.store, alert_id, _actor(call), datetime.now(UTC), call.body.notes
        )
    return NotedAnswer(alert_id=alert_id, note_id=note_id)


async def resolve(call: Call[Nothing, ResolveBody]) -> ResolveAnswer:
    """End an alert by hand."""
    from exporter.ledger import actions

    async with _acting(call) as alert_id:
        ended = await actions.resolve(
            call.ledger.store, alert_id, _actor(call), datetime.now(UTC), call.body.notes
        )
    return ResolveAnswer(alert_id=alert_id, resolved_at=stamp(ended))


async def mark_false_positive(call: Call[Nothing, FalsePositiveBody]) -> FalsePositiveAnswer:
    """Say that an alert told what was not so, or take that back."""
    from exporter.ledger import actions

    async with _acting(call) as alert_id:
        await actions.mark_false_positive(
            call.ledger.store,
            alert_id,
            _actor(call),
            datetime.now(UTC),
            false_positive=call.body.false_positive,
            note=call.body.notes,
        )
    return FalsePositiveAnswer(alert_id=alert_id, false_positive=call.body.false_positive)


@asynccontextmanager
async def _acting(call: Call[Any, Any]) -> AsyncIterator[str]:
    """The id of the alert. Whatever is wrong with what was asked is told; all else passes."""
    from exporter.ledger.actions import AlertEndedError, AlertNotFoundError

    try:
        yield known_id(call.part("id"))
    except AlertNotFoundError as error:
        raise web.HTTPNotFound(text=str(error)) from None
    except AlertEndedError as error:
        raise web.HTTPBadRequest(
            text=f"{error}: it cannot be acknowledged or resolved any more, only noted"
        ) from None
    except NoteError as error:
        raise web.HTTPBadRequest(text=f'field "notes": {error}') from None
    call.ledger.touch()


def _actor(call: Call[Any, Any], on_behalf_of: str | None = None) -> Actor:
    assert call.identity is not None  # nothing is written without a token
    return actor(call.request, call.identity, on_behalf_of=on_behalf_of or None)
