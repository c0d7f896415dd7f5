"""What a TCP service in the config brings with it: an alert, proved, and only then."""

from __future__ import annotations

from pathlib import Path

import yaml

from model.load import load
from model.overlay import Addresses, relocate
from model.platform import Platform
from rules.compile import compile_files
from rules.prove import prove

ROOT = Path(__file__).resolve().parents[2]


def default(tmp_path: Path, *declared: str) -> Platform:
    """The default config with TCP services."""
    opening = "TCP: tuple[TcpService, ...] = ("
    text = (ROOT / "config.py").read_text()
    assert text.count(f"{opening})") == 1
    config = tmp_path / "config.py"
    config.write_text(text.replace(f"{opening})", f"{opening}{', '.join(declared)},)"))
    return load(config)


SMTP = 'TcpService(name="smtp", url="tcp://smtp.tickettoken.com:587", expect="^220 ")'
BROKER = 'TcpService(name="broker", url="tcp://broker:5672")'


def test_the_alert_is_left_out_where_it_could_never_fire() -> None:
    assert "TcpServiceDown" not in {alert.name for alert in load(ROOT / "config.py").alerts}


def test_entries_bring_an_alert_that_is_proved(tmp_path: Path) -> None:
    platform = default(tmp_path, SMTP, BROKER)
    files = compile_files(platform)
    rules = yaml.safe_load(files["rules/generated/availability.rules.yml"])["groups"][0]["rules"]
    [rule] = [rule for rule in rules if rule["alert"] == "TcpServiceDown"]
    assert 'probe_success{kind="tcp"}) < 0.5' in rule["expr"]
    [missing] = [rule["expr"] for rule in rules if rule["alert"] == "TargetsMissing"]
    assert missing.endswith(f"< {len(platform.targets)}")
    assert len(platform.targets) == len(load(ROOT / "config.py").targets) + 2
    assert [proof.claim for proof in prove(platform, files) if not proof.holds] == []


def test_another_address_can_be_given_for_a_demo(tmp_path: Path) -> None:
    addresses = dict.fromkeys(Addresses.model_fields, "127.0.0.1:9")
    given = Addresses.model_validate({**addresses, "targets": {"smtp": "tcp://127.0.0.1:25"}})
    moved = relocate(default(tmp_path, SMTP, BROKER), given)
    assert [target.url for target in moved.tcp] == ["tcp://127.0.0.1:25", "tcp://broker:5672"]
