"""The series of an HTTP probe: blackbox_exporter's names, and times that are true."""

from __future__ import annotations

import asyncio
import gzip
import time
from datetime import timedelta
from pathlib import Path

import pytest
from certificates import NOW, Authorities
from scripted_server import HEALTHY, Client, probe, serving, serving_tls, value

from exporter.probers.http import HttpProber, Network
from exporter.probers.http.resolve import Addresses, Resolver, getaddrinfo
from exporter.probers.result import ProbeResult, Reason
from model import names
from model.names import Metric
from model.targets import Service

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + HEALTHY
# What the kernel's clock, which says when something arrived, may differ from ours, in seconds.
CLOCKS = 0.02
PHASES = ("resolve", "connect", "tls", "processing", "transfer")
TLS_ONLY = (
    names.PROBE_SSL_EARLIEST_CERT_EXPIRY,
    names.PROBE_SSL_LAST_CHAIN_EXPIRY,
    names.PROBE_TLS_VERSION_INFO,
)


def phases(result: ProbeResult) -> dict[str, float]:
    """Seconds by phase; each has to be there once."""
    found = {phase: value(result, names.PROBE_HTTP_DURATION, phase) for phase in PHASES}
    return {phase: seconds for phase, seconds in found.items() if seconds is not None}


def series(result: ProbeResult) -> set[Metric]:
    """The families that a result has samples of."""
    return {sample.metric for sample in result.samples}


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return Authorities(tmp_path_factory.mktemp("certificates"))


async def test_refused_connection_has_every_series_of_plain_http() -> None:
    result = await probe("http://127.0.0.1:1")
    assert len(phases(result)) == 5
    assert value(result, names.PROBE_HTTP_STATUS_CODE) == 0
    assert value(result, names.PROBE_HTTP_VERSION) == 0
    assert value(result, names.PROBE_HTTP_CONTENT_LENGTH) == -1
    assert value(result, names.PROBE_HTTP_UNCOMPRESSED_BODY_LENGTH) == 0
    assert value(result, names.PROBE_HTTP_SSL) == 0
    assert value(result, names.PROBE_IP_PROTOCOL) == 4
    assert not series(result) & set(TLS_ONLY)


async def test_name_that_does_not_exist_was_reached_by_no_protocol() -> None:
    result = await probe("http://nothing.invalid")
    assert value(result, names.PROBE_IP_PROTOCOL) == 0
    lookup = value(result, names.PROBE_DNS_LOOKUP_TIME)
    assert lookup is not None
    assert lookup > 0


async def test_plain_answer() -> None:
    async def script(client: Client) -> None:
        await client.answer(gzip.compress(HEALTHY), b"Content-Encoding: gzip")

    async with serving(script) as served:
        result = await probe(served.url)
    assert value(result, names.PROBE_HTTP_STATUS_CODE) == 200
    assert value(result, names.PROBE_HTTP_VERSION) == 1.1
    assert value(result, names.PROBE_HTTP_REDIRECTS) == 0
    assert value(result, names.PROBE_HTTP_SSL) == 0
    assert value(result, names.PROBE_HTTP_CONTENT_LENGTH) == len(gzip.compress(HEALTHY))
    assert value(result, names.PROBE_HTTP_UNCOMPRESSED_BODY_LENGTH) == len(HEALTHY)
    assert value(result, names.PROBE_FAILED_DUE_TO_REGEX) == 0
    assert value(result, names.PROBE_IP_PROTOCOL) == 4
    assert value(result, names.PROBE_DNS_LOOKUP_TIME) == 0
    assert not series(result) & set(TLS_ONLY)


async def test_samples_are_in_the_order_of_the_catalogue_s_labels() -> None:
    result = await probe("http://127.0.0.1:1")
    for sample in result.samples:
        assert len(sample.labels) == len(sample.metric.labels) - 1  # `target` is the runner's


async def test_a_probe_tells_what_it_saw_not_what_the_last_one_did() -> None:
    statuses = iter([b"200 OK", b"503 Busy"])

    async def script(client: Client) -> None:
        await client.answer(status=next(statuses))

    async with serving(script) as served:
        prober = HttpProber(Service(name="target", url=served.url), served.url)
        results = [await prober.probe(20), await prober.probe(20)]
    results.append(await prober.probe(20))
    await prober.close()
    assert [value(result, names.PROBE_HTTP_STATUS_CODE) for result in results] == [200, 503, 0]
    assert [value(result, names.PROBE_HTTP_CONTENT_LENGTH) for result in results] == [20, 20, -1]


async def test_slow_phases_are_told_apart() -> None:
    at: dict[str, float] = {}

    async def script(client: Client) -> None:
        await client.request()
        at["asked"] = time.monotonic()
        await asyncio.sleep(0.1)
        at["before the first"] = time.monotonic()
        await client.send(ANSWER[:30])
        at["after the first"] = time.monotonic()
        await asyncio.sleep(0.2)
        await client.send(ANSWER[30:])
        at["after the last"] = time.monotonic()

    async with serving(script) as served:
        began = time.monotonic()
        result = await probe(served.url)
        took = time.monotonic() - began
    found = phases(result)
    assert found["connect"] <= at["asked"] - began + CLOCKS
    assert 0.1 <= found["processing"] <= at["after the first"] - began + CLOCKS
    assert found["transfer"] >= 0.2
    assert found["transfer"] <= at["after the last"] - at["before the first"] + CLOCKS
    assert found["resolve"] == found["tls"] == 0
    # What is in no phase is what the machine has added, to the 0.3 s that the target has taken.
    assert sum(found.values()) <= result.duration < sum(found.values()) + 0.05 + took - 0.3


async def test_resolving_is_a_phase() -> None:
    asked: list[float] = []

    def slow(host: str, port: int, family: object) -> Addresses:
        time.sleep(0.1)
        return getaddrinfo("127.0.0.1", port, family)  # type: ignore[arg-type]

    async def script(client: Client) -> None:
        await client.request()
        asked.append(time.monotonic())
        await client.send(ANSWER)

    async with serving(script) as served:
        url = f"http://somewhere.example:{served.port}"
        network = Network(Resolver(slow))
        prober = HttpProber(Service(name="target", url=url), url, network)
        began = time.monotonic()
        result = await prober.probe(20)
        await prober.close()
        network.close()
    assert result.success
    assert 0.1 <= phases(result)["resolve"] <= asked[0] - began
    assert value(result, names.PROBE_DNS_LOOKUP_TIME) == phases(result)["resolve"]


async def test_a_phase_that_never_ended_took_until_the_deadline() -> None:
    async def script(client: Client) -> None:
        await client.request()
        await client.closed()

    async with serving(script) as served:
        result = await probe(served.url, timeout=1.0)
    assert result.reason is Reason.TIMEOUT
    assert 0.5 < phases(result)["processing"] <= result.duration


@pytest.mark.parametrize("version", ["TLS 1.2", "TLS 1.3"])
async def test_tls(version: str, authorities: Authorities) -> None:
    import ssl

    wanted = ssl.TLSVersion.TLSv1_2 if version == "TLS 1.2" else ssl.TLSVersion.TLSv1_3
    with serving_tls(authorities.only_version(wanted), ANSWER) as served:
        result = await probe(served.url, ca_file=authorities.file)
    assert result.success, result.detail
    assert phases(result)["tls"] > 0
    assert value(result, names.PROBE_HTTP_SSL) == 1
    assert value(result, names.PROBE_TLS_VERSION_INFO, version) == 1


async def test_expiry_is_of_the_certificate_that_ends_first(authorities: Authorities) -> None:
    end = NOW + timedelta(days=30)
    for context in (authorities.expiring(end), authorities.with_another_that_expires(end)):
        with serving_tls(context, ANSWER) as served:
            result = await probe(served.url, ca_file=authorities.file)
        assert result.success, result.detail
        assert value(result, names.PROBE_SSL_EARLIEST_CERT_EXPIRY) == end.timestamp()
        assert value(result, names.PROBE_SSL_LAST_CHAIN_EXPIRY) == end.timestamp()


async def test_expired_certificate_still_tells_when_it_expired(authorities: Authorities) -> None:
    end = NOW - timedelta(days=3)
    with serving_tls(authorities.expiring(end), ANSWER) as served:
        result = await probe(served.url, ca_file=authorities.file)
    assert result.reason is Reason.TLS_EXPIRED
    assert value(result, names.PROBE_SSL_EARLIEST_CERT_EXPIRY) == end.timestamp()
    assert value(result, names.PROBE_SSL_LAST_CHAIN_EXPIRY) == 0
    assert value(result, names.PROBE_HTTP_SSL) == 1


async def test_untrusted_certificate_still_tells_when_it_expires(authorities: Authorities) -> None:
    with serving_tls(authorities.of_unknown_authority(), ANSWER) as served:
        failed = await probe(served.url, ca_file=authorities.file)
        unverified = await probe(served.url, insecure_skip_verify=True)
    assert failed.reason is Reason.TLS
    assert unverified.success
    for result in (failed, unverified):
        assert value(result, names.PROBE_SSL_EARLIEST_CERT_EXPIRY) == 32503680000  # the year 3000
        assert value(result, names.PROBE_SSL_LAST_CHAIN_EXPIRY) == 0


async def test_certificate_that_is_replaced_is_seen_at_once(authorities: Authorities) -> None:
    ends = [NOW + timedelta(days=3), NOW + timedelta(days=90)]
    found = []
    for end in ends:
        with serving_tls(authorities.expiring(end), ANSWER) as served:
            found.append(await probe(served.url, ca_file=authorities.file))
    expiries = [value(result, names.PROBE_SSL_EARLIEST_CERT_EXPIRY) for result in found]
    assert expiries == [end.timestamp() for end in ends]


async def test_ca_file_that_is_replaced_is_read_again(
    authorities: Authorities, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    authorities.unknown.cert_pem.write_to_path(file)
    with serving_tls(authorities.good(), ANSWER) as served:
        prober = HttpProber(Service(name="target", url=served.url, ca_file=file), served.url)
        before = await prober.probe(20)
        authorities.known.cert_pem.write_to_path(file)
        after = await prober.probe(20)
        await prober.close()
    assert (before.reason, after.reason) == (Reason.TLS, None)


async def test_client_certificate(authorities: Authorities, tmp_path: Path) -> None:
    ours = authorities.known.issue_cert("prober.example")
    ours.private_key_pem.write_to_path(tmp_path / "key.pem")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    with serving_tls(authorities.wanting_client_certificate(), ANSWER) as served:
        result = await probe(
            served.url,
            ca_file=authorities.file,
            cert_file=tmp_path / "cert.pem",
            key_file=tmp_path / "key.pem",
        )
    assert result.success, result.detail
