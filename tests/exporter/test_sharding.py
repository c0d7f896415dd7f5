"""Several exporters share the targets: each target is probed by exactly one of them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from serving import Fleet, Served, config_text, serving

from exporter.__main__ import main
from exporter.settings import SettingsError, read_settings
from exporter.shard import Shard, parse

NAMES = st.text(st.characters(codec="ascii", exclude_characters="\n"), min_size=1, max_size=63)
COUNTS = st.integers(1, 12)


def owners(name: str, count: int) -> list[int]:
    return [number for number in range(1, count + 1) if Shard(number, count).owns(name)]


# --- who owns what ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not i/n"),
        ("1", "is not i/n"),
        ("1/2/3", "is not i/n"),
        ("-1/2", "is not i/n"),
        ("a/b", "is not i/n"),
        ("1.5/2", "is not i/n"),
        ("٢/٣", "is not i/n"),
        ("0/2", "counted from 1 to 2"),
        ("3/2", "counted from 1 to 2"),
        ("1/0", "cannot be 0 shards"),
        ("1/1001", "cannot be 1001 shards"),
    ],
)
def test_what_names_no_shard_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        parse(text)


@given(NAMES, COUNTS)
def test_every_target_belongs_to_exactly_one_shard(name: str, count: int) -> None:
    assert len(owners(name, count)) == 1


@given(NAMES, COUNTS)
def test_one_more_shard_takes_targets_and_moves_none_among_the_others(
    name: str, count: int
) -> None:
    before, after = owners(name, count), owners(name, count + 1)
    assert after in (before, [count + 1])


@given(st.integers(1, 8), st.text("abcdefgh-", min_size=1, max_size=20))
def test_shards_are_balanced(count: int, prefix: str) -> None:
    names = [f"{prefix}{number}" for number in range(1000)]
    sizes = Counter(owners(name, count)[0] for name in names)
    fair = 1000 / count
    # Five standard deviations of a fair throw.
    assert all(abs(sizes[one] - fair) < 5 * fair**0.5 for one in range(1, count + 1)), sizes


def test_who_owns_what_is_the_same_in_every_version() -> None:
    names = ("auth-service", "payment-service", "postgresql", "redis", "api-gateway")
    assert [owners(name, 3)[0] for name in names] == OWNERS_OF_THREE


# Another owner in a new version would have targets probed twice, or by nobody, during a roll-out.
OWNERS_OF_THREE = [1, 1, 1, 1, 2]


# --- the exporter -------------------------------------------------------------------------------


SERVICES = (*(f"service-{number}" for number in range(12)), "own-service")


async def named(served: Served) -> set[str]:
    text = await (await served.client.get("/metrics")).text()
    return set(re.findall(r'^monitoring_target_info\{target="([^"]+)"', text, re.MULTILINE))


async def probed(served: Served) -> set[str]:
    text = await (await served.client.get("/metrics")).text()
    return set(re.findall(r'^probe_success\{target="([^"]+)"', text, re.MULTILINE))


async def test_two_shards_together_probe_and_name_every_target_once(tmp_path: Path) -> None:
    seen: list[set[str]] = []
    for shard in ("1/2", "2/2"):
        text = config_text(*SERVICES)
        async with serving(tmp_path, Fleet(), {"SHARD": shard}, text) as served:
            await served.results()
            assert await probed(served) == await named(served)
            assert served.fleet.made.keys() == await named(served)
            seen.append(await named(served))
            body = await (await served.client.get("/health")).json()
            assert body["shard"] == shard
            told = {one["service"] for one in body["services"]} | body["dependencies"].keys()
            assert told == seen[-1]
    assert all(seen)
    assert seen[0].isdisjoint(seen[1])
    assert seen[0] | seen[1] == {*SERVICES, "postgresql", "redis"}


async def test_a_reload_keeps_to_the_shard(tmp_path: Path) -> None:
    text = config_text(*SERVICES)
    async with serving(tmp_path, Fleet(), {"SHARD": "1/2"}, text) as served:
        before = await named(served)
        await served.service.reload()
        assert await named(served) == before


async def test_an_exporter_on_its_own_probes_everything(tmp_path: Path) -> None:
    async with serving(tmp_path, Fleet()) as served:
        await served.results()
        assert len(await named(served)) == len(served.service.loaded.platform.targets)
        assert "shard" not in await (await served.client.get("/health")).json()


def test_the_command_line_names_the_shard_too(tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text(config_text("own-service"))
    variables = {"MONITORING_CONFIG": str(config), "SHARD": "1/2"}
    ended = CliRunner().invoke(main, ["serve", "--shard", "3/2"], env=variables)
    assert ended.exit_code == 2
    assert "SHARD: 3 is none of 2 shards" in ended.output


def test_a_shard_that_cannot_be_is_refused_by_the_name_of_its_variable() -> None:
    with pytest.raises(SettingsError, match=r"^SHARD: 3 is none of 2 shards"):
        read_settings({"SHARD": "3/2"})
