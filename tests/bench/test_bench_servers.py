"""What the bench measures with: nginx whose log counts connections, and the real peer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.nginx import Nginx
from bench.peers import Blackbox, said_version
from bench.saturate_peer import saturate
from bench.scraper import ScrapeError, Scraper, families, paced


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx"), plain=3, secure=2) as started:
        yield started


@pytest.fixture(scope="module")
def blackbox(nginx: Nginx, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blackbox]:
    with Blackbox(tmp_path_factory.mktemp("blackbox"), nginx.ca_file) as started:
        yield started


def test_log_tells_new_connections_from_requests(nginx: Nginx) -> None:
    since = nginx.position()
    with Scraper(nginx.port, "/health") as scraper:
        for _ in range(3):
            scraper.scrape()
    nginx.settle()
    seen = nginx.connections(since, "")
    assert (seen.requests, seen.new) == (4, 2)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_peer_probes_by_a_new_connection_each(
    nginx: Nginx, blackbox: Blackbox, secure: bool
) -> None:
    urls = nginx.secure_urls if secure else nginx.urls
    since = nginx.position()
    probes = saturate(blackbox.port, [Blackbox.path(url) for url in urls], 4, seconds=0.3)
    nginx.settle()
    seen = nginx.connections(since, Blackbox.agent)
    assert probes > 0
    assert (seen.requests, seen.new, seen.resumed) == (probes, probes, 0)
    with Scraper(blackbox.port, Blackbox.path(urls[0])) as scraper:
        assert families(scraper.scrape()[1])["probe_success"] == 1


def test_what_is_not_200_is_told(blackbox: Blackbox) -> None:
    with (
        Scraper(blackbox.port, "/probe?module=none") as scraper,
        pytest.raises(ScrapeError, match="400"),
    ):
        scraper.scrape()


def test_compressed_and_plain_answers_say_the_same(blackbox: Blackbox) -> None:
    with Scraper(blackbox.port) as plain, Scraper(blackbox.port, compressed=True) as compressed:
        assert families(plain.scrape()[1]).keys() == families(compressed.scrape()[1]).keys()


def test_pace_is_kept_to_the_end(blackbox: Blackbox) -> None:
    with Scraper(blackbox.port) as scraper:
        assert len(paced(scraper, 20.0, 0.5)) == 10


def test_versions_are_known() -> None:
    assert said_version(Blackbox.fetched(), "--version").startswith("0.")
