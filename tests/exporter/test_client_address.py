"""Where a request comes from: X-Forwarded-For is believed from trusted proxies, right to left."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from exporter.service import Service
from exporter.settings import Settings, read_settings
from exporter.web.client_address import client_address
from exporter.web.keys import SERVICE


def seen(peer: str | None, forwarded: list[str], trusted: str = "10.0.0.0/8,::1") -> str | None:
    """What a request from a peer with these headers counts as coming from."""
    transport = Mock()
    transport.get_extra_info.return_value = (peer, 40000) if peer else None
    app = web.Application()
    service: Service = Mock(settings=settings(trusted))
    app[SERVICE] = service
    headers = CIMultiDict([("X-Forwarded-For", value) for value in forwarded])
    return client_address(make_mocked_request("GET", "/", headers, app=app, transport=transport))


def settings(trusted: str) -> Settings:
    return read_settings({"TRUSTED_PROXIES": trusted} if trusted else {})


def test_without_trusted_proxies_no_header_is_believed() -> None:
    assert seen("203.0.113.9", ["192.0.2.1"], trusted="") == "203.0.113.9"
    assert seen("127.0.0.1", ["192.0.2.1"], trusted="") == "127.0.0.1"


def test_a_stranger_who_claims_another_address_is_not_believed() -> None:
    assert seen("203.0.113.9", ["10.0.0.1"]) == "203.0.113.9"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ([], "10.0.0.1"),
        (["192.0.2.1"], "192.0.2.1"),
        # What stands left of the first stranger is that stranger's own word.
        (["198.51.100.66, 192.0.2.1"], "192.0.2.1"),
        (["198.51.100.66", "192.0.2.1"], "192.0.2.1"),
        (["127.0.0.1, 10.0.0.9, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (["192.0.2.1:4711"], "192.0.2.1"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["::ffff:192.0.2.1"], "192.0.2.1"),
        # What is no address ends the walk: the last proxy that we know of is all that is known.
        (["192.0.2.1, nonsense, 10.0.0.2"], "10.0.0.2"),
        (["unknown"], "10.0.0.1"),
        ([""], "10.0.0.1"),
        (["'; DROP TABLE alerts; --"], "10.0.0.1"),
    ],
)
def test_behind_a_trusted_proxy_the_first_stranger_from_the_right_is_the_client(
    forwarded: list[str], address: str
) -> None:
    assert seen("10.0.0.1", forwarded) == address


def test_a_client_that_has_gone_has_no_address() -> None:
    assert seen(None, ["192.0.2.1"]) is None
