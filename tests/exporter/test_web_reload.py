"""POST /-/reload: a good config takes over, a bad one changes nothing and is told in full."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from serving import SERVICES, Fleet, Served, config_text, serving
from standins import until

BAD = config_text("auth-service", "auth-service").replace("interval=seconds(1)", "interval=5")


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, Fleet()) as started:
        yield started


async def reload(served: Served, text: str) -> tuple[int, str]:
    served.config.write_text(text)
    answer = await served.client.post("/-/reload")
    return answer.status, await answer.text()


async def metrics(served: Served) -> list[str]:
    return (await (await served.client.get("/metrics")).text()).splitlines()


# --- refused ------------------------------------------------------------------------------------


async def test_a_forwarded_request_may_not_reload(served: Served) -> None:
    answer = await served.client.post("/-/reload", headers={"X-Forwarded-For": "127.0.0.1"})
    assert (answer.status, (await answer.json())["code"]) == (403, "FORBIDDEN")


async def test_only_post_reloads(served: Served) -> None:
    served.config.write_text(BAD)
    answer = await served.client.get("/-/reload")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert "monitoring_config_last_reload_successful 1.0" in await metrics(served)


async def test_a_bad_config_keeps_the_old_one_sets_the_gauge_and_is_told_with_all_problems(
    served: Served,
) -> None:
    await served.results()
    before = served.service.loaded
    status, text = await reload(served, BAD)
    assert status == 422
    assert text.count("config.py:") >= 4, text
    assert '"code": "VALIDATION_ERROR"' in text
    lines = await metrics(served)
    assert "monitoring_config_last_reload_successful 0.0" in lines
    assert f'monitoring_config_info{{sha256="{before.sha256}"}} 1.0' in lines
    assert 'probe_success{target="venue-service",kind="http"} 1' in lines
    assert served.service.loaded is before
    # And the probes go on.
    [prober] = served.fleet.made["redis"]
    count = len(prober.starts)
    await until(lambda: len(prober.starts) > count)


@pytest.mark.parametrize("text", ["syntax error", "raise SystemExit", "CONFIG = 1", "\0", ""])
async def test_a_file_that_is_no_config_at_all_is_refused_too(served: Served, text: str) -> None:
    assert (await reload(served, text))[0] == 422
    assert "monitoring_config_last_reload_successful 0.0" in await metrics(served)


async def test_a_config_that_is_gone_is_refused(served: Served) -> None:
    served.config.unlink()
    answer = await served.client.post("/-/reload")
    assert answer.status == 422
    assert "cannot read the config" in await answer.text()


async def test_a_target_that_cannot_be_probed_is_refused_and_changes_nothing(
    tmp_path: Path,
) -> None:
    """Its prober says so, after everything else was found to be right."""
    secret = tmp_path / "redis_url"
    secret.write_text("redis://127.0.0.1:1/0")
    async with serving(tmp_path, environment={"REDIS_URL_FILE": str(secret)}) as served:
        before = served.service.loaded
        secret.write_text("redis://127.0.0.1:1/0?no_such_setting=1")
        status, text = await reload(served, config_text(*SERVICES))
        assert (status, "nothing after the database's number" in text) == (422, True)
        assert served.service.loaded is before
        assert "monitoring_config_last_reload_successful 0.0" in await metrics(served)


async def test_after_a_bad_config_a_good_one_sets_the_gauge_again(served: Served) -> None:
    await reload(served, BAD)
    assert (await reload(served, config_text(*SERVICES)))[0] == 200
    assert "monitoring_config_last_reload_successful 1.0" in await metrics(served)


# --- taken over ---------------------------------------------------------------------------------


async def test_the_same_config_changes_nothing(served: Served) -> None:
    await served.results()
    before = served.service.loaded.sha256
    assert await reload(served, config_text(*SERVICES) + "# a comment\n") == (200, "reloaded\n")
    assert served.service.loaded.sha256 == before
    assert {name: len(probers) for name, probers in served.fleet.made.items()} == dict.fromkeys(
        (*SERVICES, "postgresql", "redis"), 1
    )


async def test_a_good_config_takes_over_and_unchanged_targets_keep_their_results(
    served: Served,
) -> None:
    await served.results()
    old = served.service.loaded.sha256
    assert (await reload(served, config_text("auth-service", "new-service", "own-service")))[
        0
    ] == 200
    new = served.service.loaded.sha256
    lines = await metrics(served)
    assert new != old
    assert [line for line in lines if line.startswith("monitoring_config_info{")] == [
        f'monitoring_config_info{{sha256="{new}"}} 1.0'
    ]
    assert 'probe_success{target="auth-service",kind="http"} 1' in lines
    assert not [line for line in lines if '"venue-service"' in line]
    info = 'monitoring_target_info{target="new-service",kind="http",config='
    assert f'{info}"{new}"}} 1' in lines
    assert served.fleet.made["venue-service"][0].closed == 1
    await until(lambda: served.fleet.made["new-service"][0].starts)
    groups = await (await served.client.get("/api/sd/services")).json()
    assert [group["labels"]["service"] for group in groups] == ["auth-service", "new-service"]


async def test_a_secret_in_a_file_is_read_again(tmp_path: Path) -> None:
    secret = tmp_path / "redis_url"
    secret.write_text("redis://:old@127.0.0.1:1/0")
    environment = {"REDIS_URL_FILE": str(secret)}
    async with serving(tmp_path, Fleet(), environment) as served:
        secret.write_text("redis://:new@127.0.0.1:1/0")
        assert (await served.client.post("/-/reload")).status == 200
        assert served.service.loaded.urls["redis"] == "redis://:new@127.0.0.1:1/0"
        assert len(served.fleet.made["redis"]) == 2
        assert len(served.fleet.made["postgresql"]) == 1


async def test_reloads_at_the_same_moment_take_turns(served: Served) -> None:
    texts = [config_text("auth-service", f"service-{n}", "own-service") for n in range(10)]

    async def one(text: str) -> int:
        return (await reload(served, text))[0]

    assert await asyncio.gather(*map(one, texts)) == [200] * 10
    known = [shot.target.name for shot in served.service.runner.snapshots()]
    assert known == [target.name for target in served.service.loaded.platform.targets]
    closed = [prober.closed for name, made in served.fleet.made.items() for prober in made]
    assert closed.count(0) == len(known), "each target has exactly one prober that is open"


async def test_a_reload_does_not_hold_the_event_loop(served: Served) -> None:
    slow = "import time; time.sleep(4)\n" + config_text(*SERVICES)
    task = asyncio.create_task(reload(served, slow))
    longest = 0.0
    loop = asyncio.get_running_loop()
    while not task.done():
        started = loop.time()
        await asyncio.sleep(0.01)
        longest = max(longest, loop.time() - started)
    assert (await task)[0] == 200
    # What a busy machine does to a loop is far less than the four seconds that the file takes.
    assert longest < 2
