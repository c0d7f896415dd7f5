"""Lines of both runbooks whose tool is not at hand fit our own artefacts."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
from pathlib import Path

import own
import pytest
from checks_kubernetes import words_of
from classes import Checked, texts
from classified import CHECKED
from printed import OURS, USERS, read

from programs import find, free_port


def held(case: Checked, document: Path) -> None:
    assert not inspect.iscoroutinefunction(case.holds)
    case.holds(*texts(read(document), case))


@pytest.mark.parametrize("case", [case for case in CHECKED if not case.live], ids=str)
def test_a_line_of_the_users_runbook_holds(case: Checked) -> None:
    held(case, USERS)


@pytest.mark.parametrize("case", [case for case in own.CHECKED if not case.live], ids=str)
def test_a_line_of_our_own_runbook_holds(case: Checked) -> None:
    held(case, OURS)


# --- as far as the tools themselves can judge without a cluster -----------------------------------

KUBECTL = sorted(
    {
        line.text
        for document in (USERS, OURS)
        for line in read(document).lines
        if line.text.startswith("kubectl ")
    }
)


@pytest.mark.parametrize("text", KUBECTL)
def test_kubectl_understands_it_as_far_as_it_gets_without_a_cluster(
    tmp_path: Path, text: str
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    configuration = {
        "clusters": [{"name": "none", "cluster": {"server": nobody}}],
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "nobody"}}],
        "users": [{"name": "nobody", "user": {}}],
        "current-context": "none",
    }
    (tmp_path / "config").write_text(json.dumps(configuration))
    done = subprocess.run(
        [find("kubectl"), *words_of(text)[1:]],
        env={"HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "config"), "PATH": os.defpath},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "was refused" in done.stderr.splitlines()[-1]
