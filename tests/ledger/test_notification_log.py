"""What Alertmanager delivers is in the log, under the words that the runbook looks for."""

from __future__ import annotations

import json
import re
from pathlib import Path

from served_ledger import alert, deliver, labels, minute, served
from stores import sqlite
from structlog.testing import capture_logs

# "Alerts Not Being Sent": grep -i "notification\|alert".
RUNBOOK = re.compile(r"notification|alert", re.IGNORECASE)


async def test_a_delivery_is_one_line_that_names_what_fires_and_what_has_ended(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, sqlite(tmp_path)) as made:
        with capture_logs() as logged:
            await deliver(made, alert(minute(0)), alert(minute(0), of=labels("DatabaseSlow")))
            await deliver(made, alert(minute(0), minute(5)))
            # Nothing new: Alertmanager repeats itself every few minutes.
            await deliver(made, alert(minute(0), minute(5)))
    told = [entry for entry in logged if entry["event"] == "alert notification taken"]
    assert [entry["alerts"] for entry in told] == [
        ["ServiceDown auth-service firing", "DatabaseSlow auth-service firing"],
        ["ServiceDown auth-service resolved"],
    ]
    assert [entry["changes"] for entry in told] == [{"opened": 2}, {"closed": 1}]
    assert all(RUNBOOK.search(json.dumps(entry)) for entry in told)


async def test_a_storm_is_one_line_of_a_bounded_length(tmp_path: Path) -> None:
    async with served(tmp_path, sqlite(tmp_path)) as made:
        with capture_logs() as logged:
            storm = [alert(minute(0), of=labels(service=f"s{n}")) for n in range(200)]
            await deliver(made, *storm)
    (told,) = (entry for entry in logged if entry["event"] == "alert notification taken")
    assert (told["number"], len(told["alerts"])) == (200, 10)
