"""What /probe tells is a superset of what the real blackbox_exporter tells of the same target.

`blackbox_exporter.yml` lists its families, case by case, with their types and labels. The real one
has to tell exactly these, so that the list cannot rot, and ours all of these.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from certificates import Authorities
from prometheus_client.parser import text_string_to_metric_families
from scripted_server import Client, serving, serving_tls

from bench.peers import SUITE, Blackbox
from exporter.conversation import blackbox
from exporter.conversation.connection import RecordingNetwork
from exporter.conversation.recorder import Recorder
from exporter.exposition import probe_page
from exporter.probers.http import HttpProber, Network
from exporter.probers.prober import Prober
from exporter.probers.tcp import TcpProber
from model.targets import Service, TcpService
from programs.server import request

LISTED: dict[str, dict[str, str]] = yaml.safe_load(
    (Path(__file__).parent / "blackbox_exporter.yml").read_text()
)
TIMEOUT = 3.0
MODULES = """\
modules:
  http:
    prober: http
    timeout: 3s
    http: &http
      preferred_ip_protocol: ip4
      valid_status_codes: [200]
      tls_config:
        ca_file: {ca_file}
  http_healthy:
    prober: http
    timeout: 3s
    http:
      <<: *http
      fail_if_body_not_matches_regexp: ["healthy"]
  tcp:
    prober: tcp
    timeout: 3s
    tcp:
      preferred_ip_protocol: ip4
  tcp_greeting:
    prober: tcp
    timeout: 3s
    tcp:
      preferred_ip_protocol: ip4
      query_response: [{{expect: "^220"}}]
  tls:
    prober: tcp
    timeout: 3s
    tcp:
      preferred_ip_protocol: ip4
      tls: true
      tls_config:
        ca_file: {ca_file}
"""
# How long something took, and what each of us was allowed: no two probes agree.
OWN_VALUES = ("_duration_seconds", "_time_seconds", "probe_timeout_seconds")


class Peer(Blackbox):
    """blackbox_exporter with the modules of these cases."""

    def _prepare(self) -> None:
        super()._prepare()
        (self.directory / "blackbox.yml").write_text(MODULES.format(ca_file=self._ca_file))


@dataclass(frozen=True)
class Case:
    """A target: what serves it, its module there and its settings here."""

    serves: str
    module: str
    settings: dict[str, Any]


HEALTHY = {"fail_if_body_not_matches_regexp": ("healthy",)}
CASES = {
    "http": Case("well", "http_healthy", HEALTHY),
    "http, redirected, with Last-Modified": Case("redirecting", "http_healthy", HEALTHY),
    "http, a regular expression fails": Case("ill", "http_healthy", HEALTHY),
    "http, a status fails": Case("failing", "http_healthy", HEALTHY),
    "http, refused": Case("nothing", "http", {}),
    "https": Case("well by TLS", "http_healthy", HEALTHY),
    "https, not trusted": Case("unknown by TLS", "http", {}),
    "tcp": Case("greeting", "tcp", {}),
    "tcp, with an expectation": Case("greeting", "tcp_greeting", {"expect": "^220"}),
    "tcp, an expectation fails": Case("refusing", "tcp_greeting", {"expect": "^220"}),
    "tcp, refused": Case("nothing", "tcp", {}),
    "tcp by TLS": Case("well by TLS", "tls", {}),
}


# --- targets ------------------------------------------------------------------------------------


async def well(client: Client) -> None:
    await client.answer()


async def ill(client: Client) -> None:
    await client.answer(b'{"status":"ill"}')


async def failing(client: Client) -> None:
    await client.answer(b'{"status":"healthy"}', status=b"503 Busy")


async def redirecting(client: Client) -> None:
    head = await client.request()
    if b"/health " in head:
        await client.send(b"HTTP/1.1 302 F\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n")
    else:
        modified = b"Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n"
        await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n", modified, b"\r\nhealthy")


async def greeting(client: Client) -> None:
    await client.send(b"220 here\r\n")
    await client.closed()


async def refusing(client: Client) -> None:
    await client.send(b"550 away\r\n")


SCRIPTS = {
    "well": well,
    "ill": ill,
    "failing": failing,
    "redirecting": redirecting,
    "greeting": greeting,
    "refusing": refusing,
}


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return Authorities(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def peer(authorities: Authorities, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with Peer(tmp_path_factory.mktemp("blackbox"), authorities.file) as running:
        yield running


@asynccontextmanager
async def served(what: str, authorities: Authorities) -> AsyncIterator[str]:
    """The URL of a target."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + b'{"status":"healthy"}'
    async with AsyncExitStack() as stack:
        if what == "nothing":
            yield "http://127.0.0.1:1"
        elif what in SCRIPTS:
            yield (await stack.enter_async_context(serving(SCRIPTS[what]))).url
        else:
            known = what == "well by TLS"
            secure = authorities.with_intermediate() if known else authorities.self_signed()
            yield stack.enter_context(serving_tls(secure, answer)).url


# --- the two answers ----------------------------------------------------------------------------


async def theirs(peer: Peer, case: Case, url: str) -> str:
    """What blackbox_exporter tells."""
    target = f"{url}/health" if case.module.startswith("http") else urlsplit(url).netloc
    path = f"{peer.url}/probe?module={case.module}&target={target}"
    _, text = await asyncio.to_thread(request, path)
    return text


async def ours(case: Case, url: str, ca_file: Path) -> str:
    """What /probe tells."""
    recorder, network = Recorder(), Network()
    recording = RecordingNetwork(network, recorder)
    target: Service | TcpService
    prober: Prober
    if case.module.startswith("http"):
        settings = {"ca_file": ca_file, "status_field": None, **case.settings}
        target = Service(name="target", url=url, **settings)
        prober = HttpProber(target, url, recording)
    else:
        scheme = "tls" if case.module == "tls" else "tcp"
        url = f"{scheme}://{urlsplit(url).netloc}"
        target = TcpService(name="target", url=url, ca_file=ca_file, **case.settings)
        prober = TcpProber(target, url, recording)
    try:
        result = await prober.probe(TIMEOUT)
        more = blackbox.samples(target, recorder, TIMEOUT)
        return probe_page(replace(result, samples=(*result.samples, *more))).decode()
    finally:
        await prober.close()
        network.close()


def families(text: str) -> dict[str, str]:
    """Each family's type and labels: `gauge {phase}`."""
    found = {}
    for family in text_string_to_metric_families(text):
        labels = sorted({label for sample in family.samples for label in sample.labels})
        found[family.name] = f"{family.type} {{{','.join(labels)}}}" if labels else family.type
    return found


def values(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every value that two probes have to agree upon."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith(OWN_VALUES)
    }


def test_the_list_is_about_these_cases() -> None:
    assert list(LISTED) == list(CASES)


@pytest.mark.parametrize("name", CASES)
async def test_probe_has_every_family_type_label_and_value_of_blackbox_exporter(
    name: str, peer: Peer, authorities: Authorities
) -> None:
    case = CASES[name]
    async with served(case.serves, authorities) as url:
        their_text = await theirs(peer, case, url)
        our_text = await ours(case, url, authorities.file)
    assert families(their_text) == LISTED[name], f"the one of Debian {SUITE} has changed"
    assert LISTED[name].items() <= families(our_text).items()
    expected = values(their_text)
    if "refused" in name or "not trusted" in name:
        # Where there was no answer it tells a length of 0, we tell the same as without a length.
        expected.pop(("probe_http_content_length", frozenset()), None)
    if "not trusted" in name:
        # It knows nothing of a handshake that has failed; we tell that it was TLS, and the chain.
        expected.pop(("probe_http_ssl", frozenset()))
    assert expected.items() <= values(our_text).items()
