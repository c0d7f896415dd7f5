"""Rate limits: a bucket a caller, told by headers; what keeps alerting going is never refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from serving import Fleet, Served, serving

from exporter.settings import SettingsError, read_settings
from exporter.web.rate_limit import Buckets
from exporter.web.tokens import mint

SECRET = "secret-of-people-0123456789-0123456789"


def environment(limit: int) -> dict[str, str]:
    return {"JWT_SECRET": SECRET, "RATE_LIMIT_PER_MINUTE": str(limit)}


def bearer(served: Served, sub: str) -> dict[str, str]:
    token = mint(served.service.settings, sub, "viewer", timedelta(hours=1))
    return {"Authorization": f"Bearer {token}"}


# --- the bucket ---------------------------------------------------------------------------------


def test_as_many_as_the_limit_pass_at_once_and_no_more() -> None:
    buckets = Buckets(3)
    assert [buckets.take("me", 0.0).allowed for _ in range(4)] == [True, True, True, False]


def test_what_is_left_and_when_there_is_more_is_told() -> None:
    buckets = Buckets(60)
    first = buckets.take("me", 0.0)
    assert (first.remaining, first.full_after) == (59, 1.0)
    for _ in range(59):
        last = buckets.take("me", 0.0)
    assert (last.allowed, last.remaining) == (True, 0)
    refused = buckets.take("me", 0.0)
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert (refused.retry_after, refused.full_after) == (1.0, 60.0)


def test_time_brings_requests_back_up_to_the_limit() -> None:
    buckets = Buckets(60)
    for _ in range(60):
        buckets.take("me", 0.0)
    assert not buckets.take("me", 0.9).allowed
    assert buckets.take("me", 1.1).allowed
    assert buckets.take("me", 3600.0).remaining == 59


def test_callers_do_not_take_each_others() -> None:
    buckets = Buckets(1)
    assert buckets.take("me", 0.0).allowed
    assert not buckets.take("me", 0.0).allowed
    assert buckets.take("you", 0.0).allowed


def test_a_million_callers_cost_no_more_memory_than_the_most() -> None:
    buckets = Buckets(1, most=100)
    for number in range(10_000):
        buckets.take(str(number), 0.0)
    assert len(buckets) == 100


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1.5"])
def test_a_limit_that_is_none_is_told(limit: str) -> None:
    with pytest.raises(SettingsError, match="RATE_LIMIT_PER_MINUTE"):
        read_settings({"RATE_LIMIT_PER_MINUTE": limit})


# --- the API ------------------------------------------------------------------------------------

PATH = "/api/v1/monitoring/services"


async def test_who_asks_too_often_is_refused_in_shape_and_told_when_to_come_back(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, Fleet(), environment(3)) as served:
        me = bearer(served, "me")
        seen = [await served.client.get(PATH, headers=me) for _ in range(4)]
        assert [answer.status for answer in seen] == [200, 200, 200, 429]
        assert [answer.headers["X-RateLimit-Remaining"] for answer in seen] == ["2", "1", "0", "0"]
        assert {answer.headers["X-RateLimit-Limit"] for answer in seen} == {"3"}
        assert all(int(answer.headers["X-RateLimit-Reset"]) > 1.6e9 for answer in seen)
        assert 1 <= int(seen[3].headers["Retry-After"]) <= 20
        body = await seen[3].json()
        assert (body["code"], body["statusCode"], body["path"]) == (
            "RATE_LIMIT_EXCEEDED",
            429,
            PATH,
        )
        assert (await served.client.get(PATH, headers=bearer(served, "you"))).status == 200


async def test_guesses_at_tokens_are_counted_by_address(tmp_path: Path) -> None:
    async with serving(tmp_path, Fleet(), environment(3)) as served:
        guesses = [
            await served.client.get(PATH, headers={"Authorization": f"Bearer guess-{number}"})
            for number in range(4)
        ]
        assert [answer.status for answer in guesses] == [401, 401, 401, 429]
        # Whoever has a token is not held up by others who come from there.
        assert (await served.client.get(PATH, headers=bearer(served, "me"))).status == 200


async def test_a_forged_address_is_no_way_around_the_limit(tmp_path: Path) -> None:
    async with serving(tmp_path, Fleet(), environment(3)) as served:
        forged = [
            await served.client.get(PATH, headers={"X-Forwarded-For": f"192.0.2.{number}"})
            for number in range(4)
        ]
        assert [answer.status for answer in forged] == [401, 401, 401, 429]


async def test_behind_a_trusted_proxy_each_client_has_its_own(tmp_path: Path) -> None:
    trusting = environment(1) | {"TRUSTED_PROXIES": "127.0.0.1"}
    async with serving(tmp_path, Fleet(), trusting) as served:
        for address in ("192.0.2.1", "192.0.2.2"):
            answers = [
                await served.client.get(PATH, headers={"X-Forwarded-For": address})
                for _ in range(2)
            ]
            assert [answer.status for answer in answers] == [401, 429]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/metrics"),
        ("GET", "/health"),
        ("GET", "/status"),
        ("GET", "/-/healthy"),
        ("GET", "/-/ready"),
        ("GET", "/api/sd/services"),
        ("POST", "/api/alertmanager/webhook"),
        ("POST", "/api/alertmanager/watchdog"),
    ],
)
async def test_what_machines_ask_is_never_refused(tmp_path: Path, method: str, path: str) -> None:
    async with serving(tmp_path, Fleet(), environment(1)) as served:
        answers = [await served.client.request(method, path) for _ in range(5)]
        assert 429 not in {answer.status for answer in answers}
        assert "X-RateLimit-Limit" not in answers[-1].headers
