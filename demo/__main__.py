"""`make demo`: the whole chain on real input, and the time from a break to the page."""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import signal
import sys
from collections.abc import Coroutine, Sequence

import click

from demo.acknowledgement import acknowledge, token
from demo.hurry import waits
from demo.scenario import (
    ALERT,
    CHANNELS,
    Event,
    Fault,
    Round,
    break_and_repair,
    one_failed_probe,
)
from demo.scenarios.play import LackingError, declared, play
from demo.scenarios.scenario import Scenario
from demo.scenarios.table import UnknownScenarioError, scenario_of
from demo.stack import ROOT, Stack, StackError, running
from model.declared import ConfigError
from model.durations import prometheus
from model.load import load
from programs import MissingProgramError, ServerError

_PR_SET_PDEATHSIG = 1
_SHOWN_DETAIL = 76
_COLUMNS = 2
_P95_GOAL, _WORST_GOAL = 30.0, 45.0
# Longer than a page for a real fault has ever to take: silence by then is silence.
_QUIET_SECONDS = 45.0
_FAILURES = (
    ConfigError,
    LackingError,
    MissingProgramError,
    ServerError,
    StackError,
    TimeoutError,
    UnknownScenarioError,
)


@click.command()
@click.option("--service", default="payment-service", show_default=True, help="What to break.")
@click.option("--keep", is_flag=True, help="Leave it running until Ctrl-C, and say what to open.")
@click.option("--rounds", type=click.IntRange(0), default=0, help="Measure so many breaks.")
@click.option("--scenario", metavar="ALERT[:LABEL]", help="Make this alert fire instead.")
def main(service: str, *, keep: bool, rounds: int, scenario: str | None) -> None:
    """Watch 21 services, break one, and follow the alert to the page and back."""
    _die_with_parent()
    try:
        work = (
            _demo(service, keep=keep, rounds=rounds)
            if scenario is None
            else _scene(*scenario_of(scenario), keep=keep)
        )
        with asyncio.Runner() as runner:
            code = runner.run(_interruptible(work))
    except _FAILURES as error:
        click.echo(f"demo: {error}", err=True)
        code = 1
    sys.exit(code)


def _die_with_parent() -> None:
    """End in order when `make` is killed, so that nothing is left behind."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1 and os.environ.get("MAKELEVEL"):
        sys.exit(1)


async def _interruptible(work: Coroutine[None, None, int]) -> int:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        click.echo("\nstopped; nothing is left running")
        return 130


async def _demo(service: str, *, keep: bool, rounds: int) -> int:
    _headline("Starting the platform, the exporter, Prometheus, Alertmanager and the sinks")
    async with running(_report) as stack:
        _addresses(stack)
        code = await (_measure(stack, rounds) if rounds else _show(stack, service))
        if keep:
            await _stay(stack)
    return code


async def _scene(scenario: Scenario, name: str, *, keep: bool) -> int:
    _headline("Starting the platform, the exporter, Prometheus, Alertmanager and the sinks")
    labels = scenario.fires[name]
    alert = declared(load(ROOT / "config.py"), name, labels)
    async with running(_report, hurry=True, ledger="postgresql") as stack:
        _addresses(stack)
        _headline(f"{name}, when this has been true for {prometheus(alert.for_)}")
        click.echo(f"  {alert.expr}")
        shorter = waits(declared(stack.platform, name, labels))
        if shorter < alert.for_:
            click.echo(f"  here, where nobody wants to wait, for {prometheus(shorter)}")
        click.echo()
        await play(stack, scenario, name, _tell)
        if keep:
            await _stay(stack)
    return 0


async def _stay(stack: Stack) -> None:
    _headline("Still running; Ctrl-C stops it")
    _addresses(stack)
    for role in ("responder", "viewer"):
        click.echo(f"\n  a {role}'s token, for the API and the console:\n  {token(stack, role)}")
    await asyncio.Event().wait()


async def _show(stack: Stack, service: str) -> int:
    await _overview(stack)
    _headline(f"{service} crashes")

    async def acknowledged(since: float) -> None:
        await acknowledge(stack, ALERT, service, since, _tell)

    done = await break_and_repair(stack, service, "crash", _tell, acknowledged)
    first = done.pages["pagerduty"]
    _headline("What was measured")
    for channel in CHANNELS:
        click.echo(
            f"  {channel:<10} page after {done.pages[channel]:5.1f} s, "
            f"all-clear {done.resolves[channel]:5.1f} s after the repair"
        )
    click.echo(f"\n  From the break to the page: {first:.1f} s")
    return 0


async def _measure(stack: Stack, rounds: int) -> int:
    services = list(stack.simulated.services)
    _headline("One failed probe")
    sent = await one_failed_probe(stack, services[0], _QUIET_SECONDS)
    click.echo(f"  {services[0]}: {len(sent)} notifications in {_QUIET_SECONDS:g} s")
    _headline(f"{rounds} breaks at random moments, half of them crashes and half hangs")
    done = []
    for number in range(rounds):
        await asyncio.sleep(random.uniform(0, 10))  # noqa: S311 - not a secret
        fault: Fault = "crash" if number % 2 == 0 else "hang"
        result = await break_and_repair(
            stack, services[number % len(services)], fault, lambda _event: None
        )
        done.append(result)
        times = "  ".join(f"{channel} {result.pages[channel]:5.1f} s" for channel in CHANNELS)
        click.echo(f"  {number + 1:3}  {result.service:<22} {fault:<6} {times}")
    return _summary(done, single_failure_pages=len(sent))


def _summary(done: Sequence[Round], *, single_failure_pages: int) -> int:
    _headline("From the break to the page")
    click.echo(f"  {'':<10} {'median':>8} {'p95':>8} {'worst':>8}")
    met = single_failure_pages == 0
    for channel in CHANNELS:
        times = sorted(one.pages[channel] for one in done)
        p95 = times[max(0, -(-95 * len(times) // 100) - 1)]
        median = times[len(times) // 2]
        click.echo(f"  {channel:<10} {median:6.1f} s {p95:6.1f} s {times[-1]:6.1f} s")
        met = met and p95 <= _P95_GOAL and times[-1] <= _WORST_GOAL
    click.echo(
        f"\n  goal: p95 at most {_P95_GOAL:g} s, worst at most {_WORST_GOAL:g} s, "
        f"nobody paged by one failed probe: {'met' if met else 'MISSED'}"
    )
    return 0 if met else 1


def _report(what: str, seconds: float) -> None:
    click.echo(f"  {click.style('ok', fg='green')}  {what:<64} {seconds:5.1f} s")


async def _overview(stack: Stack) -> None:
    health = await stack.api.health()
    dependencies = [{"service": name, **state} for name, state in health["dependencies"].items()]
    watched = [*health["services"], *dependencies]
    _headline(f"Watching {len(watched)} targets: the platform is {health['status']}")
    cells = [f"{one['service']:<21}{one['status']:<9}{one['latency']:>7.1f} ms" for one in watched]
    rows = -(-len(cells) // _COLUMNS)
    for row in range(rows):
        click.echo("  " + "   ".join(cells[row::rows]))


def _headline(text: str) -> None:
    click.echo(f"\n{click.style(text, bold=True)}")


def _addresses(stack: Stack) -> None:
    click.echo()
    for what, address in stack.addresses.items():
        click.echo(f"  {what:<13} {address}")


_COLORS = {
    "broken": "red",
    "done": "red",
    "acknowledged": "green",
    "repaired": "green",
    "undone": "green",
    "pagerduty": "cyan",
    "slack": "cyan",
    "email": "cyan",
}


def _tell(event: Event) -> None:
    name = click.style(f"{event.what:<16}", fg=_COLORS.get(event.what))
    detail = (
        event.detail
        if len(event.detail) <= _SHOWN_DETAIL
        else event.detail[: _SHOWN_DETAIL - 1] + "…"
    )
    click.echo(f"  {event.after:6.1f} s  {name} {detail}")


if __name__ == "__main__":
    main()
