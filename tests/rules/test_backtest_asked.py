"""What a backtest refuses: every mistake at once, before anything is asked or written."""

from __future__ import annotations

from pathlib import Path

import pytest
from backtesting import run

NOWHERE = "http://127.0.0.1:1"


def refused(*arguments: str | Path) -> list[str]:
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    return [line.removeprefix("rules: ") for line in done.stderr.splitlines()]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    assert refused(
        "SerivceDown", "--threshold", "high", "--for", "5", "--keep-firing-for", "soon",
        "--since", "a month", "--prometheus", "prometheus", "--ledger", "http://me:secret@ledger",
        "--svg", tmp_path / "none" / "a.svg",
    ) == [
        'there is no alert "SerivceDown"; did you mean "ServiceDown"?',
        ("--threshold: 'high' is no number and no length of time; write 0.2, 90s, or 60=90 where "
        "the alert has several"),
        "--for: '5' is no length of time: write 30s, 5m, 1h30m or 30d",
        "--keep-firing-for: 'soon' is no length of time: write 30s, 5m, 1h30m or 30d",
        "--since: 'a month' is no length of time: write 30s, 5m, 1h30m or 30d",
        "--prometheus: 'prometheus' is no URL of a server; write http://host:port",
        "--ledger and --ledger-token-file: one is of no use without the other",
        "--ledger: a URL with a password is seen by others; put that in a file",
        f"{tmp_path / 'none' / 'a.svg'}: its directory does not exist",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["ManyClients"], ('several alerts are called "ManyClients": say which of '
         "ManyClients:warning, ManyClients:critical")),
        (["ManyClients:info"], ('there is no alert "ManyClients:info"; there is '
         "ManyClients:warning, ManyClients:critical")),
        (["AlertUnacknowledgedLead"], "nobody has acknowledged"),
        (["ManyDown", "--threshold", "2"], "ManyDown is raw PromQL, whose threshold is not known"),
        (["Watchdog", "--threshold", "2"], "Watchdog has none: what it looks at is there or not"),
        (["ClientsOrMemory", "--threshold", "70"], ("compares with several numbers (60, 1000): "
         "write 60=70")),
        (["ClientsOrMemory", "--threshold", "50=70"], "does not compare with 50: 60, 1000"),
        (["ServiceDown", "--threshold", "0.4", "--threshold", "0.3"], "given twice for 0.5"),
        (["ServiceDown", "--threshold", "NaN"], "'NaN' is no number"),
        (["ServiceDown", "--threshold", "inf"], "'inf' is no number"),
        (["ServiceDown", "--since", "0s"], "--since: 0s is not more than 0s"),
        (["ServiceDown", "--since", "10y"], "at most 400d"),
        (["ServiceDown", "--for", "9" * 30 + "y"], "is no length of time"),
        (["ServiceDown", "--prometheus", "ftp://prometheus"], "is no URL of a server"),
        (["ServiceDown", "--prometheus", "http://p:port"], "is no URL"),
        (["ServiceDown", "--prometheus", "http://p/?a=b"], "is no URL of a server"),
        (["ServiceDown", "--svg", "/"], "/: is a directory"),
        (["ServiceDown", "--svg", "a" * 300], ": File name too long"),
        (["ServiceDown", "--svg", "a", "--json", "./a"], "--svg and --json: write two files"),
        (["ServiceDown", "--prometheus-credentials", "/none"], "/none: No such file"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_what_to_do(arguments: list[str], why: str) -> None:
    (said,) = refused(*arguments)
    assert why in said


@pytest.mark.parametrize("content", ["", "two\nlines", "\x00"])
def test_a_file_of_credentials_holds_one_line_and_it_is_never_told(
    content: str, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text(content)
    (said,) = refused("ServiceDown", "--prometheus-credentials", file)
    assert said == f"{file}: must hold one line, a token or user:password"


def test_a_password_in_a_url_is_not_repeated() -> None:
    (said,) = refused("ServiceDown", "--prometheus", "http://me:hidden@127.0.0.1:9090")
    assert "hidden" not in said


def test_a_prometheus_that_does_not_answer_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    svg, json = tmp_path / "a.svg", tmp_path / "a.json"
    done = run("ServiceDown", "--prometheus", NOWHERE, "--svg", svg, "--json", json)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"rules: {NOWHERE} does not answer: ")
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
