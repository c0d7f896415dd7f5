"""Our own login to Postgres: every way to prove who we are, and servers that do not play fair."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from databases import PASSWORD, TIMEOUT, Handler, listening, no_socket_or_task_left, on_uvloop

from exporter.probers.http.network import Network
from exporter.probers.postgres import PostgresProber
from exporter.probers.postgres.place import Place
from exporter.probers.postgres.scram import Exchange, Keys
from exporter.probers.result import ProbeResult, Reason
from model.targets import Postgres as Target
from programs import Postgres

ROLE = "monitoring"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres(settings={"password_encryption": "scram-sha-256"}) as started:
        started.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor")
        yield started


@pytest.fixture(scope="module")
def secure(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Postgres, Path]]:
    """A server with TLS, and the file of its authority."""
    place = tmp_path_factory.mktemp("tls")
    authority.cert_pem.write_to_path(place / "ca.pem")
    with Postgres() as started:
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        certificate.cert_chain_pems[0].write_to_path(started.data / "server.crt")
        certificate.private_key_pem.write_to_path(started.data / "server.key")
        owner = started.data.stat()
        for name in ("server.crt", "server.key"):
            file = started.data / name
            file.chmod(0o600)
            os.chown(file, owner.st_uid, owner.st_gid)
        started.execute(
            f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor;"
            "ALTER SYSTEM SET ssl = on; SELECT pg_reload_conf()"
        )
        yield started, place / "ca.pem"


@contextmanager
def access(server: Postgres, *rules: str) -> Iterator[None]:
    """Other rules of who may log in how, for a while."""
    file = server.data / "pg_hba.conf"
    before = file.read_text()
    trusted = "host all postgres 127.0.0.1/32 trust"
    file.write_text("\n".join((trusted, *rules)) + "\n")
    server.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        file.write_text(before)
        server.execute("SELECT pg_reload_conf()")


async def probe(url: str, timeout: float = TIMEOUT) -> ProbeResult:
    async with no_socket_or_task_left():
        prober = PostgresProber(Target(), url)
        result = await prober.probe(timeout)
        await prober.close()
    assert PASSWORD not in result.detail
    return result


def why(result: ProbeResult) -> Reason | None:
    return result.reason


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def error(state: str, text: str, severity: str = "FATAL") -> bytes:
    body = f"S{severity}\0V{severity}\0C{state}\0M{text}\0\0".encode()
    return message(b"E", body)


OK = message(b"R", struct.pack("!I", 0))
READY = message(b"Z", b"I")


def playing(*answers: bytes) -> Handler:
    """A server without TLS that gives these answers, one to each message."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (b"N", *answers):
            if not await reader.read(65536):
                break
            writer.write(answer)
        await reader.read(65536)
        writer.close()

    return play


async def of(*answers: bytes, timeout: float = 2.0) -> ProbeResult:
    async with listening(playing(*answers)) as port:
        return await probe(f"postgresql://{ROLE}:{PASSWORD}@127.0.0.1:{port}/x", timeout)


# --- servers that do not let us in, or are none -------------------------------------------------


@pytest.mark.parametrize(
    ("state", "text", "reason"),
    [
        ("28P01", "mot de passe refusé", Reason.AUTH),
        ("28P01", "password of the role has expired", Reason.AUTH),
        ("28000", 'no pg_hba.conf entry for host "127.0.0.1"', Reason.AUTH),
        ("28000", "connection requires a valid client certificate", Reason.AUTH),
        ("42501", 'permission denied for database "x"', Reason.AUTH),
        ("53300", "désolé, trop de clients sont déjà connectés", Reason.TOO_MANY_CLIENTS),
        ("08P01", "no more connections allowed (max_client_conn)", Reason.TOO_MANY_CLIENTS),
        ("57P03", "the database system is starting up", Reason.CONNECT),
        ("57P03", "the database system is shutting down", Reason.CONNECT),
        ("3D000", 'database "ssl" does not exist', Reason.CONNECT),
    ],
)
@on_uvloop
async def test_a_refusal_is_told_by_its_state_in_any_language(
    state: str, text: str, reason: Reason
) -> None:
    result = await of(error(state, text))
    assert (result.success, why(result)) == (False, reason), result.detail
    assert text in result.detail


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        # What would ask for gigabytes if it were believed.
        ((b"R\xff\xff\xff\xff",), Reason.PROTOCOL),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), Reason.PROTOCOL),
        ((b"\0" * 100,), Reason.PROTOCOL),
        ((message(b"N", b"x" * 60_000) * 2,), Reason.TOO_LARGE),
        ((message(b"R", b""),), Reason.PROTOCOL),
        # It lets in whom it has not asked, or forgets to prove that it knows the password.
        ((READY,), Reason.PROTOCOL),
        ((message(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0"), OK), Reason.PROTOCOL),
        (
            (message(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0"), b""),
            Reason.CONNECT_TIMEOUT,
        ),
        ((message(b"R", struct.pack("!I", 11) + b"r=other,s=AAAA,i=1"),), Reason.AUTH),
        ((message(b"R", struct.pack("!I", 12) + b"v="),), Reason.AUTH),
        ((b"",), Reason.CONNECT_TIMEOUT),
        ((OK + READY, b""), Reason.TIMEOUT),
        ((OK + READY, error("57P01", "terminating connection")), Reason.RESET),
        ((OK + READY, error("57014", "canceling", "ERROR")), Reason.TIMEOUT),
        ((OK + READY, error("XX000", "broken", "ERROR")), Reason.QUERY),
    ],
)
@on_uvloop
async def test_a_server_that_does_not_play_fair_is_down_with_its_reason(
    answers: tuple[bytes, ...], reason: Reason
) -> None:
    result = await of(*answers)
    assert (result.success, why(result)) == (False, reason), result.detail


@on_uvloop
async def test_what_comes_one_byte_at_a_time_is_understood() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        for byte in error("53300", "full"):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.001)
        writer.close()

    async with listening(play) as port:
        url = f"postgresql://{ROLE}:{PASSWORD}@127.0.0.1:{port}/x"
        assert why(await probe(url)) is Reason.TOO_MANY_CLIENTS


# --- ways to log in -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["trust", "password", "scram-sha-256"])
@on_uvloop
async def test_each_method_lets_us_in(server: Postgres, method: str) -> None:
    with access(server, f"host all all 127.0.0.1/32 {method}"):
        result = await probe(server.dsn(ROLE, PASSWORD))
        assert result.success, result.detail
        wrong = await probe(server.dsn(ROLE, "wrong"))
    assert wrong.success == (method == "trust")
    assert wrong.success or why(wrong) is Reason.AUTH


@on_uvloop
async def test_an_md5_password_lets_us_in(server: Postgres) -> None:
    server.execute(f"SET password_encryption = md5; CREATE ROLE old LOGIN PASSWORD '{PASSWORD}'")
    with access(server, "host all all 127.0.0.1/32 md5"):
        assert (await probe(server.dsn("old", PASSWORD))).success
        assert why(await probe(server.dsn("old", "wrong"))) is Reason.AUTH


@on_uvloop
async def test_a_password_is_hashed_once_as_long_as_its_salt_is_the_same(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[bytes] = []
    original = Keys.of

    def counted(password: str, salt: bytes, iterations: int) -> Keys:
        hashed.append(salt)
        return original(password, salt, iterations)

    monkeypatch.setattr(Keys, "of", counted)
    prober = PostgresProber(Target(), server.dsn(ROLE, PASSWORD))
    try:
        for _ in range(3):
            assert (await prober.probe(TIMEOUT)).success
        assert len(hashed) == 1
        server.execute(f"ALTER ROLE {ROLE} PASSWORD 'other'")
        assert why(await prober.probe(TIMEOUT)) is Reason.AUTH
        server.execute(f"ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'")
        assert (await prober.probe(TIMEOUT)).success
        assert len(hashed) == len(set(hashed)) == 3
    finally:
        server.execute(f"ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'")
        await prober.close()


def test_keys_do_not_show_what_they_are() -> None:
    keys = Keys.of(PASSWORD, b"salt", 1)
    assert repr(keys) == "Keys(salt=b'salt', iterations=1)"


def test_the_exchange_is_the_one_of_the_rfc(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7677, section 3, without the user, which Postgres takes from elsewhere."""
    exchange = Exchange()
    assert exchange.first().startswith(b"n,,n=,r=")
    monkeypatch.setattr(exchange, "_nonce", b"rOprNGfwEbeRWgbNEkqO")
    monkeypatch.setattr(exchange, "_first", b"n=user,r=rOprNGfwEbeRWgbNEkqO")
    first = (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    exchange.read_first(first)
    final = exchange.final(Keys.of("pencil", exchange.salt, exchange.iterations))
    assert final.endswith(b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    exchange.read_final(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    assert exchange.finished


# --- TLS ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-full"])
@on_uvloop
async def test_a_login_by_tls(secure: tuple[Postgres, Path], mode: str) -> None:
    server, ca = secure
    root = f"&sslrootcert={ca}" if mode == "verify-full" else ""
    with access(server, "hostssl all all 127.0.0.1/32 scram-sha-256"):
        result = await probe(f"{server.dsn(ROLE, PASSWORD)}?sslmode={mode}{root}")
        assert result.success, result.detail
        wrong = await probe(f"{server.dsn(ROLE, 'wrong')}?sslmode={mode}{root}")
        plain = await probe(f"{server.dsn(ROLE, PASSWORD)}?sslmode=disable")
    assert why(wrong) is Reason.AUTH
    assert "password authentication failed" in wrong.detail
    assert why(plain) is Reason.AUTH
    assert "no encryption" in plain.detail


@on_uvloop
async def test_a_server_that_wants_no_tls_of_us_is_reached_without(
    secure: tuple[Postgres, Path],
) -> None:
    server, _ = secure
    with access(server, "hostnossl all all 127.0.0.1/32 scram-sha-256"):
        assert (await probe(server.dsn(ROLE, PASSWORD))).success
        required = await probe(f"{server.dsn(ROLE, PASSWORD)}?sslmode=require")
    assert why(required) is Reason.AUTH


@on_uvloop
async def test_a_certificate_of_somebody_else_is_not_trusted(
    secure: tuple[Postgres, Path], tmp_path: Path
) -> None:
    server, _ = secure
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    url = f"{server.dsn(ROLE, PASSWORD)}?sslmode=verify-full&sslrootcert={tmp_path}/other.pem"
    assert why(await probe(url)) is Reason.TLS


# --- who logs in --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("postgresql://a:b@db/x", True),
        ("postgresql://a:b@db:5433/x?sslmode=require&application_name=y", True),
        ("postgresql://a:b@db/x?sslmode=allow", False),
        ("postgresql://a:b@db/x?sslmode=verify-ca", False),
        ("postgresql://a:b@db/x?channel_binding=require", False),
        ("postgresql://a:b@one,two/x", False),
        ("postgresql://a:b@/x?host=/run/postgresql", False),
        ("postgresql://a:b@db/x?sslcert=/c&sslkey=/k", False),
        ("postgresql://a:b@db/x?service=y", False),
        ("postgresql://a:p%C3%A4ss@db/x", False),
        ("postgresql://a:b%zz@db/x", False),
    ],
)
def test_what_we_do_not_know_to_do_is_left_to_libpq(url: str, *, ours: bool) -> None:
    assert (Place.of(url) is not None) == ours


def test_the_environment_of_libpq_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "from-there")
    place = Place.of("postgresql://a@db/x")
    assert place is not None
    assert place.password == "from-there"
    assert "from-there" not in repr(place)
    monkeypatch.setenv("PGSSLMODE", "verify-ca")
    assert Place.of("postgresql://a@db/x") is None


@on_uvloop
async def test_a_login_that_is_libpqs_is_left_to_it(server: Postgres) -> None:
    result = await probe(f"{server.dsn(ROLE, PASSWORD)}?channel_binding=disable&sslmode=allow")
    assert result.success, result.detail


@on_uvloop
async def test_a_network_that_is_shared_stays_open(server: Postgres) -> None:
    network = Network()
    make: Callable[[], PostgresProber] = lambda: PostgresProber(Target(), server.dsn(), network)  # noqa: E731
    for prober in (make(), make()):
        assert (await prober.probe(TIMEOUT)).success
        await prober.close()
    assert len(network.poller()) == 0
    network.close()
