"""The hash says whether two configs mean the same: layout and comments are nothing to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.load import load

CONFIG = """\
from model import *

CONFIG = Platform(
    name="shop",
    services=(Service(name="web", port=80, headers={"a": "1", "b": "2"}),),
    severities=(Severity(name="error", response_time=minutes(1), channels=("slack",)),),
    channels=(Slack(webhook_url_file="/run/slack", channel="#ops"),),
    contacts=(Contact(role="lead", title="Lead", phone="1"),),
    alerts=(
        Alert(
            name="Down",
            group="g",
            expr=observed(metrics.PROBE_SUCCESS) < "0.5",
            for_=minutes(2),
            severity="error",
            summary="s",
            description="d",
        ),
    ),
    base_url="https://m",
    dead_mans_switch="https://s",
)
"""


def sha256(directory: Path, text: str) -> str:
    file = directory / "shop.py"
    file.write_text(text)
    return load(file).sha256


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("CONFIG =", "# what the shop is\n\n\nCONFIG ="),
        ('name="shop",\n', ""),
        ("minutes(1)", "seconds(60)"),
        ("minutes(1)", '"60s"'),
        ("port=80", 'port=80, interval=seconds(5), path="/health"'),
        ('{"a": "1", "b": "2"}', '{"b": "2", "a": "1"}'),
        ('"0.5"', "__import__('decimal').Decimal('0.5')"),
        ("channels=(Slack", "channels=(Slack"),
        ('phone="1"', 'phone="1", slack_user="T01/U01", pagerduty_user="PAB1"'),
        ("    base_url", "    workers=Workers(cleanup='04:00'),\n    base_url"),
    ],
    ids=[
        "comment",
        "order",
        "unit",
        "text",
        "default",
        "headers",
        "decimal",
        "nothing",
        "users",
        "workers",
    ],
)
def test_what_means_the_same_has_the_same_hash(old: str, new: str, tmp_path: Path) -> None:
    changed = CONFIG.replace(old, new)
    if not new:
        changed = changed.replace("    base_url", f"    {old}    base_url")
    assert sha256(tmp_path, changed) == sha256(tmp_path, CONFIG)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("shop", "store"),
        ("port=80", "port=81"),
        ("port=80", "port=80, timeout=seconds(2)"),
        ('"1", "b"', '"3", "b"'),
        ("minutes(1)", "None"),
        ("#ops", "#dev"),
        ("/run/slack", "/etc/slack"),
        ('phone="1"', 'phone="2"'),
        ('"0.5"', '"0.6"'),
        ('< "0.5"', '<= "0.5"'),
        ('(metrics.PROBE_SUCCESS)', '(metrics.PROBE_SUCCESS, kind="http")'),
        ('summary="s"', 'summary="t"'),
        ("minutes(2)", "seconds(1)"),
        ('summary="s"', 'summary="s", actions=("Wait.",)'),
        ('summary="s"', 'summary="s", no_data="fires"'),
        ("https://m", "https://n"),
        ("    base_url", "    business_hours=BusinessHours(end=17),\n    base_url"),
        ("    base_url", "    watched_by=Prometheus(exporters=('x:1',)),\n    base_url"),
    ],
)  # fmt: skip
def test_any_changed_value_changes_the_hash(old: str, new: str, tmp_path: Path) -> None:
    assert old in CONFIG
    assert sha256(tmp_path, CONFIG.replace(old, new)) != sha256(tmp_path, CONFIG)


def test_the_hash_does_not_depend_on_the_place_of_the_file(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert sha256(tmp_path, CONFIG) == sha256(elsewhere, CONFIG)
