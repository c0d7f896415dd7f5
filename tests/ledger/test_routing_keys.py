"""PAGERDUTY_ROUTING_KEY: whose keys it holds, and what is said of one that cannot be whose."""

from __future__ import annotations

from pathlib import Path

import pytest
from chatting import CONFIG

from exporter.chat.routing_keys import keyed, mistakes, read_keys
from exporter.logs.known_secrets import known_secrets
from exporter.service import missing_secrets
from exporter.settings import read_settings
from model.load import load
from model.platform import Platform


@pytest.fixture
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Platform:
    """One whose PagerDuty channels have these names."""
    names: tuple[str, ...] = request.param
    channels = "\n".join(
        f'        PagerDuty(name="{name}", routing_key_file="/secrets/{name}"),' for name in names
    )
    given = '        PagerDuty(routing_key_file="/secrets/pagerduty", url="PAGERDUTY_URL"),'
    severity = 'channels=("slack", "pagerduty")'
    told = f"channels={('slack', *names)!r}"
    file = tmp_path / "config.py"
    file.write_text(CONFIG.replace(given, channels).replace(severity, told))
    return load(file)


NONE, ONE, TWO = (), ("pagerduty",), ("pagerduty", "database")


@pytest.mark.parametrize(
    ("platform", "text", "told"),
    [
        (TWO, "hidden", ["whose key this is", "pagerduty=KEY,database=KEY"]),
        (TWO, "databse=hidden", ['no PagerDuty channel "databse"', 'did you mean "database"?']),
        (TWO, "pagerduty=,database=hidden", ['the key of "pagerduty" is empty']),
        (TWO, "pagerduty=hidden,pagerduty=hidden2", ["two keys are of one channel"]),
        (ONE, "hidden,hidden2", ["two keys are of one channel"]),
        (NONE, "pagerduty=hidden", ['no PagerDuty channel "pagerduty"']),
    ],
    indirect=["platform"],
)
def test_a_key_that_cannot_be_whose_is_refused_at_the_start_and_never_repeated(
    platform: Platform, text: str, told: list[str]
) -> None:
    settings = read_settings(
        {"PAGERDUTY_ROUTING_KEY": text, "JWT_SECRET": "j" * 32, "INGEST_TOKEN": "i" * 32}
    )
    (said,) = missing_secrets(settings, platform)
    assert said.startswith("PAGERDUTY_ROUTING_KEY: ")
    assert all(words in said for words in told), said
    assert "hidden" not in said


@pytest.mark.parametrize(
    ("platform", "text", "expected"),
    [
        (NONE, "key", {}),
        (ONE, "key", {"pagerduty": "key"}),
        (ONE, "pagerduty=key", {"pagerduty": "key"}),
        (TWO, "database=key", {"database": "key"}),
        (TWO, " pagerduty=a , database=b ", {"pagerduty": "a", "database": "b"}),
    ],
    indirect=["platform"],
)
def test_each_channel_has_its_own_key(
    platform: Platform, text: str, expected: dict[str, str]
) -> None:
    assert list(mistakes(text, platform)) == []
    assert {channel.name: key for channel, key in keyed(read_keys(text), platform)} == expected


@pytest.mark.parametrize("platform", [TWO], indirect=True)
def test_a_key_is_nobodys_once_a_reload_has_brought_a_second_channel(platform: Platform) -> None:
    assert list(keyed(read_keys("key"), platform)) == []


@pytest.mark.parametrize("platform", [TWO], indirect=True)
def test_the_log_hides_each_of_several_keys(platform: Platform) -> None:
    settings = read_settings({"PAGERDUTY_ROUTING_KEY": "pagerduty=first-key,database=other-key"})
    urls = {target.name: target.url for target in platform.targets}
    assert {"first-key", "other-key"} <= set(known_secrets(settings, platform, urls))
