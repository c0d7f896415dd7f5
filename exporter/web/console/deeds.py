"""What people do to alerts on the console's pages: the same as by the API, in one audit trail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from exporter.ledger.actor import Actor
from exporter.ledger.notes import NoteError
from exporter.web.api.alerts import known_id
from exporter.web.console.page import Visit, deed, done, may
from exporter.web.identity import actor

Form = Mapping[str, str]


@deed
async def acknowledge(visit: Visit, form: Form) -> web.StreamResponse:
    """Take care of an alert; the second is told that somebody was first."""
    from exporter.ledger import actions

    async with _acting(visit) as alert_id:
        made = await actions.acknowledge(
            visit.ledger.store, alert_id, _actor(visit), visit.now, form.get("note")
        )
    return done(visit, form, "acknowledged" if made.first else "second")


@deed
async def add_note(visit: Visit, form: Form) -> web.StreamResponse:
    """Note something about an alert, open or ended."""
    from exporter.ledger import actions

    async with _acting(visit) as alert_id:
        await actions.add_note(
            visit.ledger.store, alert_id, _actor(visit), visit.now, form.get("note", "")
        )
    return done(visit, form, "noted")


@deed
async def resolve(visit: Visit, form: Form) -> web.StreamResponse:
    """End an alert by hand."""
    from exporter.ledger import actions

    async with _acting(visit) as alert_id:
        await actions.resolve(
            visit.ledger.store, alert_id, _actor(visit), visit.now, form.get("note")
        )
    return done(visit, form, "resolved")


@deed
async def mark_false_positive(visit: Visit, form: Form) -> web.StreamResponse:
    """Say that an alert told what was not so, or take that back."""
    from exporter.ledger import actions

    false = form.get("false") != "no"
    async with _acting(visit) as alert_id:
        await actions.mark_false_positive(
            visit.ledger.store,
            alert_id,
            _actor(visit),
            visit.now,
            false_positive=false,
            note=form.get("note"),
        )
    return done(visit, form, "false-positive" if false else "true-positive")


@asynccontextmanager
async def _acting(visit: Visit) -> AsyncIterator[str]:
    """The id of the alert, for whoever may act. What cannot be done is told in words."""
    from exporter.ledger.actions import AlertEndedError, AlertNotFoundError

    may(visit, "responder")
    ledger = visit.ledger
    try:
        yield known_id(visit.request.match_info["id"])
    except AlertNotFoundError as error:
        raise web.HTTPNotFound(text=str(error)) from None
    except AlertEndedError:
        raise web.HTTPConflict(
            text="The alert has ended: it can only be noted or marked as a false positive."
        ) from None
    except NoteError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    ledger.touch()


def _actor(visit: Visit) -> Actor:
    return actor(visit.request, visit.session.identity, via="console")
