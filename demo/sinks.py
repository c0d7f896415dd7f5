"""Stand-ins for email, Slack and PagerDuty, as strict as what they stand for."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from http import HTTPStatus
from types import MappingProxyType, TracebackType
from typing import Any, Literal, Self, get_args

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"
BODY_BYTES = 1024 * 1024
CLOSE_SECONDS = 5.0

Channel = Literal["email", "slack", "pagerduty"]
Status = Literal["firing", "resolved"]

SLACK_PATH = "/services/T0DEMO/B0DEMO/demo"
SLACK_ATTACHMENTS = 100
PAGERDUTY_PATH = "/v2/enqueue"
PAGERDUTY_SEVERITIES = ("critical", "error", "warning", "info")
PAGERDUTY_ACTIONS = ("trigger", "acknowledge", "resolve")
PAGERDUTY_SUMMARY_CHARACTERS = 1024
PAGERDUTY_DEDUP_KEY_CHARACTERS = 255
ROUTING_KEY_CHARACTERS = 32

# In a title: ServiceDown and APIErrorRateHigh, payment-service and api-gateway.
_TITLE_NAME = re.compile(
    r"\b(?:(?=\w*[a-z])[A-Z]\w*[A-Z]\w*|[a-z][a-z0-9]*(?:-[a-z0-9]+)+)\b",
)
# In a text: "alertname = ServiceDown", "*Service:* payment-service".
_LABELLED_NAME = re.compile(
    r"(?<![\w-])(?:alertname|service)\W{0,3}[=:]\W{0,4}([\w.-]*\w)", re.IGNORECASE
)
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Receipt:
    """One notification that arrived.

    `received_at` is unix time in seconds. `alerts` names the alerts and services that the message
    shows, as far as they can be told from its text. `body` is the message itself: the JSON that
    was posted, or an email as `mail_from`, `rcpt_tos`, `headers`, `text` and `html`.
    """

    channel: Channel
    received_at: float
    status: Status
    alerts: tuple[str, ...]
    summary: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Incident:
    """An open PagerDuty incident; `opened_at` is unix time in seconds."""

    dedup_key: str
    summary: str
    source: str
    severity: str
    opened_at: float
    acknowledged: bool = False


@dataclass(frozen=True)
class Refusal:
    """One message that was not accepted because of what it says; unix time in seconds.

    Alertmanager 0.25 takes an email refused after DATA for delivered, so it shows only here.
    """

    channel: Channel
    received_at: float
    reason: str


class _RefusedError(Exception):
    """A message that the real receiver would not take, with the reply it would give."""


class Sinks:
    """An SMTP server, a Slack incoming webhook and a PagerDuty Events API, on free ports.

    A message that says neither firing nor resolved counts as firing: whoever reads it must assume
    that something is wrong.
    """

    def __init__(self) -> None:
        self._receipts: list[Receipt] = []
        self._refusals: list[Refusal] = []
        self._subscribers: set[asyncio.Queue[Receipt]] = set()
        self._failures: dict[Channel, int] = {}
        self._incidents: dict[str, Incident] = {}
        self._ports: dict[Channel, int] = {}
        self._open = AsyncExitStack()

    async def start(self) -> None:
        """Listen on three free ports. OSError if none is free; then nothing stays open."""
        try:
            self._ports["email"] = await self._serve_email()
            self._ports["slack"] = await self._serve_http(SLACK_PATH, self._on_slack)
            self._ports["pagerduty"] = await self._serve_http(PAGERDUTY_PATH, self._on_pagerduty)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close every socket; what was received stays readable."""
        self._ports.clear()
        await self._open.aclose()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    @property
    def smtp_address(self) -> str:
        """The SMTP server as host:port, Alertmanager's `smtp_smarthost`; it offers no TLS."""
        return self._address("email")

    @property
    def slack_url(self) -> str:
        """The incoming webhook, Alertmanager's `slack_api_url`."""
        return f"http://{self._address('slack')}{SLACK_PATH}"

    @property
    def pagerduty_url(self) -> str:
        """The Events API v2, Alertmanager's `pagerduty_url`."""
        return f"http://{self._address('pagerduty')}{PAGERDUTY_PATH}"

    @property
    def receipts(self) -> tuple[Receipt, ...]:
        """Everything accepted so far, in the order of arrival; PagerDuty acknowledgements not."""
        return tuple(self._receipts)

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What was refused for its content, in the order of arrival; simulated failures not."""
        return tuple(self._refusals)

    @property
    def open_incidents(self) -> Mapping[str, Incident]:
        """PagerDuty incidents that were triggered and not resolved, by dedup_key."""
        return MappingProxyType(dict(self._incidents))

    def fail(self, channel: Channel, status: int | None = None) -> None:
        """Refuse everything on the channel with this status until `repair`.

        By default 500, and 451 for email, at MAIL. ValueError unless the status says failure.
        """
        _require_channel(channel)
        status = status or (451 if channel == "email" else 500)
        if not 400 <= status <= 599:
            raise ValueError(f"not the status of a failure: {status}")
        self._failures[channel] = status

    def repair(self, channel: Channel) -> None:
        """Accept messages on the channel again."""
        _require_channel(channel)
        self._failures.pop(channel, None)

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[Receipt]]:
        """A queue that gets every receipt from now on, for as long as the context lasts."""
        queue: asyncio.Queue[Receipt] = asyncio.Queue()
        self._subscribers.add(queue)
        try:
            yield queue
        finally:
            self._subscribers.discard(queue)

    async def wait_for(self, predicate: Callable[[Receipt], bool], deadline: float) -> Receipt:
        """The first receipt that fits, past or future.

        `deadline` is in seconds from now. TimeoutError lists what was received instead.
        """
        with self.subscribe() as queue:
            for receipt in self.receipts:
                if predicate(receipt):
                    return receipt
            try:
                async with asyncio.timeout(deadline):
                    while not predicate(receipt := await queue.get()):
                        pass
            except TimeoutError:
                raise TimeoutError(self._what_was_received(deadline)) from None
            return receipt

    def _what_was_received(self, deadline: float) -> str:
        counts = f"received {len(self._receipts)}, refused {len(self._refusals)}"
        received = [f"  {r.channel} {r.status}: {r.summary}" for r in self._receipts]
        refused = [f"  {r.channel} refused: {r.reason}" for r in self._refusals]
        title = f"no matching receipt within {deadline:g} s; {counts}"
        return "\n".join([title, *received, *refused])

    def _address(self, channel: Channel) -> str:
        if channel not in self._ports:
            raise RuntimeError(f"{channel} has no address while the sinks are not running")
        return f"{HOST}:{self._ports[channel]}"

    def _record(self, receipt: Receipt) -> None:
        self._receipts.append(receipt)
        for queue in self._subscribers:
            queue.put_nowait(receipt)

    async def _serve_email(self) -> int:
        server = _SmtpServer(self._on_email, lambda: self._failures.get("email"))
        self._open.push_async_callback(server.stop)
        return await server.start()

    async def _serve_http(
        self, path: str, handler: Callable[[web.Request], Awaitable[web.Response]]
    ) -> int:
        application = web.Application(client_max_size=BODY_BYTES)
        application.router.add_post(path, handler)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=CLOSE_SECONDS)
        self._open.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        port: int = runner.addresses[0][1]
        return port

    def _on_email(self, envelope: Envelope) -> str:
        received_at = time.time()
        try:
            body = _read_email(envelope)
        except _RefusedError as refusal:
            reason = _one_line(str(refusal))
            self._refusals.append(Refusal("email", received_at, reason))
            return f"550 5.6.0 {reason}"
        self._record(_email_receipt(body, received_at))
        return "250 2.0.0 Accepted"

    async def _on_slack(self, request: web.Request) -> web.Response:
        received_at = time.time()
        if status := self._failures.get("slack"):
            return _slack_failure(status)
        try:
            body = _read_slack(request.content_type, await request.read())
        except _RefusedError as refusal:
            self._refusals.append(Refusal("slack", received_at, str(refusal)))
            return web.Response(status=400, text=str(refusal))
        self._record(_slack_receipt(body, received_at))
        return web.Response(text="ok")

    async def _on_pagerduty(self, request: web.Request) -> web.Response:
        received_at = time.time()
        if status := self._failures.get("pagerduty"):
            reply = {"status": "failure", "message": "Simulated failure"}
            return web.json_response(reply, status=status)
        event = _json_object(await request.read())
        if errors := _pagerduty_errors(event):
            self._refusals.append(Refusal("pagerduty", received_at, "; ".join(errors)))
            reply_errors = {
                "status": "invalid event",
                "message": "Event object is invalid",
                "errors": errors,
            }
            return web.json_response(reply_errors, status=400)
        dedup_key = self._process(event or {}, received_at)
        reply = {"status": "success", "message": "Event processed", "dedup_key": dedup_key}
        return web.json_response(reply, status=202)

    def _process(self, event: Mapping[str, Any], received_at: float) -> str:
        dedup_key: str = event.get("dedup_key") or uuid.uuid4().hex
        incident = self._incidents.get(dedup_key)
        match event["event_action"]:
            case "trigger" if incident is None:
                self._incidents[dedup_key] = _incident(dedup_key, event["payload"], received_at)
            case "acknowledge" if incident is not None:
                self._incidents[dedup_key] = replace(incident, acknowledged=True)
            case "resolve":
                self._incidents.pop(dedup_key, None)
        if event["event_action"] != "acknowledge":
            self._record(_pagerduty_receipt(event, incident, received_at))
        return dedup_key


class _Connection(SMTP):
    """One SMTP connection that says when it is over and its task has ended."""

    def __init__(self, server: _SmtpServer, on_end: Callable[[_Connection], None]) -> None:
        super().__init__(
            server,
            data_size_limit=BODY_BYTES,
            enable_SMTPUTF8=True,
            hostname="demo",
            loop=asyncio.get_running_loop(),
        )
        self._on_end = on_end

    def connection_lost(self, error: Exception | None) -> None:
        """End the task of this connection, then report."""
        super().connection_lost(error)
        task = self._handler_coroutine
        if task is not None:
            task.add_done_callback(lambda _: self._on_end(self))


class _SmtpServer:
    """aiosmtpd in our own loop; its own controller would need a thread."""

    def __init__(
        self, on_email: Callable[[Envelope], str], failure: Callable[[], int | None]
    ) -> None:
        self._on_email = on_email
        self._failure = failure
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def start(self) -> int:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, HOST, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        async with asyncio.timeout(CLOSE_SECONDS):
            while self._connections:
                for connection in self._connections:
                    if connection.transport is not None:
                        connection.transport.close()
                await asyncio.sleep(0)
        await self._server.wait_closed()

    # At MAIL, because Alertmanager 0.25 takes a refusal at the end of DATA for a success.
    async def handle_MAIL(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if status := self._failure():
            return f"{status} {status // 100}.3.0 Simulated failure"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Sender accepted"

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        return self._on_email(envelope)

    def _connection(self) -> _Connection:
        connection = _Connection(self, self._connections.discard)
        self._connections.add(connection)
        return connection


def _require_channel(channel: str) -> None:
    if channel not in get_args(Channel):
        raise ValueError(f"no channel {channel!r}; there are {', '.join(get_args(Channel))}")


def _read_email(envelope: Envelope) -> dict[str, Any]:
    message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
    missing = [name for name in ("From", "To", "Subject") if not message[name]]
    if missing:
        raise _RefusedError(f"The message has no {', '.join(missing)}")
    _require_envelope(envelope, message)
    return {
        "mail_from": envelope.mail_from,
        "rcpt_tos": list(envelope.rcpt_tos),
        "headers": {name: str(value) for name, value in message.items()},
        "text": _part(message, "plain"),
        "html": _part(message, "html"),
    }


def _require_envelope(envelope: Envelope, message: EmailMessage) -> None:
    sender = (envelope.mail_from or "").lower()
    if sender not in _addresses(message, "From"):
        raise _RefusedError(f"The envelope's sender {sender!r} is not in From")
    recipients = {address.lower() for address in envelope.rcpt_tos}
    unnamed = recipients - _addresses(message, "To", "Cc")
    if unnamed:
        raise _RefusedError(f"The envelope's {', '.join(sorted(unnamed))} is not in To or Cc")


def _addresses(message: EmailMessage, *names: str) -> set[str]:
    headers = [header for name in names for header in message.get_all(name, [])]
    return {address.addr_spec.lower() for header in headers for address in header.addresses}


def _part(message: EmailMessage, kind: Literal["plain", "html"]) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except LookupError as error:
        raise _RefusedError(f"The {kind} part cannot be decoded: {error}") from error


def _email_receipt(body: Mapping[str, Any], received_at: float) -> Receipt:
    subject = _one_line(body["headers"]["Subject"])
    text = body["text"] or _TAG.sub(" ", body["html"] or "")
    return Receipt(
        channel="email",
        received_at=received_at,
        status=_status(subject),
        alerts=_names(subject, [text]),
        summary=subject,
        body=body,
    )


def _read_slack(content_type: str, raw: bytes) -> dict[str, Any]:
    message = _json_object(raw)
    if content_type != "application/json" or message is None:
        raise _RefusedError("invalid_payload")
    if not isinstance(message.get("text") or "", str):
        raise _RefusedError("invalid_payload")
    attachments, blocks = message.get("attachments") or [], message.get("blocks") or []
    if not _is_list_of_objects(attachments):
        raise _RefusedError("invalid_attachments")
    if len(attachments) > SLACK_ATTACHMENTS:
        raise _RefusedError("too_many_attachments")
    if not _is_list_of_objects(blocks):
        raise _RefusedError("invalid_blocks")
    if not (message.get("text") or attachments or blocks):
        raise _RefusedError("no_text")
    return message


def _slack_receipt(body: Mapping[str, Any], received_at: float) -> Receipt:
    attachments: list[Mapping[str, Any]] = body.get("attachments") or []
    titles = [a.get("title") or a.get("fallback") or a.get("text") for a in attachments]
    shown = [t for t in [body.get("text"), *titles] if t] or list(_block_texts(body))
    title = _one_line(" · ".join(map(str, shown)))
    all_resolved = bool(attachments) and all(a.get("color") == "good" for a in attachments)
    return Receipt(
        channel="slack",
        received_at=received_at,
        status=_status(title, otherwise="resolved" if all_resolved else "firing"),
        alerts=_names(title, _lines(body)),
        summary=title,
        body=body,
    )


def _block_texts(body: Mapping[str, Any]) -> Iterator[str]:
    for block in body.get("blocks") or []:
        text = block.get("text")
        if isinstance(text, dict) and text.get("text"):
            yield str(text["text"])


def _slack_failure(status: int) -> web.Response:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return web.Response(status=status, text="rate_limited", headers={"Retry-After": "1"})
    return web.Response(status=status, text="rollup_error")


def _pagerduty_errors(event: Mapping[str, Any] | None) -> list[str]:
    """What is wrong with an event, in the documented order of its fields; empty if nothing."""
    if event is None:
        return ["The body is not a JSON object"]
    errors = []
    if len(_text(event, "routing_key")) != ROUTING_KEY_CHARACTERS:
        errors.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    action = event.get("event_action")
    if action not in PAGERDUTY_ACTIONS:
        errors.append(f"'event_action' must be one of {', '.join(PAGERDUTY_ACTIONS)}")
    errors += _dedup_key_errors(event)
    if action == "trigger":
        errors += _payload_errors(event.get("payload"))
    return errors


def _dedup_key_errors(event: Mapping[str, Any]) -> list[str]:
    if not event.get("dedup_key"):
        needed = event.get("event_action") in ("acknowledge", "resolve")
        return ["'dedup_key' is missing or blank"] if needed else []
    if not 0 < len(_text(event, "dedup_key")) <= PAGERDUTY_DEDUP_KEY_CHARACTERS:
        return [f"'dedup_key' must be text of up to {PAGERDUTY_DEDUP_KEY_CHARACTERS} characters"]
    return []


def _payload_errors(payload: object) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or not an object"]
    errors = [
        f"'payload.{name}' is missing or blank"
        for name in ("summary", "source", "severity")
        if not _text(payload, name).strip()
    ]
    if len(_text(payload, "summary")) > PAGERDUTY_SUMMARY_CHARACTERS:
        errors.append(f"'payload.summary' exceeds {PAGERDUTY_SUMMARY_CHARACTERS} characters")
    severity = _text(payload, "severity")
    if severity and severity not in PAGERDUTY_SEVERITIES:
        errors.append(f"'payload.severity' must be one of {', '.join(PAGERDUTY_SEVERITIES)}")
    return errors


def _incident(dedup_key: str, payload: Mapping[str, Any], opened_at: float) -> Incident:
    return Incident(
        dedup_key=dedup_key,
        summary=_one_line(payload["summary"]),
        source=payload["source"],
        severity=payload["severity"],
        opened_at=opened_at,
    )


def _pagerduty_receipt(
    event: Mapping[str, Any], incident: Incident | None, received_at: float
) -> Receipt:
    payload = event.get("payload")
    payload = payload if isinstance(payload, dict) else {}
    # A resolve needs no payload; then the incident that it ends tells what it is about.
    known = incident.summary if incident else event.get("dedup_key", "")
    summary = _one_line(_text(payload, "summary") or known)
    return Receipt(
        channel="pagerduty",
        received_at=received_at,
        status="firing" if event["event_action"] == "trigger" else "resolved",
        alerts=_names(summary, _lines(payload)),
        summary=summary,
        body=event,
    )


def _json_object(raw: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(raw)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    return value if isinstance(value, str) else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _status(title: str, otherwise: Status = "firing") -> Status:
    lowered = title.lower()
    if "[firing" in lowered:
        return "firing"
    return "resolved" if "[resolved" in lowered else otherwise


def _names(title: str, texts: Iterable[str]) -> tuple[str, ...]:
    labelled = [name for text in texts for name in _LABELLED_NAME.findall(text)]
    return tuple(dict.fromkeys([*_TITLE_NAME.findall(title), *labelled]))


def _lines(value: object, key: str = "") -> Iterator[str]:
    """Every text in a JSON value as `key: text`; a Slack field as `title: value`."""
    if isinstance(value, str):
        yield f"{key}: {value}"
    elif isinstance(value, list):
        for item in value:
            yield from _lines(item, key)
    elif isinstance(value, dict):
        if {"title", "value"} <= value.keys():
            yield f"{value['title']}: {value['value']}"
        for name, item in value.items():
            yield from _lines(item, name)
