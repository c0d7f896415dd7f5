"""The sinks take what email, Slack and PagerDuty would take, and refuse what those refuse."""

from __future__ import annotations

import asyncio
import io
import smtplib
import socket
import time
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import aiohttp
import pytest

from demo.sinks import BODY_BYTES, Sinks

DEADLINE = 30.0
ROUTING_KEY = "0123456789abcdef" * 2
SENDER = "alerts@example.com"
RECIPIENT = "oncall@example.com"


@pytest.fixture
async def sinks() -> AsyncIterator[Sinks]:
    async with Sinks() as started:
        yield started


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DEADLINE)) as session:
        yield session


def email(subject: str = "[FIRING:1] ServiceDown payment-service", **headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in {"From": SENDER, "To": RECIPIENT, "Subject": subject, **headers}.items():
        if value:
            message[name] = value
    message.set_content("alertname = ServiceDown\nservice = payment-service\n")
    message.add_alternative("<p>payment-service is <b>down</b></p>", subtype="html")
    return message


def send_blocking(address: str, message: EmailMessage, sender: str, recipient: str) -> None:
    host, _, port = address.partition(":")
    with smtplib.SMTP(host, int(port), timeout=DEADLINE) as client:
        client.sendmail(sender, [recipient], message.as_bytes())


async def send(
    sinks: Sinks, message: EmailMessage, sender: str = SENDER, recipient: str = RECIPIENT
) -> None:
    await asyncio.to_thread(send_blocking, sinks.smtp_address, message, sender, recipient)


async def post(http: aiohttp.ClientSession, url: str, body: object) -> tuple[int, str]:
    async with http.post(url, json=body) as response:
        return response.status, await response.text()


async def post_event(
    http: aiohttp.ClientSession, sinks: Sinks, event: object
) -> tuple[int, dict[str, Any]]:
    async with http.post(sinks.pagerduty_url, json=event) as response:
        reply: dict[str, Any] = await response.json()
        return response.status, reply


def trigger(dedup_key: str = "key", **payload: object) -> dict[str, Any]:
    return {
        "routing_key": ROUTING_KEY,
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "payload": {
            "summary": "[FIRING:1] ServiceDown",
            "source": "alertmanager",
            "severity": "critical",
            "custom_details": {"service": "payment-service"},
            **payload,
        },
    }


def follow_up(action: str, dedup_key: str = "key") -> dict[str, Any]:
    return {"routing_key": ROUTING_KEY, "event_action": action, "dedup_key": dedup_key}


class TestMisuse:
    def test_there_are_no_addresses_before_start(self) -> None:
        with pytest.raises(RuntimeError, match="not running"):
            _ = Sinks().slack_url

    @pytest.mark.parametrize("status", [200, 399, 600])
    def test_only_a_failure_can_be_simulated(self, status: int) -> None:
        with pytest.raises(ValueError, match=str(status)):
            Sinks().fail("slack", status)

    def test_an_unknown_channel_is_refused(self) -> None:
        with pytest.raises(ValueError, match="pager"):
            Sinks().fail("pager")  # type: ignore[arg-type]

    async def test_stopping_what_never_started_does_nothing(self) -> None:
        await Sinks().stop()


class TestEmailRefused:
    @pytest.mark.parametrize("header", ["From", "To", "Subject"])
    async def test_a_header_is_missing(self, sinks: Sinks, header: str) -> None:
        with pytest.raises(smtplib.SMTPDataError, match=f"550.*has no {header}"):
            await send(sinks, email(**{"subject" if header == "Subject" else header: ""}))
        assert sinks.receipts == ()

    async def test_the_envelope_names_another_sender(self, sinks: Sinks) -> None:
        with pytest.raises(smtplib.SMTPDataError, match="not in From"):
            await send(sinks, email(), sender="other@example.com")

    async def test_the_envelope_names_another_recipient(self, sinks: Sinks) -> None:
        with pytest.raises(smtplib.SMTPDataError, match=r"other@example\.com is not in To or Cc"):
            await send(sinks, email(), recipient="other@example.com")

    async def test_an_unknown_charset(self, sinks: Sinks) -> None:
        message = email()
        message.get_body(("plain",)).replace_header(  # type: ignore[union-attr]
            "Content-Type", 'text/plain; charset="no-such"'
        )
        with pytest.raises(smtplib.SMTPDataError, match="cannot be decoded"):
            await send(sinks, message)

    async def test_a_message_beyond_the_limit(self, sinks: Sinks) -> None:
        message = email()
        message.add_attachment(bytes(BODY_BYTES), maintype="application", subtype="zip")
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            await send(sinks, message)
        assert refused.value.smtp_code == 552

    async def test_a_simulated_failure_until_repaired(self, sinks: Sinks) -> None:
        sinks.fail("email")
        # Before DATA: Alertmanager 0.25 does not look at the reply to the message itself.
        with pytest.raises(smtplib.SMTPSenderRefused, match="451"):
            await send(sinks, email())
        sinks.repair("email")
        await send(sinks, email())
        assert len(sinks.receipts) == 1


class TestEmailAccepted:
    async def test_the_receipt_tells_what_arrived(self, sinks: Sinks) -> None:
        before = time.time()
        await send(sinks, email())
        (receipt,) = sinks.receipts
        assert receipt.channel == "email"
        assert receipt.status == "firing"
        assert receipt.alerts == ("ServiceDown", "payment-service")
        assert receipt.summary == "[FIRING:1] ServiceDown payment-service"
        assert before <= receipt.received_at <= time.time()
        assert receipt.body["mail_from"] == SENDER
        assert receipt.body["rcpt_tos"] == [RECIPIENT]
        assert receipt.body["headers"]["To"] == RECIPIENT
        assert "alertname = ServiceDown" in receipt.body["text"]
        assert "<b>down</b>" in receipt.body["html"]

    async def test_the_subject_says_resolved_in_any_case(self, sinks: Sinks) -> None:
        await send(sinks, email("[Resolved] ServiceDown"))
        assert sinks.receipts[0].status == "resolved"

    async def test_an_encoded_subject_is_decoded(self, sinks: Sinks) -> None:
        await send(sinks, email("[RESOLVED] ServiceDown – “fine” äöü " + "long " * 20))
        assert sinks.receipts[0].status == "resolved"
        assert "“fine” äöü" in sinks.receipts[0].summary

    async def test_names_and_copies_count_as_addresses(self, sinks: Sinks) -> None:
        message = email(From=f"Alerts <{SENDER.upper()}>", Cc="Lead <lead@example.com>")
        await send(sinks, message, recipient="lead@example.com")
        assert len(sinks.receipts) == 1

    async def test_html_alone_shows_its_alerts(self, sinks: Sinks) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = SENDER, RECIPIENT, "[FIRING:1]"
        message.set_content("<b>alertname</b> = DataLossRisk<br>", subtype="html")
        await send(sinks, message)
        assert sinks.receipts[0].alerts == ("DataLossRisk",)
        assert sinks.receipts[0].body["text"] is None


class TestSlackRefused:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ([], "invalid_payload"),
            ({"text": 1}, "invalid_payload"),
            ({}, "no_text"),
            ({"channel": "#alerts", "text": "", "attachments": []}, "no_text"),
            ({"attachments": "none"}, "invalid_attachments"),
            ({"attachments": [{"title": "x"}] * 101}, "too_many_attachments"),
            ({"blocks": ["x"]}, "invalid_blocks"),
        ],
    )
    async def test_with_slacks_own_words(
        self, sinks: Sinks, http: aiohttp.ClientSession, body: object, reason: str
    ) -> None:
        assert await post(http, sinks.slack_url, body) == (400, reason)
        assert sinks.receipts == ()

    @pytest.mark.parametrize("raw", [b"{", b"\xff\xfe\xfa", b""])
    async def test_what_is_no_json(
        self, sinks: Sinks, http: aiohttp.ClientSession, raw: bytes
    ) -> None:
        headers = {"Content-Type": "application/json"}
        async with http.post(sinks.slack_url, data=raw, headers=headers) as response:
            assert (response.status, await response.text()) == (400, "invalid_payload")

    async def test_json_under_another_content_type(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        async with http.post(sinks.slack_url, data=b'{"text": "x"}') as response:
            assert (response.status, await response.text()) == (400, "invalid_payload")

    async def test_a_body_beyond_the_limit(self, sinks: Sinks, http: aiohttp.ClientSession) -> None:
        async with http.post(sinks.slack_url, data=io.BytesIO(bytes(BODY_BYTES + 1))) as response:
            assert response.status == 413

    async def test_another_method_or_address(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        async with http.get(sinks.slack_url) as response:
            assert response.status == 405
        status, _ = await post(http, f"{sinks.slack_url}/other", {"text": "x"})
        assert status == 404

    async def test_a_simulated_failure_until_repaired(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        sinks.fail("slack")
        assert (await post(http, sinks.slack_url, {"text": "x"}))[0] == 500
        sinks.fail("slack", 429)
        assert await post(http, sinks.slack_url, {"text": "x"}) == (429, "rate_limited")
        sinks.repair("slack")
        assert await post(http, sinks.slack_url, {"text": "x"}) == (200, "ok")


class TestSlackAccepted:
    async def test_the_answer_is_ok_as_plain_text(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        async with http.post(sinks.slack_url, json={"text": "x"}) as response:
            assert (response.status, response.content_type) == (200, "text/plain")
            assert await response.text() == "ok"

    async def test_the_receipt_tells_what_arrived(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        body = {
            "channel": "#alerts",
            "attachments": [
                {
                    "title": "[FIRING:2] ServiceDown",
                    "color": "danger",
                    "text": "*Service:* `payment-service`\nis down",
                    "fields": [{"title": "Service", "value": "api-gateway", "short": True}],
                }
            ],
        }
        await post(http, sinks.slack_url, body)
        (receipt,) = sinks.receipts
        assert (receipt.channel, receipt.status) == ("slack", "firing")
        assert receipt.alerts == ("ServiceDown", "payment-service", "api-gateway")
        assert receipt.summary == "[FIRING:2] ServiceDown"
        assert receipt.body == body

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"attachments": [{"title": "[RESOLVED] ServiceDown", "color": "danger"}]}, "resolved"),
            ({"attachments": [{"fallback": "[resolved] ServiceDown"}]}, "resolved"),
            ({"text": "[RESOLVED] ServiceDown"}, "resolved"),
            ({"attachments": [{"title": "ServiceDown", "color": "good"}]}, "resolved"),
            ({"attachments": [{"title": "ServiceDown", "color": "danger"}]}, "firing"),
            ({"text": "[FIRING:1, RESOLVED:1] ServiceDown"}, "firing"),
            ({"text": "ServiceDown"}, "firing"),
            (
                {
                    "blocks": [
                        {"type": "header", "text": {"type": "plain_text", "text": "[RESOLVED"}}
                    ]
                },
                "resolved",
            ),
        ],
    )
    async def test_the_status_is_read_from_title_text_and_colour(
        self, sinks: Sinks, http: aiohttp.ClientSession, body: object, status: str
    ) -> None:
        assert (await post(http, sinks.slack_url, body))[0] == 200
        assert sinks.receipts[0].status == status


class TestPagerDutyRefused:
    @pytest.mark.parametrize(
        ("changed", "complaint"),
        [
            ({"routing_key": "short"}, "routing_key"),
            ({"routing_key": None}, "routing_key"),
            ({"event_action": "page"}, "event_action"),
            ({"event_action": None}, "event_action"),
            ({"event_action": "resolve", "dedup_key": ""}, "dedup_key"),
            ({"event_action": "acknowledge", "dedup_key": None}, "dedup_key"),
            ({"dedup_key": "x" * 256}, "dedup_key"),
            ({"dedup_key": 5}, "dedup_key"),
            ({"payload": None}, "payload"),
            ({"payload": {"source": "a", "severity": "info"}}, "payload.summary"),
            ({"payload": {"summary": " ", "source": "a", "severity": "info"}}, "payload.summary"),
            ({"payload": {"summary": "a", "severity": "info"}}, "payload.source"),
            ({"payload": {"summary": "a", "source": "a"}}, "payload.severity"),
            ({"payload": {"summary": "a", "source": "a", "severity": "bad"}}, "payload.severity"),
            (
                {"payload": {"summary": "a" * 1025, "source": "a", "severity": "info"}},
                "payload.summary",
            ),
        ],
    )
    async def test_a_field_is_wrong(
        self,
        sinks: Sinks,
        http: aiohttp.ClientSession,
        changed: dict[str, object],
        complaint: str,
    ) -> None:
        status, reply = await post_event(http, sinks, {**trigger(), **changed})
        assert status == 400
        assert reply["status"] == "invalid event"
        assert set(reply) == {"status", "message", "errors"}
        assert len(reply["errors"]) == 1
        assert f"'{complaint}'" in reply["errors"][0]
        assert [refusal.reason for refusal in sinks.refusals] == reply["errors"]
        assert sinks.receipts == ()
        assert sinks.open_incidents == {}

    async def test_all_errors_come_at_once(self, sinks: Sinks, http: aiohttp.ClientSession) -> None:
        _, reply = await post_event(http, sinks, {"event_action": "trigger", "payload": {}})
        assert len(reply["errors"]) == 4

    async def test_what_is_no_json_object(self, sinks: Sinks, http: aiohttp.ClientSession) -> None:
        async with http.post(sinks.pagerduty_url, data=b"{") as response:
            assert response.status == 400
            assert (await response.json())["status"] == "invalid event"

    async def test_a_body_beyond_the_limit(self, sinks: Sinks, http: aiohttp.ClientSession) -> None:
        body = io.BytesIO(bytes(BODY_BYTES + 1))
        async with http.post(sinks.pagerduty_url, data=body) as response:
            assert response.status == 413

    @pytest.mark.parametrize("status", [429, 500])
    async def test_a_simulated_failure_until_repaired(
        self, sinks: Sinks, http: aiohttp.ClientSession, status: int
    ) -> None:
        sinks.fail("pagerduty", status)
        assert (await post_event(http, sinks, trigger()))[0] == status
        assert sinks.open_incidents == {}
        sinks.repair("pagerduty")
        assert (await post_event(http, sinks, trigger()))[0] == 202


class TestPagerDutyAccepted:
    async def test_the_answer_names_the_incident(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        assert await post_event(http, sinks, trigger("abc")) == (
            202,
            {"status": "success", "message": "Event processed", "dedup_key": "abc"},
        )

    async def test_a_trigger_without_a_key_is_given_one(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        _, reply = await post_event(http, sinks, trigger(""))
        assert list(sinks.open_incidents) == [reply["dedup_key"]]

    async def test_the_receipt_tells_what_arrived(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        await post_event(http, sinks, trigger())
        (receipt,) = sinks.receipts
        assert (receipt.channel, receipt.status) == ("pagerduty", "firing")
        assert receipt.alerts == ("ServiceDown", "payment-service")
        assert receipt.summary == "[FIRING:1] ServiceDown"
        assert receipt.body["event_action"] == "trigger"

    async def test_an_incident_lives_from_trigger_to_resolve(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        await post_event(http, sinks, trigger("a"))
        await post_event(http, sinks, trigger("b"))
        await post_event(http, sinks, trigger("a", severity="info"))
        assert {i.severity for i in sinks.open_incidents.values()} == {"critical"}
        await post_event(http, sinks, follow_up("acknowledge", "a"))
        assert sinks.open_incidents["a"].acknowledged
        assert not sinks.open_incidents["b"].acknowledged
        await post_event(http, sinks, follow_up("resolve", "a"))
        assert list(sinks.open_incidents) == ["b"]
        assert [r.status for r in sinks.receipts] == ["firing", "firing", "firing", "resolved"]

    async def test_a_resolve_without_payload_tells_what_it_ends(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        await post_event(http, sinks, trigger())
        await post_event(http, sinks, follow_up("resolve"))
        assert sinks.receipts[-1].summary == "[FIRING:1] ServiceDown"
        assert "ServiceDown" in sinks.receipts[-1].alerts

    async def test_following_up_on_nothing_is_accepted(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        for action in ("acknowledge", "resolve"):
            assert (await post_event(http, sinks, follow_up(action)))[0] == 202
        assert sinks.open_incidents == {}


class TestWaiting:
    async def test_a_timeout_lists_what_was_received_and_refused(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        await post(http, sinks.slack_url, {"text": "[FIRING:1] ServiceDown"})
        await post(http, sinks.slack_url, {})
        with pytest.raises(smtplib.SMTPDataError):
            await send(sinks, email(From=""))
        with pytest.raises(TimeoutError) as raised:
            await sinks.wait_for(lambda receipt: receipt.channel == "email", 0.05)
        assert str(raised.value) == (
            "no matching receipt within 0.05 s; received 1, refused 2\n"
            "  slack firing: [FIRING:1] ServiceDown\n"
            "  slack refused: no_text\n"
            "  email refused: The message has no From"
        )

    async def test_a_past_receipt_is_found_at_once(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        await post(http, sinks.slack_url, {"text": "past"})
        assert (await sinks.wait_for(lambda _: True, 0)).summary == "past"

    async def test_a_future_receipt_is_waited_for(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        waiting = asyncio.create_task(sinks.wait_for(lambda r: r.channel == "email", DEADLINE))
        await post(http, sinks.slack_url, {"text": "another"})
        await send(sinks, email())
        assert (await waiting).channel == "email"

    async def test_subscribers_see_what_comes_while_they_listen(
        self, sinks: Sinks, http: aiohttp.ClientSession
    ) -> None:
        await post(http, sinks.slack_url, {"text": "before"})
        with sinks.subscribe() as one, sinks.subscribe() as two:
            await post(http, sinks.slack_url, {"text": "during"})
            assert one.get_nowait().summary == two.get_nowait().summary == "during"
        await post(http, sinks.slack_url, {"text": "after"})
        assert one.empty()
        assert len(sinks.receipts) == 3


class TestStopping:
    async def test_open_connections_are_closed_and_no_task_stays(
        self, http: aiohttp.ClientSession
    ) -> None:
        before = asyncio.all_tasks()
        sinks = Sinks()
        await sinks.start()
        host, _, port = sinks.smtp_address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        assert (await reader.readline()).startswith(b"220 ")
        await post(http, sinks.slack_url, {"text": "kept"})
        await sinks.stop()
        assert await reader.read() == b""
        writer.close()
        assert asyncio.all_tasks() <= before
        with socket.socket() as client:
            assert client.connect_ex((host, int(port))) != 0
        assert len(sinks.receipts) == 1

    async def test_stopped_sinks_start_again(self) -> None:
        sinks = Sinks()
        for _ in range(2):
            async with sinks:
                await send(sinks, email())
        assert len(sinks.receipts) == 2
