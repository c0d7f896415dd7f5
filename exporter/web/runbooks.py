"""GET /runbooks/<alert>: where every notification's runbook link leads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aiohttp import web

from exporter.web.keys import SERVICE
from model.alerts import Alert
from model.declared import suggestion
from model.durations import prometheus
from model.platform import Platform


def routes() -> list[web.RouteDef]:
    """The routes of this file."""
    return [web.get("/runbooks", _index), web.get("/runbooks/{alert}", _runbook)]


async def _index(request: web.Request) -> web.Response:
    """All alerts, a line each."""
    alerts = request.app[SERVICE].loaded.platform.alerts
    lines = [
        f"- /runbooks/{alert.name} ({alert.severity or 'always firing'}): {alert.symptoms}"
        for alert in alerts
    ]
    return _markdown(["# Alerts", "", *lines])


async def _runbook(request: web.Request) -> web.Response:
    """The page as Markdown: it reads well as it is, also in a terminal at three in the morning."""
    platform = request.app[SERVICE].loaded.platform
    name = request.match_info["alert"][:100]
    alert = next((alert for alert in platform.alerts if alert.name == name), None)
    if alert is None:
        near = suggestion(name, [alert.name for alert in platform.alerts])
        raise web.HTTPNotFound(text=f'there is no alert "{name}"{near}')
    return _markdown(page(alert, platform))


def _markdown(lines: Iterable[str]) -> web.Response:
    text = "\n".join(lines) + "\n"
    # Browsers would download text/markdown instead of showing it.
    return web.Response(text=text, content_type="text/plain", charset="utf-8")


def page(alert: Alert, platform: Platform) -> Iterator[str]:
    """The lines of an alert's runbook page."""
    yield f"# {alert.name}"
    yield ""
    yield from _importance(alert, platform)
    yield ""
    yield alert.description
    yield from _section("Symptoms", [alert.symptoms] if alert.symptoms else [])
    yield from _section("Investigation", alert.investigation)
    yield from _section("Actions", alert.actions)
    yield from _section("Fires when", [f"`{alert.expr}`, for {prometheus(alert.for_)}"])


def _importance(alert: Alert, platform: Platform) -> Iterator[str]:
    if alert.severity is None:
        yield "Always firing: it is its silence that tells."
        return
    severity = platform.severity(alert.severity)
    response = severity.response_time
    within = f"respond within {prometheus(response)}" if response else "for awareness"
    yield f"{severity.name}: {within}"
    for step in severity.escalation:
        yield f"- not acknowledged after {prometheus(step.after)}: {step.to}"


def _section(title: str, lines: tuple[str, ...] | list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"## {title}"
        yield ""
        yield from (f"- {line}" for line in lines)
