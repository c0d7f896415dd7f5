"""The sentences that docs/architecture.md and shared design say about the layout, kept true."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from rules.output import HEADER

ROOT = Path(__file__).resolve().parents[1]
OURS = {"config", "demo", "exporter", "model", "programs", "rules", "templates", "tests"}

# Who may import what of ours, besides itself.
MAY_IMPORT = {
    "model": set[str](),
    "programs": set[str](),
    "exporter": {"model"},
    "rules": {"model", "programs"},
    "config": {"model"},
}


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]


def sources(package: str) -> list[Path]:
    return [ROOT / "config.py"] if package == "config" else sorted((ROOT / package).rglob("*.py"))


def imported(file: Path) -> Iterator[str]:
    """The top-level packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import hides what it imports"
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_only_what_the_design_allows(package: str) -> None:
    files = sources(package)
    assert files
    allowed = MAY_IMPORT[package] | {package}
    for file in files:
        assert set(imported(file)) & OURS <= allowed, file.relative_to(ROOT)


def test_the_catalogue_of_metrics_imports_nothing_of_ours_but_its_own_parts() -> None:
    parts = {"metric", *(path.stem for path in (ROOT / "model").glob("names*.py"))}
    for part in parts:
        tree = ast.parse((ROOT / f"model/{part}.py").read_text())
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        ours = {module for module in modules if module.partition(".")[0] in OURS}
        assert ours <= {f"model.{other}" for other in parts}


def test_the_config_imports_the_model_and_nothing_else() -> None:
    assert set(imported(ROOT / "config.py")) == {"model"}


def test_pyproject_lists_the_packages_that_there_are() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    present = {
        Path(path).parent.as_posix().replace("/", ".")
        for path in tracked()
        if Path(path).name == "__init__.py"
    }
    assert sorted(listed) == sorted(present)


def test_test_files_have_names_of_their_own() -> None:
    # Without packages, pytest imports each by its bare name.
    names = [Path(path).name for path in tracked() if path.startswith("tests/")]
    assert "__init__.py" not in names
    modules = [name for name in names if name.endswith(".py") and name != "conftest.py"]
    assert sorted(modules) == sorted(set(modules))


# --- what does not belong into a repository -----------------------------------------------------

# An absolute path into somebody's own directories.
OF_A_MACHINE = re.compile(r"(?<![\w*.}>/-])/(?:root|home|Users|work|workspace)/\w")
# Names below .test and .example are nobody's.
OF_A_REGISTRY = re.compile(
    r"https?://(?![^\s\"'/]*\.(?:test|example)\b)"
    r"[^\s\"'/]*(?:pypi|artifactory|nexus|registry|mirror|proxy)[^\s\"'/]*",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cd /home/me/x", True),
        ('"/root/x"', True),
        ("cache/*/work/lists", False),
        ("deploy/home/page", False),
    ],
)
def test_paths_of_a_machine_are_told_from_others(text: str, found: bool) -> None:
    assert bool(OF_A_MACHINE.search(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://a-registry.io/simple", True),
        ("http://my-mirror:8081/debian", True),
        ("http://mirror.test/debian", False),
        ("https://example.org/", False),
    ],
)
def test_hosts_of_registries_are_told_from_others(text: str, found: bool) -> None:
    assert bool(OF_A_REGISTRY.search(text)) == found


def texts() -> Iterator[tuple[str, str]]:
    for path in tracked():
        if ROOT / path == Path(__file__).resolve():
            continue  # it has to show what it looks for
        try:
            yield path, (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue


def test_no_tracked_file_names_a_directory_of_a_machine() -> None:
    found = {path: match[0] for path, text in texts() if (match := OF_A_MACHINE.search(text))}
    assert found == {}


def test_no_tracked_file_names_a_package_registry() -> None:
    found = {path: match[0] for path, text in texts() if (match := OF_A_REGISTRY.search(text))}
    assert found == {}


# --- generated files ----------------------------------------------------------------------------

GENERATED = (
    "rules/generated/",
    "alertmanager/",
    "grafana/",
    "deploy/kubernetes/generated/",
    "docs/alerts/",
)


def test_every_file_below_the_generated_directories_says_that_it_is_generated() -> None:
    paths = [path for path in tracked() if path.startswith(GENERATED)]
    assert paths
    for path in paths:
        assert HEADER in (ROOT / path).read_text(), path
