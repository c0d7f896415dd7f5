"""Reading a remote JSON document: values and a state, and what it means that they are missing."""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any

import pytest
from certificates import Authorities
from scripted_server import Client, Script, serving, value

from exporter.probers.json_document import JsonProber
from exporter.probers.result import Health, ProbeResult, Reason
from model import names
from model.json_target import JsonState, JsonTarget, JsonValue

STATE = JsonState(
    path="status.indicator", up=("none",), degraded=("minor",), down=("major", "critical")
)
DEPTH = JsonValue(name="depth", path="queues.0.depth")


async def read(url: str, timeout: float = 20.0, **settings: Any) -> ProbeResult:
    prober = JsonProber(JsonTarget(name="provider", url=url, **settings), url)
    try:
        return await prober.probe(timeout)
    finally:
        await prober.close()


def answering(document: object) -> Script:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()

    async def script(client: Client) -> None:
        await client.answer(body)

    return script


async def state_of(document: object) -> ProbeResult:
    async with serving(answering(document)) as served:
        return await read(served.url, state=STATE)


def states(result: ProbeResult) -> set[str]:
    """The states that are 1; every one of the four has a series."""
    found = {one.labels[0]: one.value for one in result.samples if one.metric is names.JSON_STATE}
    assert set(found) == {"up", "degraded", "down", "unknown"}
    return {state for state, told in found.items() if told == 1}


# --- a state --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("indicator", "state", "health"),
    [
        ("none", "up", Health.HEALTHY),
        ("minor", "degraded", Health.DEGRADED),
        ("major", "down", Health.UNHEALTHY),
        ("critical", "down", Health.UNHEALTHY),
        ("maintenance", "unknown", Health.UNHEALTHY),
        ("None", "unknown", Health.UNHEALTHY),
        ("", "unknown", Health.UNHEALTHY),
        (None, "unknown", Health.UNHEALTHY),
        (0, "unknown", Health.UNHEALTHY),
        (["none"], "unknown", Health.UNHEALTHY),
    ],
)
async def test_a_state_is_what_the_config_says_its_text_means(
    indicator: object, state: str, health: Health
) -> None:
    result = await state_of({"status": {"indicator": indicator}})
    assert (result.health, states(result)) == (health, {state})
    assert (result.reason is Reason.BODY) == (health is Health.UNHEALTHY)
    assert bool(result.detail) == (state != "up")


@pytest.mark.parametrize(
    "document", [{}, [], "none", {"status": "none"}, b"", b"<html>", b"\xff", b'{"status":']
)
async def test_a_document_without_a_state_is_unknown(document: object) -> None:
    result = await state_of(document)
    assert (result.success, result.reason, states(result)) == (False, Reason.BODY, {"unknown"})


async def test_what_cannot_be_fetched_is_unknown() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        result = await read(url, state=STATE)
    assert (result.success, result.reason) == (False, Reason.CONNECT_REFUSED)
    assert states(result) == {"unknown"}


async def test_another_status_than_200_is_unknown_whatever_the_document_says() -> None:
    async def script(client: Client) -> None:
        await client.answer(b'{"status":{"indicator":"none"}}', status=b"503 Unavailable")

    async with serving(script) as served:
        result = await read(served.url, state=STATE)
    assert (result.reason, states(result)) == (Reason.STATUS, {"unknown"})


async def test_a_text_that_is_quoted_is_short() -> None:
    result = await state_of({"status": {"indicator": "\x1b[31m" + "x" * 5000}})
    assert len(result.detail) < 200
    assert result.detail.isprintable()


async def test_a_document_that_comes_back_is_read_again() -> None:
    """The same bytes are not parsed twice, but what comes between counts."""
    good, odd = b'{"status":{"indicator":"none"}}', b'{"status":{"indicator":"odd"}}'
    answers = [good, odd, b"garbage", good]

    async def script(client: Client) -> None:
        await client.answer(answers.pop(0))

    async with serving(script) as served:
        target = JsonTarget(name="provider", url=served.url, state=STATE)
        prober = JsonProber(target, served.url)
        found = [states(await prober.probe(2)) for _ in range(4)]
        await prober.close()
    assert found == [{"up"}, {"unknown"}, {"unknown"}, {"up"}]


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, -3, 17, 2.5, 1e300, 10**300])
async def test_a_number_is_exposed(number: float) -> None:
    async with serving(answering({"queues": [{"depth": number}]})) as served:
        result = await read(served.url, values=(DEPTH,))
    assert (result.success, result.detail) == (True, "")
    assert value(result, names.JSON_VALUE, "depth") == float(number)


@pytest.mark.parametrize(
    "depth", [b'"17"', b"true", b"null", b"[]", b"NaN", b"Infinity", b"1e999", b"1" + b"0" * 400]
)
async def test_what_is_no_number_has_no_series(depth: bytes) -> None:
    async with serving(answering(b'{"queues":[{"depth":' + depth + b"}]}")) as served:
        result = await read(served.url, values=(DEPTH,))
    assert (result.success, result.reason) == (False, Reason.BODY)
    assert result.detail == "queues.0.depth is not a number"
    assert value(result, names.JSON_VALUE, "depth") is None


async def test_a_missing_value_spares_the_others_and_the_state() -> None:
    document = {"status": {"indicator": "minor"}, "queues": []}
    wanted = (DEPTH, JsonValue(name="size", path="size"))
    async with serving(answering({**document, "size": 5})) as served:
        result = await read(served.url, values=wanted, state=STATE)
    assert (result.success, result.reason) == (False, Reason.BODY)
    assert "queues.0.depth is missing" in result.detail
    assert value(result, names.JSON_VALUE, "size") == 5
    assert states(result) == {"degraded"}


# --- how it is fetched --------------------------------------------------------------------------


async def test_its_path_is_the_urls() -> None:
    async with serving(answering({"size": 1})) as served:
        url = f"{served.url}/api/v2/status.json?lang=en"
        result = await read(url, values=(JsonValue(name="size", path="size"),))
    assert result.success, result.detail
    assert served.requests[0].startswith(b"GET /api/v2/status.json?lang=en HTTP/1.1\r\n")


async def test_when_a_strangers_certificate_expires_is_not_told(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    authorities = Authorities(tmp_path_factory.mktemp("ca"))
    context: ssl.SSLContext = authorities.good()
    async with serving(answering({"size": 1}), context) as served:
        size = (JsonValue(name="size", path="size"),)
        result = await read(served.url, values=size, ca_file=authorities.file)
    assert result.success, result.detail
    assert value(result, names.PROBE_HTTP_SSL) == 1
    assert value(result, names.PROBE_SSL_EARLIEST_CERT_EXPIRY) is None
    assert value(result, names.PROBE_SSL_LAST_CHAIN_EXPIRY) is None
