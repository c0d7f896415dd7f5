"""One probe's conversation as text, as blackbox_exporter's `debug=true` tells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from exporter.conversation.checks import checks
from exporter.conversation.connection import RecordedConnection, TlsFacts, place
from exporter.conversation.messages import messages
from exporter.conversation.recorder import Recorder
from exporter.conversation.redaction import Redactor, secrets_of
from exporter.probers.result import ProbeResult
from model import names
from model.targets import HttpTarget, Target
from model.visible import printable

# More than this happens only to a target that redirects without end.
_MOST_EVENTS = 500
_MOST_CONNECTIONS = 20


@dataclass(frozen=True, slots=True)
class Probed:
    """A probe that was recorded: of what, how long it was allowed to take, and what came of it.

    `url` is the target's with its credentials; `page` is what /probe would have answered.
    """

    target: Target
    url: str
    timeout: float
    result: ProbeResult
    page: str


def tell(probed: Probed, recorder: Recorder) -> str:
    """The conversation, without secrets. Lines are bounded, and so is what is quoted."""
    redactor = Redactor(secrets_of(probed.target, probed.url, recorder))
    sections = (
        _intro(probed, redactor),
        _section("What happened", _timeline(recorder, redactor)),
        *_connections(recorder, redactor),
        _section("Checks", _checks(probed, recorder, redactor)),
        _section("Phases", _phases(probed.result)),
        _section("Metrics", [probed.page.rstrip()]),
    )
    # Once more over all of it: whatever slipped into a label or a note is hidden here.
    return redactor.known("\n\n".join(filter(None, sections))) + "\n"


def _section(title: str, lines: Iterator[str] | list[str]) -> str:
    text = "\n".join(lines)
    return f"{title}:\n{text}" if text else ""


def _intro(probed: Probed, redactor: Redactor) -> str:
    target, result = probed.target, probed.result
    parts = urlsplit(probed.url)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    path = getattr(target, "path", "") if isinstance(target, HttpTarget) else ""
    verdict = result.health.value
    if result.reason is not None:
        verdict += f", reason {result.reason.value}"
    detail = f": {result.detail}" if result.detail else ""
    where = redactor.said(f"{parts.scheme}://{shown}{port}{parts.path.rstrip('/')}{path}")
    return (
        f"{target.name} ({target.kind}) at {where}, timeout {probed.timeout:g} s\n"
        f"{verdict}{redactor.said(detail)}, after {_ms(result.duration)}"
    )


# --- what happened when -------------------------------------------------------------------------


def _timeline(recorder: Recorder, redactor: Redactor) -> Iterator[str]:
    events = [(note.at, redactor.said(note.text)) for note in recorder.notes]
    for number, connection in enumerate(recorder.connections, 1):
        mark = f"[{number}] " if len(recorder.connections) > 1 else ""
        events += [(at, mark + text) for at, text in _events(connection, redactor)]
    events.sort(key=lambda event: event[0])
    for at, text in events[:_MOST_EVENTS]:
        yield f"  {_ms(at - recorder.started_at):>12}  {printable(text)}"
    if len(events) > _MOST_EVENTS:
        yield f"  and {len(events) - _MOST_EVENTS} more"


def _events(connection: RecordedConnection, redactor: Redactor) -> Iterator[tuple[float, str]]:
    if connection.started_at and connection.address is not None:
        yield connection.started_at, f"connect to {place(connection.address)}"
    elif connection.connected_at:
        yield connection.connected_at, "use the connection that was kept"
    if connection.started_at and connection.connected_at:
        yield connection.connected_at, "connected"
    if connection.secured_at and connection.tls is not None:
        yield connection.secured_at, f"TLS: {_tls(connection.tls)}"
    if connection.sent_at:
        yield connection.sent_at, f"sent {len(connection.request)} bytes"
    if connection.first_byte_at:
        yield connection.first_byte_at, "first byte received"
    if connection.ended_at:
        ended = redactor.said(connection.failure) or "complete"
        yield connection.ended_at, f"{ended}, {connection.received_length} bytes received"


def _tls(tls: TlsFacts) -> str:
    facts = (tls.version, tls.cipher, tls.protocol and f"ALPN {tls.protocol}")
    return ", ".join(filter(None, facts))


# --- what was said ------------------------------------------------------------------------------


def _connections(recorder: Recorder, redactor: Redactor) -> Iterator[str]:
    for number, connection in enumerate(recorder.connections[:_MOST_CONNECTIONS], 1):
        where = place(connection.address) if connection.address is not None else "kept"
        lines = [*_chain(connection), *messages(connection, redactor)]
        yield _section(f"Connection {number} ({where})", lines)
    left = len(recorder.connections) - _MOST_CONNECTIONS
    if left > 0:
        yield f"And {left} more connections."


def _chain(connection: RecordedConnection) -> Iterator[str]:
    if connection.tls is None:
        return
    if connection.secure is not None:
        yield f"  server name: {printable(connection.secure.server_name)}"
    for depth, one in enumerate(connection.tls.chain):
        yield f"  certificate {depth}: {printable(one.subject)}"
        yield f"    issuer:  {printable(one.issuer)}"
        yield f"    valid:   {one.not_before} to {one.not_after}"
        if one.names:
            yield f"    names:   {printable(', '.join(one.names))}"
        yield f"    serial:  {one.serial_number}"
        yield f"    sha256:  {one.fingerprint_sha256}"


def _checks(probed: Probed, recorder: Recorder, redactor: Redactor) -> Iterator[str]:
    last = recorder.connections[-1] if recorder.connections else None
    for check in checks(probed.target, last, redactor.said):
        verdict = "ok    " if check.failure is None else "FAILED"
        told = f": {redactor.said(check.failure)}" if check.failure else ""
        yield f"  {verdict}  {printable(redactor.known(check.what))}{printable(told)}"


def _phases(result: ProbeResult) -> Iterator[str]:
    for sample in result.samples:
        if sample.metric is names.PROBE_HTTP_DURATION:
            yield f"  {sample.labels[0]:<12}{_ms(sample.value):>12}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3f} ms"
