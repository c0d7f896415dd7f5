"""No secret survives in a conversation that is told, however it got there and is written."""

from __future__ import annotations

import base64
import gzip
import html
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.conversation.connection import RecordedConnection
from exporter.conversation.recorder import Recorder
from exporter.conversation.redaction import HIDDEN, Redactor
from exporter.conversation.text import Probed, tell
from exporter.probers.http.connection import Reader
from exporter.probers.http.response import Reading, Response
from exporter.probers.redis.protocol import Replies, Script
from exporter.probers.result import Health, ProbeResult, Reason
from model.redis import Redis
from model.targets import Postgres, Service, Target

# A mark that nothing else in a page has, and all that is special somewhere on the way.
SECRETS = st.text("abcXYZ019/+=%&?#@:;,'\"\\ <>{}[]~!$*()|ü", min_size=4, max_size=30).map(
    lambda text: f"Zq{text}qZ"
)

WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a URL": lambda text: quote(text, safe=""),
    "in a form": quote_plus,
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
    "in JSON": lambda text: json.dumps(text)[1:-1],
    "in JSON, not escaped": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "in HTML": html.escape,
    "in Python": lambda text: repr(text)[1:-1],
}


def recorded(
    recorder: Recorder, reader: Reader, request: bytes, received: bytes
) -> RecordedConnection:
    """A connection over which this was said; it was never open."""
    nothing: Any = SimpleNamespace()
    connection = RecordedConnection(recorder, nothing, nothing, reader, request)
    connection.sent_at = recorder.started_at
    assert connection._reader is not None
    connection._reader.feed(received)
    return connection


def page(target: Target, url: str, recorder: Recorder, detail: str = "") -> str:
    result = ProbeResult(Health.UNHEALTHY, 0.1, time.time(), Reason.BODY, detail)
    return tell(Probed(target, url, 1.0, result, f'metric{{label="{detail}"}} 1\n'), recorder)


def answer_of(body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def reading() -> Response:
    return Response(Reading(1 << 16, 1 << 20))


def assert_hidden(secret: str, text: str) -> None:
    for written in WRITTEN.values():
        assert written(secret) not in text


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secrets") / "secret"


every = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


# --- wherever it comes from ---------------------------------------------------------------------


@pytest.mark.parametrize("written", WRITTEN)
@every
@given(secret=SECRETS)
def test_a_token_of_a_file_that_the_target_repeats(file: Path, written: str, secret: str) -> None:
    file.write_text(secret)
    said = WRITTEN[written](secret)
    service = Service(name="shop", url="http://shop", bearer_token_file=file)
    recorder = Recorder()
    request = b"GET / HTTP/1.1\r\nAuthorization: Bearer " + secret.encode() + b"\r\n\r\n"
    recorded(recorder, reading(), request, answer_of(f"you said {said} to me".encode()))
    text = page(service, service.url, recorder, f"the body says {said}")
    assert_hidden(secret, text)
    assert "you said" in text


@pytest.mark.parametrize("written", WRITTEN)
@every
@given(user=st.from_regex("[a-z]{1,9}", fullmatch=True), secret=SECRETS)
def test_a_password_in_a_url(written: str, user: str, secret: str) -> None:
    url = f"http://{user}:{quote(secret, safe='')}@shop/x"
    both = f"{user}:{secret}"
    recorder = Recorder()
    line = base64.b64encode(both.encode())
    request = b"GET /x HTTP/1.1\r\nAuthorization: Basic " + line + b"\r\n\r\n"
    body = f"{WRITTEN[written](secret)} {WRITTEN[written](both)} {url}".encode()
    recorded(recorder, reading(), request, answer_of(body, b"X-Echo: " + line))
    text = page(Service(name="shop", url="http://shop"), url, recorder, url)
    assert_hidden(secret, text)
    assert_hidden(both, text)
    assert line.decode() not in text


@every
@given(name=st.sampled_from(["k", "token", "q", "sig"]), secret=SECRETS)
def test_a_token_in_a_urls_query_also_where_a_redirect_takes_it_along(
    name: str, secret: str
) -> None:
    query = f"?{name}={quote(secret, safe='')}"
    recorder = Recorder()
    request = f"GET /health{query}&page=2 HTTP/1.1\r\n\r\n".encode()
    location = f"Location: /elsewhere{query}".encode()
    recorded(recorder, reading(), request, answer_of(json.dumps([secret]).encode(), location))
    text = page(Service(name="shop", url="http://shop"), f"http://shop/{query}", recorder)
    assert_hidden(secret, text)
    assert f"/health?{name}={HIDDEN}&page={HIDDEN}" in text


@pytest.mark.parametrize("header", ["Cookie", "X-Api-Key", "X-Auth-Token", "X-Shared-Secret"])
@every
@given(secret=st.from_regex(r"Zq[a-zA-Z0-9/+_-]{4,30}={0,2}", fullmatch=True))
def test_a_header_of_the_config(header: str, secret: str) -> None:
    value = f"session={secret}" if header == "Cookie" else secret
    service = Service(name="shop", url="http://shop", headers={header: value})
    recorder = Recorder()
    request = f"GET / HTTP/1.1\r\n{header}: {value}\r\n\r\n".encode()
    recorded(recorder, reading(), request, answer_of(f"headers: {value}, {secret}".encode()))
    text = page(service, service.url, recorder)
    assert_hidden(secret, text)
    assert f"> {header}: {HIDDEN}" in text


@every
@given(secret=st.from_regex(r"Zq[a-zA-Z0-9/+_-]{4,30}", fullmatch=True))
def test_a_cookie_that_is_set_and_told_again(secret: str) -> None:
    recorder = Recorder()
    cookie = f"Set-Cookie: sid={secret}; Path=/; HttpOnly".encode()
    body = f'{{"status":"healthy","shown":"{secret}"}}'.encode()
    recorded(recorder, reading(), b"GET / HTTP/1.1\r\n\r\n", answer_of(body, cookie))
    text = page(Service(name="shop", url="http://shop"), "http://shop", recorder)
    assert_hidden(secret, text)
    assert f"< Set-Cookie: {HIDDEN}" in text


@pytest.mark.parametrize(
    "template",
    [
        '{{"access_token": {json}}}',
        '{{"user": {{"password":{json}, "x": 1}}}}',
        "password: {plain}",
        "api_key={plain}&x=1",
        "authorization: Bearer {plain}",
        "see https://me:{plain}@elsewhere.example/",
    ],
)
@every
@given(secret=st.from_regex(r"Zq[a-zA-Z0-9/+_.-]{4,30}qZ", fullmatch=True))
def test_what_only_looks_like_a_secret(template: str, secret: str) -> None:
    recorder = Recorder()
    body = template.format(json=json.dumps(secret), plain=secret.replace("/", "_")).encode()
    recorded(recorder, reading(), b"GET / HTTP/1.1\r\n\r\n", answer_of(body))
    text = page(Service(name="shop", url="http://shop"), "http://shop", recorder)
    assert_hidden(secret, text)
    assert_hidden(secret.replace("/", "_"), text)


@every
@given(secret=SECRETS, at=st.integers(1, 20), packed=st.booleans())
def test_a_secret_that_is_cut_into_chunks_or_compressed(
    file: Path, secret: str, at: int, packed: bool
) -> None:
    file.write_text(secret)
    body = f"before {secret} after".encode()
    coding = b""
    if packed:
        body, coding = gzip.compress(body), b"Content-Encoding: gzip\r\n"
    chunks = [body[start : start + at] for start in range(0, len(body), at)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    head = b"HTTP/1.1 200 OK\r\n" + coding + b"Transfer-Encoding: chunked\r\n\r\n"
    recorder = Recorder()
    received = head + framed + b"0\r\n\r\n"
    recorded(recorder, reading(), b"GET / HTTP/1.1\r\n\r\n", received)
    service = Service(name="shop", url="http://shop", bearer_token_file=file)
    text = page(service, service.url, recorder)
    assert_hidden(secret, text)
    assert f"before {HIDDEN} after" in text


@every
@given(secret=SECRETS, before=st.integers(0, 40))
def test_a_secret_at_the_place_where_a_body_is_cut(file: Path, secret: str, before: int) -> None:
    file.write_text(secret)
    # What is hidden before it makes the text shorter, so that the cut comes into sight.
    body = (secret * 2000).encode()[: 16384 - before] + secret.encode() * 2
    recorder = Recorder()
    recorded(recorder, reading(), b"GET / HTTP/1.1\r\n\r\n", answer_of(body))
    service = Service(name="shop", url="http://shop", bearer_token_file=file)
    text = page(service, service.url, recorder)
    assert "Zq" not in text


@every
@given(secret=SECRETS)
def test_the_password_of_a_redis(secret: str) -> None:
    url = f"redis://default:{quote(secret, safe='')}@cache:6379/0"
    script = Script((("AUTH", "default", secret), ("PING",)), (secret,))
    recorder = Recorder()
    refusal = f"-ERR unknown command 'AUTH', with args beginning with: '{secret}'\r\n"
    recorded(recorder, Replies(script), script.payload, f"{refusal}+PONG\r\n".encode())
    text = page(Redis(url="redis://cache:6379/0"), url, recorder, refusal.strip())
    assert_hidden(secret, text)
    assert f"> AUTH {HIDDEN}" in text
    assert "< PONG" in text


@every
@given(secret=SECRETS)
def test_the_password_of_a_postgres(secret: str) -> None:
    written = quote(secret, safe="")
    url = f"postgresql://monitoring:{written}@db/shop?sslpassword={written}&sslmode=require"
    recorder = Recorder()
    recorder.note(f"connect by {url}")
    recorder.note(f"< ERROR: option password={secret} was refused")
    text = page(Postgres(), url, recorder, f"cannot use {secret}")
    assert_hidden(secret, text)


# --- without hiding everything ------------------------------------------------------------------


def test_what_is_no_secret_stays() -> None:
    redactor = Redactor(["hunter2"])
    for said in (
        '{"status":"healthy","uptime":12.5}',
        "Content-Type: text/html; charset=utf-8",
        "expired_keys:0",
        "HTTP/1.1 200 OK",
        "author of the monkey",
    ):
        assert redactor.header(said) == said


def test_a_text_without_end_is_looked_at_in_time_that_grows_with_it() -> None:
    redactor = Redactor(["hunter2"])
    for piece in ("a", "token", "a=", '"', "a?b", "://", "%41", "\\"):
        # What a thread has used, not how long it had to wait for a processor.
        started = time.thread_time()
        redactor.beginning(piece * 100_000, 16384)
        assert time.thread_time() - started < 2, piece


def test_nothing_is_hidden_by_a_secret_that_is_empty() -> None:
    assert Redactor(["", ""]).said("all of it") == "all of it"
