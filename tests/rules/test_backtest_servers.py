"""Servers that a backtest does not get along with: each is told with what to do."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from backtesting import run, told


@dataclass
class StandIn:
    """A server that answers all the same, and what it was shown."""

    status: int
    body: bytes
    url: str = ""
    shown: list[str | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@contextmanager
def answering(status: int, body: object) -> Iterator[StandIn]:
    text = body if isinstance(body, str) else json.dumps(body)
    stand_in = StandIn(status, text.encode())

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            stand_in.shown.append(self.headers["Authorization"])
            length = int(self.headers["Content-Length"] or 0)
            stand_in.asked.append(self.rfile.read(length).decode())
            self.send_response(stand_in.status)
            self.send_header("Content-Length", str(len(stand_in.body)))
            self.end_headers()
            self.wfile.write(stand_in.body)

        do_GET = do_POST  # noqa: N815 - the base's name

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def matrix(*series: object) -> dict[str, object]:
    return {"status": "success", "data": {"resultType": "matrix", "result": list(series)}}


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (401, "", "refuses us: it answers 401; --prometheus-credentials takes a file"),
        (403, "", "refuses us: it answers 403"),
        (404, "<html>", "answers 404: is it a Prometheus?"),
        (200, "<html>", "answers 200: is it a Prometheus?"),
        (302, "", "answers 302: is it a Prometheus?"),
        (503, "Service Unavailable", "answers 503: is it a Prometheus?"),
        (200, {"data": None}, "its answer is not that of a Prometheus"),
        (200, matrix({"metric": {}, "values": [["soon", "1"]]}), "not that of a Prometheus"),
        (200, matrix({"metric": {}, "values": [[1e400, "1"]]}), "not that of a Prometheus"),
        (200, "[" * 100_000, "answers 200: is it a Prometheus?"),
        (400, {"error": "parse error", "errorType": "bad_data"}, "refuses the query: parse error"),
        (400, {"error": "\x1b[2Jgone"}, "refuses the query: \\x1b[2Jgone"),
        (503, {"error": "query timed out", "errorType": "timeout"}, "at once: query timed out"),
        (422, {"error": "query processing would load too many samples into memory"}, "at once: "),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_that_of_a_working_prometheus(
    status: int, body: object, why: str
) -> None:
    with answering(status, body) as server:
        done = run("ServiceDown", "--since", "1h", "--prometheus", server.url)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"rules: {server.url} ") or server.url in done.stderr
    assert why in done.stderr


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("a-token\n", "Bearer a-token"),
        ("me:päss:word\n", f"Basic {base64.b64encode('me:päss:word'.encode()).decode()}"),
    ],
)
def test_a_prometheus_is_shown_what_the_file_holds_and_nobody_else_is(
    content: str, shown: str, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text(content)
    with answering(401, "") as server:
        done = run(
            "ServiceDown", "--prometheus", server.url, "--prometheus-credentials", file
        )  # fmt: skip
    assert server.shown == [shown]
    assert content.strip() not in done.output


def always() -> dict[str, object]:
    """What has had a value in every minute of the last hour."""
    now = time.time()
    return matrix(
        {"metric": {}, "values": [[now - 60 * number, "1"] for number in range(60, -1, -1)]}
    )


def test_what_prometheus_warns_of_is_told_once() -> None:
    with answering(200, always() | {"warnings": ["a store is away"]}) as server:
        done = run("Watchdog", "--since", "1h", "--prometheus", server.url)
    assert told(done).count("Prometheus warns: a store is away") == 1


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (401, {"error": "the token has expired"}, "refuses us: the token has expired; --ledger-"),
        (404, "<html>", "answers 404: is it the exporter?"),
        (503, {"error": "no ledger"}, "answers 503: no ledger"),
        (200, {"alerts": [{}], "next": None}, "its answer is not that of the API"),
        (200, {"alerts": {}}, "its answer is not that of the API"),
        (429, {}, "does not answer: it is asked too often"),
    ],
)
def test_an_answer_that_is_not_that_of_a_ledger(
    status: int, body: object, why: str, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("hidden")
    with answering(200, always()) as prometheus, answering(status, body) as ledger:
        done = run(
            "Watchdog", "--since", "1h", "--prometheus", prometheus.url,
            "--ledger", ledger.url, "--ledger-token-file", token,
        )  # fmt: skip
    assert done.exit_code == 1
    assert why in done.stderr
    assert "hidden" not in done.output
    assert set(ledger.shown) == {"Bearer hidden"}
    assert set(prometheus.shown) == {None}
