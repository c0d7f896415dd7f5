"""`python -m rules`: compile the config, prove the result, write it."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from typing import NoReturn

import click

from model.declared import ConfigError
from model.load import config_path, load
from model.platform import Platform
from rules.compile import compile_files
from rules.memory import Memory
from rules.output import Files
from rules.prove import MissingProgramError, prove, prove_alone
from rules.raw.check import problems
from rules.writer import differences, write


@click.group(invoke_without_command=True)
@click.option("--check", is_flag=True, help="Only compare and prove; write nothing.")
@click.option(
    "--alone", is_flag=True, help="Leave out promtool and amtool; compare and write nothing."
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The directory below which the files are written; this one if not given.",
)
@click.pass_context
def main(context: click.Context, *, check: bool, alone: bool, output: Path) -> None:
    """Compile config.py (or MONITORING_CONFIG) into every generated file."""
    if context.invoked_subcommand is not None:
        return
    started = time.monotonic()
    platform, files = _compile()
    if not _prove(platform, files, alone=alone):
        _fail("nothing was written: a proof failed")
    if alone:
        return
    if check:
        _compare(files, output)
        return
    try:
        changed = write(files, output)
    except OSError as error:
        _fail(f"nothing was written: {error}")
    for path in changed:
        click.echo(f"  {'wrote' if path in files else 'removed'} {path}")
    unchanged = len(files) - len([path for path in changed if path in files])
    took = time.monotonic() - started
    click.echo(f"{len(changed)} changed, {unchanged} unchanged, in {took:.1f} s")


@main.command(name="mutate")
@click.option("--quick", is_flag=True, help="Only the first change of each kind.")
@click.argument("names", nargs=-1)
def _mutate(names: tuple[str, ...], *, quick: bool) -> None:
    """Change each rule (or those of these NAMES) in every way, and see that its tests notice."""
    # What one command needs is imported by that: most runs are `make rules`.
    from rules.mutate.command import mutate

    try:
        if not mutate(*_compile(), names, quick=quick):
            _fail("changes of rules go unnoticed: mend the tests, or list them in alike.toml")
    except MissingProgramError as error:
        _fail(str(error))


@main.command(name="explain")
@click.argument("alert")
def _explain(alert: str) -> None:
    """Tell all that is known of ALERT: when it fires, who is told at which hour, its tests."""
    from rules.explain import UnknownAlertError, explain

    try:
        click.echo(explain(alert, *_compile()))
    except UnknownAlertError as error:
        _fail(str(error))


@main.command(name="diff")
@click.argument("revision")
def _diff(revision: str) -> None:
    """Tell what has changed for the people on call since REVISION, a git revision.

    Compares the generated files that were committed then with those of the config as it stands
    here, whether it is committed or not. Ends with 0 if nothing has changed, with 1 if something
    has, and with 2 if that cannot be told, as diff does.
    """
    from rules.diff import diff
    from rules.revision import RevisionError

    _, files = _compile()
    try:
        found = diff(revision, files, Path())
    except RevisionError as error:
        click.echo(f"rules: {error}", err=True)
        sys.exit(2)
    click.echo(found.text)
    sys.exit(1 if found.differs else 0)


@main.command(name="backtest")
@click.argument("alert")
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    help="The number to compare with: 0.2, 90s, or 60=90 where the alert has several.",
)
@click.option("--for", "for_", help="How long the condition has to hold: 30s, 5m.")
@click.option("--keep-firing-for", help="How long it fires on after that.")
@click.option("--since", default="30d", show_default=True, help="How far back: 24h, 30d.")
@click.option("--prometheus", help="Its URL; the config's first one if not given.")
@click.option(
    "--prometheus-credentials",
    type=click.Path(path_type=Path),
    help="A file with the token, or user:password, that it wants to be shown.",
)
@click.option("--ledger", help="The exporter's URL: what was real, what a false positive.")
@click.option(
    "--ledger-token-file",
    type=click.Path(path_type=Path),
    help="A file with a token of the role viewer.",
)
@click.option("--svg", type=click.Path(path_type=Path), help="A file to draw a picture into.")
@click.option("--json", type=click.Path(path_type=Path), help="A file to write it all into.")
def _backtest(
    *,
    alert: str,
    thresholds: tuple[str, ...],
    for_: str | None,
    keep_firing_for: str | None,
    since: str,
    prometheus: str | None,
    prometheus_credentials: Path | None,
    ledger: str | None,
    ledger_token_file: Path | None,
    svg: Path | None,
    json: Path | None,
) -> None:
    """Replay ALERT over Prometheus' history, as it is and with other settings.

    Where alerts share a name, labels tell them apart: DataLossRisk:wal_archiving. Ends with 1 if
    Prometheus or the ledger does not answer, and with 2 if what is asked cannot be understood.
    """
    from rules.backtest.asked import AskedError, Given
    from rules.backtest.command import BacktestError, run

    given = Given(
        alert=alert,
        thresholds=thresholds,
        for_=for_,
        keep_firing_for=keep_firing_for,
        since=since,
        prometheus=prometheus,
        prometheus_credentials=prometheus_credentials,
        ledger=ledger,
        ledger_token=ledger_token_file,
        outputs=tuple(path for path in (svg, json) if path is not None),
    )
    try:
        click.echo(run(given, _load(), svg=svg, json=json))
    except AskedError as error:
        for mistake in error.mistakes:
            click.echo(f"rules: {mistake}", err=True)
        sys.exit(2)
    except BacktestError as error:
        _fail(str(error))


def _load() -> Platform:
    try:
        platform = load(config_path(), problems)
    except ConfigError as error:
        _refuse(error)
    for warning in platform.warnings(time.time()):
        click.echo(f"  warn {warning}", err=True)
    return platform


def _compile() -> tuple[Platform, Files]:
    platform = _load()
    try:
        return platform, compile_files(platform)
    except ConfigError as error:
        _refuse(error)


def _refuse(error: ConfigError) -> NoReturn:
    for problem in error.problems:
        click.echo(problem, err=True)
    count = len(error.problems)
    click.echo(f"{count} problem{'s' if count != 1 else ''} in the config", err=True)
    sys.exit(2)


def _prove(platform: Platform, files: Files, *, alone: bool) -> bool:
    try:
        if alone:
            proofs = prove_alone(platform, files)
        else:
            proofs = prove(platform, files, memory=Memory.of_this_user())
    except MissingProgramError as error:
        _fail(str(error))
    for proof in proofs:
        click.echo(f"  {'ok  ' if proof.holds else 'FAIL'} {proof.claim}", err=not proof.holds)
        for objection in proof.objections:
            click.echo(f"       {objection}", err=True)
    return all(proof.holds for proof in proofs)


def _compare(files: Files, output: Path) -> None:
    found = differences(files, output)
    if found:
        for difference in found:
            click.echo(difference, err=True)
        _fail(f"{len(found)} generated files differ from the config: run make rules")
    click.echo(f"  ok   {len(files)} generated files are what the config says")


def _fail(text: str) -> NoReturn:
    click.echo(f"rules: {text}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    # A run is short and leaves no cycles to speak of: looking for them is a tenth of it.
    gc.disable()
    main()
