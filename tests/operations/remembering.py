"""What a Prometheus remembers of the time before it was started."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from programs import find

_STEP = 300
# One block instead of one for every two hours.
_BLOCK = "--max-block-duration=486h"


def backfill(data: Path, series: Mapping[str, Callable[[float], float]], hours: int) -> None:
    """Write the hours before now into a new directory of a TSDB.

    Each series' value is given how many seconds ago.
    """
    data.mkdir(parents=True)
    now = time.time()
    lines = [
        f"{name} {value(ago):.9g} {now - ago:.3f}"
        for name, value in series.items()
        for ago in range(hours * 3600, -1, -_STEP)
    ]
    file = data.parent / "history.om"
    file.write_text("\n".join([*lines, "# EOF", ""]))
    create = ("tsdb", "create-blocks-from", "openmetrics", "--quiet", _BLOCK)
    ended = subprocess.run(
        [find("promtool"), *create, file, data], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
