"""The memory limit is what the process' cgroup, or one above it, says; none is not zero."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving import config_text, serving

from exporter.memory_limit import memory_limit

MIB = 1 << 20
# What cgroup v1 says where there is no limit: the greatest number of pages of 4 KiB.
NONE_IN_V1 = "9223372036854771712"
V1 = "9:name=systemd:/\n4:memory:{path}\n3:cpu,cpuacct:/\n"
V2 = "0::{path}\n"


def limit(tmp_path: Path, own: str, files: dict[str, str]) -> int | None:
    root = tmp_path / "cgroup"
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    said = tmp_path / "own"
    said.write_text(own)
    return memory_limit(root, said)


def test_without_cgroups_no_limit_is_known(tmp_path: Path) -> None:
    assert memory_limit(tmp_path / "nowhere", tmp_path / "neither") is None


@pytest.mark.parametrize(
    ("own", "files"),
    [
        (V2.format(path="/"), {}),
        (V2.format(path="/"), {"memory.max": "max"}),
        (V1.format(path="/"), {"memory/memory.limit_in_bytes": NONE_IN_V1}),
        # Another controller's limit, and another group's, are not ours.
        (V1.format(path="/"), {"cpu/memory.limit_in_bytes": "1"}),
        (V2.format(path="/ours"), {"theirs/memory.max": "1"}),
    ],
)
def test_a_cgroup_without_a_limit_gives_none(
    tmp_path: Path, own: str, files: dict[str, str]
) -> None:
    assert limit(tmp_path, own, files) is None


@pytest.mark.parametrize(
    ("own", "files"),
    [
        (V2.format(path="/"), {"memory.max": str(512 * MIB)}),
        (V2.format(path="/a/b"), {"a/b/memory.max": str(512 * MIB), "a/memory.max": "max"}),
        (V1.format(path="/"), {"memory/memory.limit_in_bytes": str(512 * MIB)}),
        (V1.format(path="//a"), {"memory/a/memory.limit_in_bytes": str(512 * MIB)}),
    ],
)
def test_the_limit_of_the_own_cgroup_is_found(
    tmp_path: Path, own: str, files: dict[str, str]
) -> None:
    assert limit(tmp_path, own, files) == 512 * MIB


def test_the_least_limit_of_all_cgroups_above_counts(tmp_path: Path) -> None:
    files = {"pod/own/memory.max": str(512 * MIB), "pod/memory.max": str(256 * MIB)}
    assert limit(tmp_path, V2.format(path="/pod/own"), files) == 256 * MIB


@pytest.mark.parametrize("path", ["/docker/0123", "/../0123"])
def test_a_container_whose_path_is_the_hosts_finds_its_own_at_the_root(
    tmp_path: Path, path: str
) -> None:
    files = {"memory/memory.limit_in_bytes": str(512 * MIB)}
    assert limit(tmp_path, V1.format(path=path), files) == 512 * MIB


async def test_the_limits_of_services_are_shown_until_the_config_names_them_no_more(
    tmp_path: Path,
) -> None:
    plain = config_text("auth-service", "venue-service")
    limited = plain.replace(
        'Service(name="auth-service", ',
        f'Service(name="auth-service", memory_limit={512 * MIB}, ',
    )
    async with serving(tmp_path, text=limited) as served:
        shown = await (await served.client.get("/metrics")).text()
        line = f'monitoring_service_memory_limit_bytes{{service="auth-service"}} {512.0 * MIB}'
        assert line in shown.splitlines()
        assert 'monitoring_service_memory_limit_bytes{service="venue-service"}' not in shown
        served.config.write_text(plain)
        assert (await served.client.post("/-/reload")).status == 200
        shown = await (await served.client.get("/metrics")).text()
        assert "monitoring_service_memory_limit_bytes{" not in shown
