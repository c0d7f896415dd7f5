"""The runbook's docker commands, held against deploy/Dockerfile and deploy/compose.yaml.

There is no engine at hand; `make image-root` runs the image without one.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from classes import Checked
from printed import ROOT

from exporter.memory_limit import memory_limit
from exporter.settings import Settings

_NAME = "monitoring-service"


def service() -> dict[str, Any]:
    """The exporter, as deploy/compose.yaml has it."""
    document = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    found: dict[str, Any] = document["services"][_NAME]
    return found


def image(instruction: str) -> str:
    """The last of an instruction that the Dockerfile has."""
    text = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
    *_, last = re.finditer(rf"^{instruction} (.+)$", text, re.MULTILINE)
    return last[1]


def the_container_has_this_name(*lines: str) -> None:
    assert service()["container_name"] == _NAME
    for line in lines:
        assert _NAME in shlex.split(line)


def the_log_is_on_standard_output_of_the_first_process(line: str) -> None:
    the_container_has_this_name(line)
    assert image("CMD") == '["python", "-m", "exporter", "serve"]'
    document = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    # A driver that `docker logs` can read.
    assert document["x-hardened"]["logging"]["driver"] == "json-file"


def the_variables_are_named_and_no_secret_is_shown(line: str) -> None:
    the_container_has_this_name(line.partition("|")[0])
    shown = "\n".join(f"{name}={value}" for name, value in service()["environment"].items())
    search = line.partition("|")[2]
    done = subprocess.run(["bash", "-c", search], input=shown, capture_output=True, text=True)  # noqa: PLW1510
    names = {one.partition("=")[0] for one in done.stdout.splitlines()}
    assert names == {"DATABASE_URL_FILE", "REDIS_URL", "JWT_SECRET_FILE"}
    assert "@" not in done.stdout


def it_has_time_to_end_and_starts_again(*lines: str) -> None:
    the_container_has_this_name(*lines)
    assert service()["stop_grace_period"] == "15s"
    assert service()["restart"] == "unless-stopped"
    assert "STOPSIGNAL" not in (ROOT / "deploy" / "Dockerfile").read_text()


def the_name_and_the_variable_are_ours(line: str) -> None:
    words = shlex.split(line)
    assert words[words.index("--name") + 1] == service()["container_name"]
    assert words[words.index("-e") + 1].partition("=")[0].lower() in Settings.model_fields


def a_limit_of_memory_is_one_that_the_service_knows(line: str) -> None:
    words = dict(word.split("=") for word in shlex.split(line) if word.startswith("--"))
    assert words == {"--memory": "2g", "--memory-swap": "2g"}
    assert service()["mem_limit"] == "1g"
    # It reads its own from its cgroup: HighMemoryUsage measures against that.
    with TemporaryDirectory() as place:
        root, own = Path(place), Path(place) / "own"
        (root / "memory.max").write_text(f"{2 << 30}\n")
        own.write_text("0::/\n")
        assert memory_limit(root, own) == 2 << 30


def the_image_has_a_shell(line: str) -> None:
    the_container_has_this_name(line)
    assert shlex.split(line)[-1] == "bash"
    assert "bash" in image("RUN apt-get").split()


CHECKED = (
    Checked(
        "Service Won't Start",
        ("docker logs",),
        the_log_is_on_standard_output_of_the_first_process,
    ),
    Checked(
        "Service Won't Start", ("docker exec",), the_variables_are_named_and_no_secret_is_shown
    ),
    Checked(
        "Service Won't Start",
        ("docker stop", "docker start"),
        it_has_time_to_end_and_starts_again,
    ),
    Checked("Service Won't Start", ("docker run",), the_name_and_the_variable_are_ours),
    Checked("High Memory Usage", ("docker stats",), the_container_has_this_name),
    Checked("High Memory Usage", ("docker run",), a_limit_of_memory_is_one_that_the_service_knows),
    Checked(
        "Database Connection Pool Exhausted",
        ("docker restart",),
        it_has_time_to_end_and_starts_again,
    ),
    Checked("Docker", ("docker logs -f",), the_log_is_on_standard_output_of_the_first_process),
    Checked("Docker", ("docker exec -it",), the_image_has_a_shell),
    Checked("Docker", ("docker restart",), it_has_time_to_end_and_starts_again),
    Checked("Docker", ("docker stats",), the_container_has_this_name),
)
