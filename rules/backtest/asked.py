"""What a person asks of a backtest: read from the command line, all mistakes told at once."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import urlsplit

from model.alerts import Alert
from model.durations import days, parse
from model.platform import Platform
from model.raw import Raw
from rules.backtest.choose import UnknownAlertError, chosen
from rules.backtest.condition import limits

# A year of evaluations every 5 s is six million.
_LONGEST = days(400)
_LARGEST_SECRET = 64 * 1024


class AskedError(Exception):
    """What was asked for cannot be done; carries every mistake."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class Given:
    """The command line as it was given; None where something was not."""

    alert: str
    thresholds: tuple[str, ...]
    for_: str | None
    keep_firing_for: str | None
    since: str
    prometheus: str | None
    prometheus_credentials: Path | None
    ledger: str | None
    ledger_token: Path | None
    outputs: tuple[Path, ...]


@dataclass(frozen=True)
class Server:
    """A server's address, and what it wants to be shown in the header Authorization."""

    url: str
    credentials: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Settings:
    """What of an alert can be changed: its numbers by those it has now, and its two times."""

    thresholds: Mapping[Decimal, Decimal]
    for_: timedelta
    keep_firing_for: timedelta


@dataclass(frozen=True)
class Asked:
    """A backtest that can be made. `proposed` is None where nothing was proposed."""

    alert: Alert
    today: Settings
    proposed: Settings | None
    since: timedelta
    prometheus: Server
    ledger: Server | None


def read(given: Given, platform: Platform) -> Asked:
    """What is asked for. Raises AskedError with all mistakes."""
    mistakes: list[str] = []
    alert = None
    try:
        alert = chosen(given.alert, platform)
    except UnknownAlertError as error:
        mistakes.append(str(error))
    changed = _thresholds(given.thresholds, alert, mistakes)
    for_ = _duration("--for", given.for_, mistakes)
    keep = _duration("--keep-firing-for", given.keep_firing_for, mistakes)
    since = _duration("--since", given.since, mistakes) or timedelta(0)
    if not mistakes and not timedelta(0) < since <= _LONGEST:
        mistakes.append(f"--since: {given.since} is not more than 0s and at most {_LONGEST.days}d")
    default = next((f"http://{one}" for one in platform.watched_by.prometheus), None)
    prometheus = _server(
        "--prometheus", given.prometheus or default, given.prometheus_credentials, mistakes
    )
    if prometheus is None and not (given.prometheus or default):
        mistakes.append("--prometheus: say where Prometheus is; the config names none")
    if (given.ledger is None) != (given.ledger_token is None):
        mistakes.append("--ledger and --ledger-token-file: one is of no use without the other")
    ledger = _server("--ledger", given.ledger, given.ledger_token, mistakes)
    mistakes += _unwritable(given.outputs)
    if mistakes or alert is None or prometheus is None:
        raise AskedError(mistakes)
    own = [limit for _, limit in limits(alert.expr)]
    today = Settings({one: one for one in own}, alert.for_, alert.keep_firing_for)
    proposed = Settings(
        {**today.thresholds, **changed},
        alert.for_ if for_ is None else for_,
        alert.keep_firing_for if keep is None else keep,
    )
    return Asked(alert, today, None if proposed == today else proposed, since, prometheus, ledger)


def _thresholds(
    texts: Iterable[str], alert: Alert | None, mistakes: list[str]
) -> dict[Decimal, Decimal]:
    """The numbers to put in, by those that the alert has."""
    changed: dict[Decimal, Decimal] = {}
    for text in texts:
        old, equals, new = text.rpartition("=")
        number, replaced = _number(new), _number(old) if equals else None
        if number is None or (equals and replaced is None):
            mistakes.append(
                f"--threshold: {text!r} is no number and no length of time; write 0.2, 90s, or "
                "60=90 where the alert has several"
            )
        elif alert is not None:
            _change(changed, alert, replaced, number, mistakes)
    return changed


def _change(
    changed: dict[Decimal, Decimal],
    alert: Alert,
    replaced: Decimal | None,
    number: Decimal,
    mistakes: list[str],
) -> None:
    own = list(dict.fromkeys(limit for _, limit in limits(alert.expr)))
    listed = ", ".join(f"{one:f}" for one in own)
    if isinstance(alert.expr, Raw):
        mistakes.append(
            f"--threshold: {alert.name} is raw PromQL, whose threshold is not known: change its "
            "text in the config; --for and --keep-firing-for can be replayed"
        )
    elif not own:
        mistakes.append(
            f"--threshold: {alert.name} has none: what it looks at is there or not; --for and "
            "--keep-firing-for can be replayed"
        )
    elif replaced is None and len(own) > 1:
        mistakes.append(
            f"--threshold: {alert.name} compares with several numbers ({listed}): write "
            f"{own[0]:f}={number:f}"
        )
    elif replaced is not None and replaced not in own:
        mistakes.append(f"--threshold: {alert.name} does not compare with {replaced:f}: {listed}")
    elif (old := own[0] if replaced is None else replaced) in changed:
        mistakes.append(f"--threshold: given twice for {old:f}")
    else:
        changed[old] = number


def _number(text: str) -> Decimal | None:
    """A number, or the seconds of a length of time such as 14d."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        try:
            return Decimal(parse(text) // timedelta(milliseconds=1)) / 1000
        except (ValueError, OverflowError):
            return None
    return found if found.is_finite() else None


def _duration(option: str, text: str | None, mistakes: list[str]) -> timedelta | None:
    if text is None:
        return None
    try:
        return parse(text)
    except (ValueError, OverflowError):
        mistakes.append(f"{option}: {text!r} is no length of time: write 30s, 5m, 1h30m or 30d")
        return None


def _server(
    option: str, url: str | None, credentials: Path | None, mistakes: list[str]
) -> Server | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        mistakes.append(f"{option}: this is no URL; write http://host:port")
        return None
    if parts.username is not None or parts.password is not None:
        # A command line is for everybody on the machine to see.
        mistakes.append(f"{option}: a URL with a password is seen by others; put that in a file")
        return None
    if not usable or parts.query or parts.fragment:
        mistakes.append(f"{option}: {url[:200]!r} is no URL of a server; write http://host:port")
        return None
    return Server(url.rstrip("/"), _secret(credentials, mistakes) if credentials else None)


def _secret(path: Path, mistakes: list[str]) -> str | None:
    """The header's text of a file that holds a token, or user:password."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LARGEST_SECRET).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        mistakes.append(f"{path}: {reason}")
        return None
    if not text or not text.isprintable():
        mistakes.append(f"{path}: must hold one line, a token or user:password")
        return None
    if ":" not in text:
        return f"Bearer {text}"
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def _unwritable(outputs: Sequence[Path]) -> Iterator[str]:
    if len({path.absolute() for path in outputs}) < len(outputs):
        yield "--svg and --json: write two files"
    for path in outputs:
        try:
            if not path.absolute().parent.is_dir():
                yield f"{path}: its directory does not exist"
            elif path.is_dir():
                yield f"{path}: is a directory"
        except OSError as error:
            yield f"{path}: {error.strerror}"
