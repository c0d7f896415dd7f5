"""Lines whose tool is not ours to run: what does the same here is run against the live chain."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from classes import Checked
from front import NAME
from live import Live, of_today, one_day, until
from printed import ROOT

from model.load import load
from model.targets import Target

# What stands for the client of S3: it takes and gives files as that does, and notes its calls.
_AWS = """\
#!/bin/sh
echo "$@" >> "$BUCKET/calls"
[ "$1 $2" = "s3 cp" ] || exit 2
case $4 in
  s3://*/) exec cp "$3" "$BUCKET/$(basename "$3")" ;;
  *) exec cp "$BUCKET/$(basename "$3")" "$4" ;;
esac
"""
_NAME_OF_TODAY = re.compile(r"monitoring_backup_\$\(date \+%Y%m%d\)\.sql\.gz")
# What says the same in the config: the user's line in Node, and how a worker shows it.
_SAME = MappingProxyType(
    {
        "10 * 60 * 1000": "metric_aggregation=minutes(10)",
        "120 * 1000": "alert_evaluation=minutes(2)",
    }
)
_MILLISECONDS = MappingProxyType(
    {
        "metric_aggregation=minutes(10)": ("metric-aggregation", 600_000),
        "alert_evaluation=minutes(2)": ("alert-evaluation", 120_000),
    }
)


def bucket(live: Live, name: str) -> tuple[Path, dict[str, str]]:
    """A directory for backups, and the variables with which `aws` has a bucket to copy to."""
    directory, stored = live.shell.directory / name, live.shell.directory / f"{name}-bucket"
    for made in (stored, directory):
        made.mkdir()
    program = live.shell.directory / "bin" / "aws"
    program.write_text(_AWS)
    program.chmod(0o755)
    return directory, {"BUCKET": str(stored)}


async def a_verified_backup_is_sent_by_the_hook_and_comes_back(
    live: Live, upload: str, download: str
) -> None:
    await one_day()
    directory, variables = bucket(live, "backups")
    # The hook is the runbook's own command; what it names is what we have made.
    hook, named = _NAME_OF_TODAY.subn("{file}", " ".join(upload.replace("\\\n", " ").split()))
    assert named == 1
    said = await live.run(
        f"cd {directory} && python -m exporter backup --upload-hook {shlex.quote(hook)}",
        variables=variables,
    )
    assert said.out.splitlines()[-1].startswith("done: ")
    name = f"monitoring_backup_{datetime.now(UTC):%Y%m%d}.sql.gz"
    called = (Path(variables["BUCKET"]) / "calls").read_text().split()
    assert called[:2] + called[3:] == ["s3", "cp", "s3://tickettoken-backups/monitoring/"]
    assert called[2].endswith(name)
    sent = (directory / name).read_bytes()
    (directory / name).unlink()
    await live.run(f"cd {directory} && {download}", of_today(), variables=variables)
    assert (directory / name).read_bytes() == sent


async def the_same_test_is_run_by_make(live: Live, line: str) -> None:
    assert line in ("npm run test:email\n", "make test-email\n")
    dry = subprocess.run(  # noqa: ASYNC221 - nothing else runs here
        ["make", "--dry-run", "test-email"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "-m exporter test-notifications --channel email" in dry.stdout
    before = len(live.stack.sinks.receipts)
    said = await live.run("python -m exporter test-notifications --channel email")
    assert said.out.splitlines()[-1].startswith("done: email works")
    new = [one for one in live.stack.sinks.receipts[before:] if one.channel == "email"]
    # Directly, and through Alertmanager.
    assert len(new) >= 2


async def the_interval_is_one_word_of_the_config_and_a_reload(live: Live, line: str) -> None:
    (same,) = [ours for theirs, ours in _SAME.items() if theirs in line]
    await _tuned(live, f"workers=Workers({same}),", same)


async def the_intervals_are_words_of_the_config_and_a_reload(live: Live, line: str) -> None:
    await _tuned(live, line, *_MILLISECONDS)


async def _tuned(live: Live, written: str, *settings: str) -> None:
    """Write it into the config, and see the intervals change, and change back without it."""
    asked = dict(_MILLISECONDS[setting] for setting in settings)
    assert all(setting in written for setting in settings)

    async def intervals() -> dict[str, int]:
        workers = (await live.json("curl -s http://localhost:3017/api/v1/monitoring/workers"))[
            "workers"
        ]
        return {one["name"]: one["interval"] for one in workers if one["name"] in asked}

    before = await intervals()
    assert before != asked
    good = live.stack.config.read_text()
    try:
        live.stack.config.write_text(
            f"{good}\nfrom model import Workers, minutes\n"
            f"CONFIG = CONFIG.model_copy(update=dict({written.strip()}))\n"
        )
        live.stack.exporter.send_signal(signal.SIGHUP)
        await until(lambda: _become(intervals, asked))
    finally:
        live.stack.config.write_text(good)
        live.stack.exporter.send_signal(signal.SIGHUP)
    await until(lambda: _become(intervals, before))


async def _become(
    intervals: Callable[[], Awaitable[dict[str, int]]], wanted: dict[str, int]
) -> bool:
    return await intervals() == wanted


def the_status_page_is_one_of_the_targets(line: str) -> None:
    (page,) = load(ROOT / "config.py").external
    assert shlex.split(line)[1] == page.url
    assert isinstance(page, Target)
    assert any(alert.name == "ProviderDegraded" for alert in load(ROOT / "config.py").alerts)


def nginx_has_what_certbot_wants(line: str) -> None:
    assert line == "sudo certbot renew\n"
    plain, secure = (ROOT / "deploy" / "nginx.conf").read_text().split("server {\n")[1:]
    # It proves that the host is ours by plain HTTP, and puts what it gets into this directory.
    assert "location /.well-known/acme-challenge/" in plain
    for name in ("fullchain.pem", "privkey.pem"):
        assert f"/etc/letsencrypt/live/{NAME}/{name};" in secure


CHECKED = (
    Checked(
        "Backup and Restore",
        ("aws s3 cp monitoring", "aws s3 cp s3://"),
        a_verified_backup_is_sent_by_the_hook_and_comes_back,
        live=True,
    ),
    Checked("Alerts Not Being Sent", ("npm run",), the_same_test_is_run_by_make, live=True),
    Checked(
        "Tune Worker Intervals",
        ("10 * 60",),
        the_interval_is_one_word_of_the_config_and_a_reload,
        live=True,
    ),
    Checked(
        "Tune Worker Intervals",
        ("120 *",),
        the_interval_is_one_word_of_the_config_and_a_reload,
        live=True,
    ),
    Checked("Payment Failure Spike", ("status.stripe.com",), the_status_page_is_one_of_the_targets),
    Checked("Certificate Renewal", ("certbot",), nginx_has_what_certbot_wants),
)
