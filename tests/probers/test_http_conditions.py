"""Conditions on answers: what is missing fails them, and both sides of each threshold."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from scripted_server import HEALTHY, Client, Script, probe, serving, value

from exporter.probers.result import Reason
from model import names
from model.conditions import HeaderCondition, JsonCondition

DOCUMENT = (
    b'{"status":"ok","n":3,"s":"3","t":true,"z":0,"e":"","null":null,"nan":NaN,'
    b'"checks":{"db":{"state":"up"},"list":[{"lag":1.5},{}]},"a.b":1}'
)


def answering(body: bytes, *headers: bytes) -> Script:
    async def script(client: Client) -> None:
        await client.answer(body, *headers)

    return script


async def reason(script: Script, **settings: Any) -> tuple[Reason | None, float | None]:
    """Why a probe failed, and whether a regular expression is to blame."""
    async with serving(script) as served:
        result = await probe(served.url, **settings)
    return result.reason, value(result, names.PROBE_FAILED_DUE_TO_REGEX)


# --- refused in the config ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"path": ""}, "path"),
        ({"path": "a..b"}, "path"),
        ({"path": "a", "regexp": "("}, "regular expression"),
        ({"path": "a", "one_of": ()}, "nothing could ever hold"),
        ({"path": "a", "at_least": 2, "at_most": 1}, "at_least"),
        ({"path": "a", "at_lest": 2}, "at_lest"),
    ],
)
def test_json_mistakes(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        JsonCondition(**settings)


@pytest.mark.parametrize(("header", "regexp"), [("X A", "x"), ("", "x"), ("X-A", "(")])
def test_header_mistakes(header: str, regexp: str) -> None:
    with pytest.raises(ValidationError):
        HeaderCondition(header=header, regexp=regexp)


# --- JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "condition",
    [
        # Not there: fails whatever is asked, also what a zero or nothing would satisfy.
        JsonCondition(path="missing"),
        JsonCondition(path="missing", at_most=10),
        JsonCondition(path="missing", at_least=0),
        JsonCondition(path="missing", one_of=(None, 0, "", False)),
        JsonCondition(path="checks.db.missing.deeper"),
        JsonCondition(path="checks.list.2"),
        JsonCondition(path="checks.list.-1"),
        JsonCondition(path="checks.list.1.lag", at_least=0),
        JsonCondition(path="s.0"),
        JsonCondition(path="n.real"),
        # There, but of another kind.
        JsonCondition(path="s", at_least=3),
        JsonCondition(path="t", at_least=1),
        JsonCondition(path="null", at_most=1),
        JsonCondition(path="nan", at_least=0),
        JsonCondition(path="nan", at_most=0),
        JsonCondition(path="t", one_of=(1,)),
        JsonCondition(path="z", one_of=(False,)),
        JsonCondition(path="s", one_of=(3,)),
        JsonCondition(path="n", regexp="3"),
        JsonCondition(path="checks", one_of=("up",)),
        # There, but too little or too much.
        JsonCondition(path="n", at_least=3.1),
        JsonCondition(path="n", at_most=2.9),
        JsonCondition(path="checks.db.state", one_of=("down", "starting")),
        JsonCondition(path="checks.db.state", regexp="^u$"),
        # All that is given has to hold.
        JsonCondition(path="n", one_of=(3,), at_most=2),
    ],
    ids=str,
)
async def test_json_condition_fails(condition: JsonCondition) -> None:
    found = await reason(answering(DOCUMENT), json_conditions=(condition,))
    assert found == (Reason.BODY, 0)


@pytest.mark.parametrize(
    "condition",
    [
        JsonCondition(path="n"),
        JsonCondition(path="null"),
        JsonCondition(path="n", at_least=3, at_most=3),
        JsonCondition(path="n", one_of=(1, 3.0)),
        JsonCondition(path="t", one_of=(True,)),
        JsonCondition(path="z", at_most=0),
        JsonCondition(path="e", one_of=("",)),
        JsonCondition(path="null", one_of=(None,)),
        JsonCondition(path="checks.db.state", one_of=("up",), regexp="^u"),
        JsonCondition(path="checks.list.0.lag", at_most=1.5),
    ],
    ids=str,
)
async def test_json_condition_holds(condition: JsonCondition) -> None:
    found = await reason(answering(DOCUMENT), json_conditions=(condition,))
    assert found == (None, 0)


async def test_json_without_a_status_field() -> None:
    conditions = (JsonCondition(path="0.state", one_of=("up",)),)
    up, down = answering(b'[{"state":"up"}]'), answering(b'[{"state":"down"}]')
    settings: dict[str, Any] = {"json_conditions": conditions, "status_field": None}
    assert await reason(up, **settings) == (None, 0)
    assert await reason(down, **settings) == (Reason.BODY, 0)


async def test_another_status_field_and_words() -> None:
    settings: dict[str, Any] = {"status_field": "state", "up": ("UP",), "degraded": ("LIMPING",)}
    assert await reason(answering(b'{"state":"UP"}'), **settings) == (None, 0)
    assert await reason(answering(b'{"state":"LIMPING"}'), **settings) == (None, 0)
    assert await reason(answering(b'{"state":"up"}'), **settings) == (Reason.BODY, 0)
    assert await reason(answering(HEALTHY), **settings) == (Reason.BODY, 0)


# --- the body -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "unwanted", "outcome"),
    [
        (("error",), (), (Reason.BODY, 1)),
        (("healthy", "error"), (), (Reason.BODY, 1)),
        ((), ("healthy",), (Reason.BODY, 1)),
        ((), ("error", "heal"), (Reason.BODY, 1)),
        (("healthy",), ("error",), (None, 0)),
        (('^{"status"',), ("^healthy",), (None, 0)),
    ],
)
async def test_body(
    wanted: tuple[str, ...], unwanted: tuple[str, ...], outcome: tuple[Reason | None, float]
) -> None:
    found = await reason(
        answering(HEALTHY),
        fail_if_body_not_matches_regexp=wanted,
        fail_if_body_matches_regexp=unwanted,
    )
    assert found == outcome


async def test_body_that_is_no_json_and_no_utf_8() -> None:
    page = "<p>grün</p>".encode() + b"\xff\xfe"
    settings: dict[str, Any] = {"status_field": None}
    wanted, unwanted = ("gr.n</p>",), ("\udcff",)
    assert await reason(
        answering(page),
        fail_if_body_not_matches_regexp=wanted,
        fail_if_body_matches_regexp=unwanted,
        **settings,
    ) == (None, 0)


async def test_empty_body_fails_what_has_to_match() -> None:
    found = await reason(
        answering(b""), status_field=None, fail_if_body_not_matches_regexp=("healthy",)
    )
    assert found == (Reason.BODY, 1)


# --- headers --------------------------------------------------------------------------------------

CACHE = HeaderCondition(header="cache-control", regexp="no-store")
LENIENT = HeaderCondition(header="Cache-Control", regexp="no-store", allow_missing=True)


@pytest.mark.parametrize(
    ("headers", "settings", "outcome"),
    [
        ((), {"fail_if_header_not_matches": (CACHE,)}, (Reason.HEADER, 1)),
        ((), {"fail_if_header_matches": (CACHE,)}, (Reason.HEADER, 1)),
        ((b"Cache-Control: public",), {"fail_if_header_not_matches": (CACHE,)}, (Reason.HEADER, 1)),
        ((b"CACHE-CONTROL: no-store",), {"fail_if_header_matches": (CACHE,)}, (Reason.HEADER, 1)),
        (
            (b"Cache-Control: public", b"Cache-Control: no-store"),
            {"fail_if_header_matches": (CACHE,)},
            (Reason.HEADER, 1),
        ),
        ((b"Cache-Control:",), {"fail_if_header_not_matches": (LENIENT,)}, (Reason.HEADER, 1)),
        ((), {"fail_if_header_not_matches": (LENIENT,)}, (None, 0)),
        ((), {"fail_if_header_matches": (LENIENT,)}, (None, 0)),
        ((b"Cache-Control: public",), {"fail_if_header_matches": (CACHE,)}, (None, 0)),
        ((b"Cache-Control: a, no-store",), {"fail_if_header_not_matches": (CACHE,)}, (None, 0)),
        (
            (b"Cache-Control: public", b"Cache-Control: no-store"),
            {"fail_if_header_not_matches": (CACHE,)},
            (None, 0),
        ),
    ],
)
async def test_headers(
    headers: tuple[bytes, ...], settings: dict[str, Any], outcome: tuple[Reason | None, float]
) -> None:
    assert await reason(answering(HEALTHY, *headers), **settings) == outcome


async def test_trailers_are_no_headers() -> None:
    async def script(client: Client) -> None:
        await client.request()
        await client.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n",
            HEALTHY,
            b"\r\n0\r\nCache-Control: no-store\r\n\r\n",
        )

    found = await reason(script, fail_if_header_not_matches=(CACHE,))
    assert found == (Reason.HEADER, 1)


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "outcome"), [(19, Reason.TOO_LARGE), (20, None)])
async def test_limit_of_the_body(limit: int, outcome: Reason | None) -> None:
    found, _ = await reason(answering(HEALTHY), body_size_limit=limit)
    assert found is outcome


# "HTTP/1.1 200 OK", "Content-Length: 20" and an empty line, each with CR and LF.
@pytest.mark.parametrize(("limit", "outcome"), [(38, Reason.TOO_LARGE), (39, None)])
async def test_limit_of_the_headers(limit: int, outcome: Reason | None) -> None:
    found, _ = await reason(answering(HEALTHY), header_size_limit=limit)
    assert found is outcome


@pytest.mark.parametrize(("status", "outcome"), [(199, "status"), (200, None), (299, None)])
async def test_set_of_statuses(status: int, outcome: str | None) -> None:
    async def script(client: Client) -> None:
        await client.answer(status=b"%d X" % status)

    # 199 is an interim answer, after which nothing comes.
    found, _ = await reason(script, statuses=tuple(range(200, 300)))
    assert (found is None) == (outcome is None)


async def test_status_just_outside_the_set() -> None:
    async def script(client: Client) -> None:
        await client.answer(status=b"300 X")

    found, _ = await reason(script, statuses=tuple(range(200, 300)))
    assert found is Reason.STATUS
