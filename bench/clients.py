"""Clients that load an exporter's pages at a steady pace while something else is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from bench.scraper import Scraper, paced


@contextmanager
def loaded(
    port: int, paths: Sequence[str], per_second: float, seconds: float
) -> Iterator[Sequence[Future[list[float]]]]:
    """Ask for each path so many times a second, for so long; each client's times are its result.

    Leaving waits for the clients, and raises ScrapeError or OSError if one was not answered.
    """
    with ThreadPoolExecutor(len(paths), "client") as threads:
        clients = [threads.submit(_ask, port, path, per_second, seconds) for path in paths]
        yield clients
    for client in clients:
        client.result()


def _ask(port: int, path: str, per_second: float, seconds: float) -> list[float]:
    with Scraper(port, path) as scraper:
        return paced(scraper, per_second, seconds)
