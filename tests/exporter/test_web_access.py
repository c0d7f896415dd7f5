"""Who may read what: addresses, basic auth, loopback; what a header claims is not believed."""

from __future__ import annotations

import base64
from pathlib import Path
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from serving import Fleet, serving

from exporter.settings import read_settings
from exporter.web.access import require_loopback, require_scraper

SECRET = "hunter2-do-not-print"
GUARDED = ("/metrics", "/probe?target=redis", "/api/sd/services")


def request_from(address: str | None, **headers: str) -> web.Request:
    """A request that a client at an address has sent; None: it has gone meanwhile."""
    transport = Mock()
    transport.get_extra_info.return_value = (address, 40000) if address else None
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("GET", "/", headers=named, transport=transport)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


# --- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "passes"),
    [
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("127.0.0.1", False),
        ("::ffff:192.0.2.7", True),
        ("::ffff:192.0.2.8", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0", False),
        (None, False),
    ],
)
def test_only_the_allowed_addresses_pass(address: str | None, passes: bool) -> None:
    settings = read_settings({"PROMETHEUS_ALLOWED_IPS": "192.0.2.7,2001:db8::/32"})
    request = request_from(address)
    if passes:
        require_scraper(request, settings)
    else:
        with pytest.raises(web.HTTPForbidden):
            require_scraper(request, settings)


@pytest.mark.parametrize("header", ["X_Forwarded_For", "X_Real_IP", "Forwarded"])
def test_a_header_that_claims_an_allowed_address_is_not_believed(header: str) -> None:
    settings = read_settings({"PROMETHEUS_ALLOWED_IPS": "192.0.2.7"})
    with pytest.raises(web.HTTPForbidden):
        require_scraper(request_from("198.51.100.1", **{header: "192.0.2.7"}), settings)


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.168.1.1", "198.51.100.1", "2001:db8::1", None]
)
def test_only_loopback_passes_as_loopback(address: str | None) -> None:
    with pytest.raises(web.HTTPForbidden):
        require_loopback(request_from(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_every_way_to_be_on_this_machine_passes_as_loopback(address: str) -> None:
    require_loopback(request_from(address))


@pytest.mark.parametrize("header", ["X_Forwarded_For", "X_Real_IP", "Forwarded", "Via"])
def test_a_proxy_on_this_machine_is_not_loopback(header: str) -> None:
    with pytest.raises(web.HTTPForbidden):
        require_loopback(request_from("127.0.0.1", **{header: "127.0.0.1"}))


@pytest.mark.parametrize("path", GUARDED)
async def test_a_forbidden_address_learns_nothing(tmp_path: Path, path: str) -> None:
    environment = {"PROMETHEUS_ALLOWED_IPS": "192.0.2.7"}
    async with serving(tmp_path, Fleet(), environment) as served:
        answer = await served.client.get(path, headers={"X-Forwarded-For": "192.0.2.7"})
        assert (answer.status, (await answer.json())["code"]) == (403, "FORBIDDEN")
        assert "127.0.0.1 is not in PROMETHEUS_ALLOWED_IPS" in await answer.text()
        assert "auth-service" not in await answer.text()


# --- basic auth ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic !!!not-base64!!!",
        "Basic \u00fc",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        basic("prometheus:wrong"),
        basic(f"prometheus:{SECRET}x"),
        basic(f"prometheus:{SECRET[:-1]}"),
        basic(f"Prometheus:{SECRET}"),
        basic(SECRET),
        basic(f"prometheus:{SECRET}").replace("Basic", "Bearer"),
        f"Basic prometheus:{SECRET}",
    ],
)
def test_anything_but_the_right_user_and_password_is_refused(given: str | None) -> None:
    settings = read_settings({"METRICS_BASIC_AUTH": f"prometheus:{SECRET}"})
    headers = {} if given is None else {"Authorization": given}
    with pytest.raises(web.HTTPUnauthorized) as caught:
        require_scraper(request_from("127.0.0.1", **headers), settings)
    assert SECRET not in (caught.value.text or "")


@pytest.mark.parametrize("password", [SECRET, "with:colon", "pässwörd", "with space"])
def test_the_right_user_and_password_pass(password: str) -> None:
    settings = read_settings({"METRICS_BASIC_AUTH": f"prometheus:{password}"})
    header = basic(f"prometheus:{password}")
    require_scraper(request_from("127.0.0.1", Authorization=header), settings)
    require_scraper(request_from("127.0.0.1", Authorization=header.replace("B", "b", 1)), settings)


def test_the_right_password_from_a_forbidden_address_is_refused() -> None:
    settings = read_settings(
        {"METRICS_BASIC_AUTH": f"prometheus:{SECRET}", "PROMETHEUS_ALLOWED_IPS": "192.0.2.7"}
    )
    right = basic(f"prometheus:{SECRET}")
    with pytest.raises(web.HTTPForbidden):
        require_scraper(request_from("127.0.0.1", Authorization=right), settings)
    with pytest.raises(web.HTTPUnauthorized):
        require_scraper(request_from("192.0.2.7"), settings)
    require_scraper(request_from("192.0.2.7", Authorization=right), settings)


@pytest.mark.parametrize("path", GUARDED)
async def test_where_basic_auth_is_set_every_page_for_prometheus_asks_for_it(
    tmp_path: Path, path: str
) -> None:
    environment = {"METRICS_BASIC_AUTH": f"prometheus:{SECRET}"}
    async with serving(tmp_path, Fleet(), environment) as served:
        refused = await served.client.get(path)
        assert (refused.status, (await refused.json())["code"]) == (401, "UNAUTHORIZED")
        assert refused.headers["WWW-Authenticate"] == 'Basic realm="metrics"'
        right = {"Authorization": basic(f"prometheus:{SECRET}")}
        assert (await served.client.get(path, headers=right)).status == 200


@pytest.mark.parametrize("path", ["/health", "/status", "/-/healthy", "/-/ready"])
async def test_what_a_load_balancer_reads_needs_neither(tmp_path: Path, path: str) -> None:
    environment = {
        "METRICS_BASIC_AUTH": f"prometheus:{SECRET}",
        "PROMETHEUS_ALLOWED_IPS": "192.0.2.7",
    }
    async with serving(tmp_path, Fleet(), environment) as served:
        assert (await served.client.get(path)).status == 200
