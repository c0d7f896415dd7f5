"""GET /probe?debug=true: one probe with its whole conversation, for who runs the exporter."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from certificates import Authorities
from scripted_server import Client, serving_tls
from scripted_server import serving as scripted
from serving import AMPLE_TIMES, Served, config_text, serving

from exporter.conversation.recorder import recording
from exporter.probers.http import Network
from exporter.probers.http.connection import Connection
from exporter.web.identity import Role
from exporter.web.tokens import mint
from programs import Postgres, Redis

PASSWORD = "hunter2/with:all@that&is=special"
QUOTED = "hunter2%2Fwith%3Aall%40that%26is%3Dspecial"
TOKEN = "a-token-of-a-file"
ROLE = f"""
CREATE ROLE watcher LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor;
CREATE TABLE payments (status text, amount numeric);
INSERT INTO payments VALUES ('completed', 10), ('failed', 20);
GRANT SELECT ON payments TO watcher;
"""

# What repeats whatever it was sent.
DECLARED = f"""
        Service(
            name="echo", url="http://127.0.0.1:1", {AMPLE_TIMES}, path="/health?token=of-a-query",
            bearer_token_file=Path("@token@"), fail_if_body_matches_regexp=("unhealthy",),
            fail_if_header_not_matches=(HeaderCondition(header="X-Version", regexp="^7"),),
        ),
        Service(name="secure", url="http://127.0.0.1:1", {AMPLE_TIMES}, ca_file=Path("@ca@")),
        Service(name="untrusted", url="http://127.0.0.1:1", {AMPLE_TIMES}),
        Service(name="refusing", url="http://127.0.0.1:1", {AMPLE_TIMES}),
        Service(name="nameless", url="http://nothing.invalid", {AMPLE_TIMES}),
"""
OTHERS = f"""
    postgres=(Postgres(url="postgresql://watcher@127.0.0.1:1/postgres", {AMPLE_TIMES}),),
    redis=(Redis(url="redis://127.0.0.1:1/0", {AMPLE_TIMES}),),
    sql=(
        SqlMetrics(
            name="payments", query="SELECT status, sum(amount) AS total FROM payments GROUP BY 1",
            key_labels=("status",), interval=seconds(5), timeout=seconds(4),
            values=(SqlValue(column="total", metric_name="shop_amount", help="All."),),
        ),
    ),
    external=(
        JsonTarget(
            name="provider", url="http://127.0.0.1:1", interval=seconds(5),
            state=JsonState(path="state", up=("fine",)),
        ),
    ),
"""


async def echo(client: Client) -> None:
    head = (await client.request()).decode()
    token = head.partition("Authorization: ")[2].partition("\r\n")[0]
    body = f'{{"status":"degraded","password":"of-theirs","state":"fine","you":"{token}"}}'
    await client.send(
        b"HTTP/1.1 200 OK\r\nX-Version: 6\r\nSet-Cookie: sid=of-a-session; Path=/\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body.encode())
    )


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The URLs of a Postgres and of a Redis that want a password."""
    directory = tmp_path_factory.mktemp("redis")
    with Postgres() as postgres, Redis(directory, args=("--requirepass", PASSWORD)) as redis:
        postgres.execute(ROLE)
        at = f"127.0.0.1:{postgres.port}"
        yield {
            "DATABASE_URL": f"postgresql://watcher:{QUOTED}@{at}/postgres?sslmode=disable",
            "REDIS_URL": f"redis://:{QUOTED}@127.0.0.1:{redis.port}/0",
        }


@pytest_asyncio.fixture
async def served(tmp_path: Path, databases: dict[str, str]) -> AsyncIterator[Served]:
    authorities = Authorities(tmp_path)
    (tmp_path / "token").write_text(TOKEN)
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"status":"healthy"}'
    text = config_text("own-service", databases=OTHERS)
    text = text.replace("    services=(\n", f"    services=({DECLARED}")
    text = text.replace("@token@", str(tmp_path / "token")).replace("@ca@", str(authorities.file))
    imports = "from pathlib import Path\nfrom model.conditions import HeaderCondition\n"
    async with AsyncExitStack() as stack:
        echoing = await stack.enter_async_context(scripted(echo))
        known = stack.enter_context(serving_tls(authorities.with_intermediate(), answer))
        unknown = stack.enter_context(serving_tls(authorities.self_signed(), answer))
        environment = {
            **databases,
            "ECHO_URL": echoing.url.replace("127.0.0.1", "localhost"),
            "SECURE_URL": known.url,
            "UNTRUSTED_URL": unknown.url,
            "JWT_SECRET": "a-secret-of-thirty-two-bytes-at-least",
            "PROVIDER_URL": f"http://me:{QUOTED}@{echoing.url.removeprefix('http://')}",
        }
        yield await stack.enter_async_context(
            serving(tmp_path, environment=environment, text=imports + text)
        )


async def debug(served: Served, target: str) -> str:
    """The conversation, in which no secret of any target is."""
    answer = await served.client.get("/probe", params={"target": target, "debug": "true"})
    text = await answer.text()
    assert answer.status == 200, text
    assert answer.content_type == "text/plain"
    assert answer.headers["Cache-Control"] == "no-store"
    credentials = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    for secret in (PASSWORD, QUOTED, TOKEN, credentials, "of-a-session", "of-theirs", "of-a-query"):
        assert secret not in text
    return text


# --- who may ------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
async def test_whoever_comes_through_a_proxy_is_refused(served: Served, header: str) -> None:
    answer = await served.client.get(
        "/probe?target=refusing&debug=true", headers={header: "192.0.2.1"}
    )
    body = await answer.json()
    assert (answer.status, body["code"], body["statusCode"]) == (403, "FORBIDDEN", 403)
    # Without debug it is a scrape as any other.
    plain = await served.client.get("/probe?target=refusing", headers={header: "192.0.2.1"})
    assert plain.status == 200


# As if from elsewhere: through a proxy, by which nobody is on this machine.
ELSEWHERE = {"X-Forwarded-For": "192.0.2.1"}


@pytest.mark.parametrize(
    ("role", "status"), [("admin", 200), ("responder", 403), ("viewer", 403), ("ingest", 403)]
)
async def test_an_admin_may_from_elsewhere_and_nobody_else(
    served: Served, role: Role, status: int
) -> None:
    token = mint(served.service.settings, "me@example.com", role, timedelta(hours=1))
    answer = await served.client.get(
        "/probe?target=refusing&debug=true",
        headers={**ELSEWHERE, "Authorization": f"Bearer {token}"},
    )
    assert answer.status == status, await answer.text()


async def test_a_token_that_is_not_ours_is_refused_even_on_this_machine(served: Served) -> None:
    answer = await served.client.get(
        "/probe?target=refusing&debug=true", headers={"Authorization": "Bearer of-nobody"}
    )
    assert answer.status == 401


@pytest.mark.parametrize("value", ["", "1", "false", "TRUE"])
async def test_only_debug_true_is_a_question(served: Served, value: str) -> None:
    answer = await served.client.get("/probe", params={"target": "refusing", "debug": value})
    assert (await answer.text()).startswith("# HELP probe_success")


# --- what is told -------------------------------------------------------------------------------


async def test_an_http_service(served: Served) -> None:
    text = await debug(served, "echo")
    in_order = (
        r"echo \(http\) at http://localhost:\d+/health\?token=\*\*\*, timeout 4 s",
        r"unhealthy, reason header: the header x-version does not match \^7, after [\d.]+ ms",
        r"What happened:",
        r"ms  resolve localhost",
        r"ms  localhost is 127.0.0.1:\d+",
        r"ms  connect to 127.0.0.1:\d+",
        r"ms  connected",
        r"ms  sent \d+ bytes",
        r"ms  first byte received",
        r"ms  complete, \d+ bytes received",
        r"Connection 1 \(127.0.0.1:\d+\):",
        r"  > GET /health\?token=\*\*\* HTTP/1.1",
        r"  > Authorization: \*\*\*",
        r"  < HTTP/1.1 200 OK",
        r"  < X-Version: 6",
        r"  < Set-Cookie: \*\*\*",
        r'  < {"status":"degraded","password":\*\*\*,"state":"fine","you":.*\*\*\*.*}',
        r"Checks:",
        r"  ok      status 200",
        r"  FAILED  fail_if_header_not_matches: .*x-version does not match",
        r"  ok      fail_if_body_matches_regexp: unhealthy",
        r"  ok      status is one of healthy, ok, ready, degraded",
        r"Phases:",
        r"  resolve +[\d.]+ ms",
        r"  transfer +[\d.]+ ms",
        r"Metrics:",
        r"\nprobe_success 0\n",
        r"\nprobe_http_status_code 200\n",
    )
    assert re.search(".*".join(in_order), text, re.DOTALL), text


async def test_tls_with_its_parameters_and_chain(served: Served) -> None:
    text = await debug(served, "secure")
    assert re.search(r"TLS: TLSv1.3, TLS_\w+\n", text)
    assert "  server name: 127.0.0.1\n" in text
    assert "  certificate 0: OU=Testing cert" in text
    assert "    names:   IP Address:127.0.0.1\n" in text
    assert "  certificate 1: OU=Testing CA" in text
    assert 'probe_tls_cipher_info{cipher="TLS_' in text


async def test_a_handshake_that_fails_shows_the_chain_all_the_same(served: Served) -> None:
    text = await debug(served, "untrusted")
    assert "reason tls: the certificate is not trusted" in text
    assert "  certificate 0: " in text
    assert "  nothing was sent\n" in text
    assert "Checks" not in text


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("refusing", "cannot connect: Connection refused, 0 bytes received"),
        ("nameless", "the name cannot be resolved"),
    ],
)
async def test_what_cannot_be_connected_to(served: Served, target: str, words: str) -> None:
    assert words in await debug(served, target)


async def test_a_json_document(served: Served) -> None:
    text = await debug(served, "provider")
    assert "provider (json) at http://127.0.0.1:" in text
    assert "healthy, after" in text
    assert "> Authorization: ***" in text
    assert "me:" not in text


async def test_a_redis(served: Served) -> None:
    text = await debug(served, "redis")
    assert "  > AUTH ***\n  > PING\n  > INFO all\n" in text
    assert "  < OK\n  < PONG\n  < # Server\n" in text
    assert "bytes in all)" in text
    assert "\nredis_up 1\n" in text


async def test_a_postgres(served: Served) -> None:
    text = await debug(served, "postgresql")
    assert re.search(r"connect to 127.0.0.1:\d+ as watcher, database postgres\n", text)
    assert re.search(r"connected to 127.0.0.1:\d+: Postgres \d+.*, no TLS, backend \d+\n", text)
    assert re.search(r"connect to 127.0.0.1, port \d+, as watcher, .*: our own login\n", text)
    assert re.search(r"logged in, no TLS\n.*SELECT 1: answered in \d+\.\d\d ms\n", text)
    assert re.search(r"> SELECT has_function_privilege.*\n.*< SELECT 1; t\n", text)
    assert "> SET LOCAL statement_timeout" in text
    assert "\npg_up 1\n" in text


async def test_sql_metrics(served: Served) -> None:
    text = await debug(served, "payments")
    assert "> BEGIN READ ONLY; SET LOCAL statement_timeout" in text
    assert re.search(r"< SELECT 2; (completed, 10|failed, 20); (completed, 10|failed, 20)\n", text)
    assert 'shop_amount{status="completed"} 10\n' in text


async def test_a_query_that_fails_is_told_with_its_error(served: Served) -> None:
    before = served.service.loaded.platform.sql[0]
    broken = before.model_copy(update={"query": "SELECT nothing FROM nowhere"})
    platform = served.service.loaded.platform.model_copy(update={"sql": (broken,)})
    object.__setattr__(served.service.loaded, "platform", platform)
    text = await debug(served, "payments")
    assert '< UndefinedTable: relation "nowhere" does not exist' in text
    assert "reason query" in text


# --- and what it costs when nobody asks ---------------------------------------------------------


def test_the_background_keeps_nothing_of_what_is_said() -> None:
    assert Network().connection is Connection
    assert recording() is None
