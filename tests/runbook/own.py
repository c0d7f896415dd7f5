"""The lines of docs/runbook.md that the user's runbook does not have, in the same classes."""

from __future__ import annotations

import json
import re
import shlex

import checks_docker
import checks_kubernetes
import checks_live
from classes import Checked, Run
from live import BROKEN, Live, of_today, one_day
from printed import ROOT


async def a_token_that_the_api_takes(live: Live, line: str) -> None:
    ask = 'curl -s -H "Authorization: Bearer $TOKEN" https://monitoring.tickettoken.com/api/alerts'
    said = await live.run(f"unset TOKEN; {line}{ask}")
    assert "summary" in json.loads(said.out)


async def it_goes_through_the_list_and_says_what_is_for_a_person(live: Live, line: str) -> None:
    said = await live.shell.run(line, code=None)
    # 1: something is wrong; 2: something cannot be known. Both are told.
    assert said.code in (0, 1, 2), said
    done = said.out.splitlines()[-1]
    assert re.match(r"done: \d+ items: ", done), said
    assert re.search(r"^ *ok +", said.out, re.MULTILINE)
    assert "Traceback" not in said.err


async def a_report_is_written(live: Live, line: str) -> None:
    await live.alert()
    assert (await live.run(line)).out.splitlines()[-1].startswith("done: ")
    name = shlex.split(line)[-1]
    assert "ServiceDown" in (live.shell.directory / name).read_text()


async def today_and_proposed_side_by_side(live: Live, line: str) -> None:
    shown = (await live.run(line)).out
    assert re.search(r"threshold +> 0\.1 \(10%\) +> 0\.2 \(20%\)", shown), shown
    assert "\nSuggestion\n" in shown


async def who_did_what(live: Live, line: str) -> None:
    alert = await live.alert()
    await live.api(f"/api/alerts/{alert}")
    said = (await live.run(line)).out
    assert said.startswith("Actions since ")
    assert f"GET /api/alerts/{alert}" in said


async def what_is_old_is_archived(live: Live, line: str) -> None:
    assert (await live.run(line)).out.splitlines()[-1].startswith("done: ")


async def every_finding_with_what_to_do(live: Live, line: str) -> None:
    said = await live.shell.run(line, code=None)
    assert said.code in (0, 1), said
    assert re.search(r"^ *ok +", said.out, re.MULTILINE)
    assert "Traceback" not in said.err


async def the_conversation_of_one_probe(live: Live, line: str) -> None:
    said = (await live.run(line)).out
    assert "> GET /health HTTP/1.1" in said
    assert "< HTTP/1.1 200 OK" in said


async def the_config_is_loaded_anew(live: Live, line: str) -> None:
    await live.run(line.replace("curl ", "curl --fail "))


async def an_alert_that_was_none_is_marked(live: Live, line: str) -> None:
    alert = await live.alert()
    done = await live.json(line, {"<alert-id>": alert})
    assert (done["alertId"], done["falsePositive"]) == (alert, True)
    assert (await live.api(f"/api/alerts/{alert}"))["falsePositive"] is True


async def refunds_by_the_minute(live: Live, line: str) -> None:
    rows = [one for one in (await live.run(line)).out.splitlines() if "|" in one]
    assert [word.strip() for word in rows[0].split("|")] == ["minute", "count"]
    assert len(rows) > 1


async def a_backup_goes_away_and_is_restored_elsewhere(
    live: Live, backup: str, fetch: str, restore: str
) -> None:
    await one_day()
    directory, variables = checks_live.bucket(live, "own")
    said = await live.run(f"cd {directory} && {backup}", variables=variables)
    assert said.out.splitlines()[-1].startswith("done: ")
    for made in directory.iterdir():
        made.unlink()
    live.stack.postgres.execute("CREATE DATABASE restored_by_us")
    elsewhere = live.stack.postgres.dsn(dbname="restored_by_us")
    await live.run(f"cd {directory} && {fetch}", of_today(), variables=variables)
    said = await live.run(
        f"cd {directory} && {restore}", of_today(), variables={"DATABASE_URL": elsewhere}
    )
    assert said.out.splitlines()[-1].startswith("done: ")
    asked = "SELECT count(*) FROM payments"
    assert int(live.stack.postgres.execute(asked, "restored_by_us")) > 1000


async def an_incident_is_opened_closed_and_written_about(
    live: Live, new: str, listed: str, close: str, written: str
) -> None:
    alert = await live.alert()
    opened = (await live.run(new, {"<alert-id>": alert})).out
    # A P0: who is called at any hour.
    assert "CTO" in opened
    number = re.findall(r"incident (\d+)", opened, re.IGNORECASE)[-1]
    assert BROKEN in (await live.run(listed)).out
    before = set(live.shell.directory.iterdir())
    await live.run(close, {"<number>": number})
    (draft,) = set(live.shell.directory.iterdir()) - before
    assert "The disk was full" in draft.read_text()
    assert "due by" in (await live.run(listed)).out
    await live.run(written, {"<number>": number})
    assert BROKEN not in (await live.run(listed)).out


def the_file_is_there_and_has_the_service(line: str) -> None:
    words = shlex.split(line)
    assert words[:2] == ["docker", "compose"]
    assert (ROOT / words[words.index("--file") + 1]).is_file()
    assert checks_docker.service()["container_name"] == "monitoring-service"


RUN = (
    Run("Monitoring Service Operations Runbook", ("token",), a_token_that_the_api_takes),
    Run(
        "Morning Checklist",
        ("checklist",),
        it_goes_through_the_list_and_says_what_is_for_a_person,
    ),
    Run(
        "Weekly Checklist",
        ("checklist",),
        it_goes_through_the_list_and_says_what_is_for_a_person,
    ),
    Run("Weekly Checklist", ("report",), a_report_is_written),
    Run("Weekly Checklist", ("backtest",), today_and_proposed_side_by_side),
    Run(
        "Monthly Checklist",
        ("checklist",),
        it_goes_through_the_list_and_says_what_is_for_a_person,
    ),
    Run("Monthly Checklist", ("report",), a_report_is_written),
    Run("Monthly Checklist", ("audit",), who_did_what),
    Run("Monthly Checklist", ("archive",), what_is_old_is_archived),
    Run("2. Investigate", ("/probe",), the_conversation_of_one_probe),
    Run("3. Resolve Issue", ("reload",), the_config_is_loaded_anew),
    Run("4. Post-Resolution", ("false-positive",), an_alert_that_was_none_is_marked),
    Run("High Refund Rate", ("psql",), refunds_by_the_minute),
    Run("Common Issues", ("doctor",), every_finding_with_what_to_do),
    Run("Database Cleanup", ("exporter archive",), what_is_old_is_archived),
    Run(
        "Backup and Restore",
        ("exporter backup", "aws s3 cp s3://", "exporter restore"),
        a_backup_goes_away_and_is_restored_elsewhere,
    ),
    Run("Tune Worker Intervals", ("reload",), the_config_is_loaded_anew),
    Run(
        "Incident Response",
        ("incident new", "incident list", "incident close", "post-mortem <number>"),
        an_incident_is_opened_closed_and_written_about,
    ),
    Run(
        "Handoff Checklist",
        ("checklist",),
        it_goes_through_the_list_and_says_what_is_for_a_person,
    ),
)
CHECKED = (
    Checked("3. Resolve Issue", ("rollout restart",), checks_kubernetes.named_deployment),
    Checked("Service Won't Start", ("docker compose",), the_file_is_there_and_has_the_service),
    Checked("High Memory Usage", ("docker compose",), the_file_is_there_and_has_the_service),
    Checked(
        "High Memory Usage",
        ("kubectl patch",),
        checks_kubernetes.the_patch_raises_the_limit_and_changes_nothing_else,
    ),
    Checked(
        "Alerts Not Being Sent",
        ("make test-email",),
        checks_live.the_same_test_is_run_by_make,
        live=True,
    ),
    Checked(
        "Tune Worker Intervals",
        ("workers=",),
        checks_live.the_intervals_are_words_of_the_config_and_a_reload,
        live=True,
    ),
    Checked(
        "Scale Horizontally",
        ("kubectl scale",),
        checks_kubernetes.several_replicas_are_allowed_to_share_the_ledger,
    ),
)
