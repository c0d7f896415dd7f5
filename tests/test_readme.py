"""What the README shows can be pasted as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from exporter.operations.channels import Channels
from exporter.settings import Settings
from model.load import VARIABLE, load
from rules.compile import compile_files

ROOT = Path(__file__).resolve().parent.parent


def snippets() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def pasted(tmp_path: Path) -> Path:
    # The raw one is held to in tests/rules/test_raw_alerts.py.
    service, alert, _raw, maintenance = snippets()
    config = (ROOT / "config.py").read_text()
    entries = {
        "SERVICES = (\n": service,
        "\nALERTS = (\n": alert,
        "MAINTENANCE: tuple[Maintenance | WeeklyMaintenance, ...] = (\n": maintenance,
    }
    for opening, snippet in entries.items():
        assert config.count(opening) == 1
        config = config.replace(opening, opening + snippet)
    path = tmp_path / "config.py"
    path.write_text(config)
    return path


def test_the_service_and_the_alert_of_the_readme_are_one_entry_each_and_everything_follows(
    tmp_path: Path,
) -> None:
    files = compile_files(load(pasted(tmp_path)))
    for path in ("rules/generated/availability.test.yml", "grafana/dashboards/overview.json"):
        assert "refund-service" in files[path]
    rules = yaml.safe_load(files["rules/generated/databases.rules.yml"])["groups"][0]["rules"]
    assert rules[0]["alert"] == "RedisConnectionsHigh"
    tests = [text for path, text in files.items() if path.endswith(".test.yml")]
    assert any("RedisConnectionsHigh" in text for text in tests)
    assert "RedisConnectionsHigh" in files["grafana/dashboards/alerts.json"]


def test_the_maintenance_of_the_readme_is_declared_and_changes_no_rule(tmp_path: Path) -> None:
    platform = load(pasted(tmp_path))
    assert [window.reason for window in platform.maintenance] == ["new disk", "index rebuild"]
    without = platform.model_copy(update={"maintenance": ()})
    changed, before = compile_files(platform), compile_files(without)
    # People read there who is in maintenance; no machine does.
    assert {path for path in changed if changed[path] != before[path]} == {"docs/alerts/README.md"}


def variables() -> list[str]:
    """Those in the first column of the table of settings, in its order."""
    rows = re.findall(r"^\| (`[A-Z][^|]*) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)]


def test_the_table_of_settings_has_every_variable_that_is_read_each_once_and_no_other() -> None:
    targets = {target.variable for target in load(ROOT / "config.py").targets} - {None}
    read = {field.upper() for field in (*Settings.model_fields, *Channels.model_fields)}
    named = variables()
    # Of the services' addresses one stands for all.
    services = {name for name in targets if name not in {"DATABASE_URL", "REDIS_URL"}}
    assert set(named) & services == {"AUTH_SERVICE_URL"}
    assert set(named) - services == read | targets - services | {VARIABLE}
    assert len(named) == len(set(named))


def test_every_default_in_the_table_of_settings_is_the_one_that_is_used() -> None:
    text = (ROOT / "README.md").read_text()
    for model in (Settings, Channels):
        for name, field in model.model_fields.items():
            if isinstance(field.default, (int, str)) and not isinstance(field.default, bool):
                (row,) = re.findall(
                    rf"^\| [^|]*`{name.upper()}`[^|]* \| ([^|]*) \|", text, re.MULTILINE
                )
                shown = {"0.0.0.0": "all addresses"}.get(str(field.default), str(field.default))
                assert shown in row.replace("`", "").split(", "), name


def test_every_target_of_make_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert {"demo", "test", "run", "rules", "check"} <= named
    assert named <= targets


def test_every_file_that_a_document_links_to_exists() -> None:
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
