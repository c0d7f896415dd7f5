"""What differs between two sets of generated files, in the words of the people on call."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from model.durations import prometheus
from model.escalation import UNACKED_AGE
from model.runbook import INDEX, MAINTENANCE, WATCHED
from rules import runbooks, scrape
from rules.comparisons import Compared, compared_in
from rules.on_call import OnCall, listed, read_on_call
from rules.output import Files
from rules.read_back import Rule
from rules.tree import Condition, Inhibition, Interval

_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_STEPS = ("Symptoms", "Investigation", "Actions")
_ARROW = " -> "

Key = tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """Something that has changed for the people on call, and how."""

    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Situation:
    """Generated files, read: who is told of what, what the pages say, and what is watched."""

    on_call: OnCall
    # The parts of each page that say what to do.
    steps: Mapping[str, str]
    # The names of targets by kind; None where no file says.
    targets: Mapping[str, frozenset[str]] | None
    intervals: Mapping[str, str]
    maintenance: frozenset[str]


def situation(files: Files) -> Situation:
    """Read generated files. Raises UnreadableError, and what YAML and dictionaries raise."""
    index = files.get(runbooks.path(INDEX))
    return Situation(
        read_on_call(files),
        {path: _steps(text) for path, text in files.items() if path.startswith(runbooks.FOLDER)},
        None if index is None else _targets(index),
        _intervals(files.get(scrape.PATH, "")),
        frozenset(_windows(index or "")),
    )


def changes(before: Situation, after: Situation) -> list[Change]:
    """What has changed from one to the other; empty if nothing has for the people on call."""
    return [
        *_alerts(before, after),
        *_ladders(before.on_call, after.on_call),
        *_hours(before.on_call, after.on_call),
        *_inhibitions(before.on_call, after.on_call),
        *_watched(before, after),
        *_maintained(before, after),
    ]


# --- alerts -------------------------------------------------------------------------------------


def _alerts(before: Situation, after: Situation) -> Iterator[Change]:
    old, new = _by_key(before.on_call), _by_key(after.on_call)
    for key, rule in new.items():
        if key not in old:
            yield Change(f"new alert {_named(rule)}", tuple(_described(rule, after.on_call)))
    for key, rule in old.items():
        if key not in new:
            told = tuple(_told_lines(rule, before.on_call))
            yield Change(f"alert {_named(rule)} is gone", told)
    for key, rule in new.items():
        if key in old:
            lines = tuple(_differences(old[key], rule, before, after))
            if lines:
                yield Change(_named(rule), lines)


def _by_key(on_call: OnCall) -> dict[Key, Rule]:
    """The alerts by what tells them apart; by their severity too, where nothing else does."""
    # What waits to be acknowledged is told as a ladder.
    rules = [rule for rule in on_call.alerts if UNACKED_AGE not in rule.expr]
    counts = Counter(map(_key, rules))
    return {
        key if counts[key] == 1 else (*key, rule.labels.get("severity", "")): rule
        for rule in rules
        for key in (_key(rule),)
    }


def _key(rule: Rule) -> Key:
    told = {
        name: text
        for name, text in rule.labels.items()
        if name not in ("severity", "service", "escalation") and not name.startswith("dependency_")
    }
    return (rule.name, *(f"{name}={text}" for name, text in sorted(told.items())))


def _named(rule: Rule) -> str:
    parts = [text for text in (rule.labels.get("severity"), *_key(rule)[1:]) if text]
    return f"{rule.name} ({', '.join(parts)})" if parts else rule.name


def _described(rule: Rule, on_call: OnCall) -> Iterator[str]:
    yield f"says: {rule.annotations.get('summary', '')}"
    yield f"fires when: {rule.expr}"
    yield f"for: {rule.for_}"
    yield from _told_lines(rule, on_call)


def _told_lines(rule: Rule, on_call: OnCall) -> Iterator[str]:
    told = on_call.told(rule)
    everyone = set(told.values())
    if len(everyone) == 1:
        yield f"told at any hour: {listed(everyone.pop())}"
    else:
        yield from (f"told {moment}: {listed(words)}" for moment, words in told.items())


def _differences(old: Rule, new: Rule, before: Situation, after: Situation) -> Iterator[str]:
    yield from _moved("severity", old.labels.get("severity"), new.labels.get("severity"))
    yield from _condition(old, new)
    yield from _moved("for", old.for_, new.for_)
    yield from _moved("keeps firing for", old.keep_firing_for, new.keep_firing_for)
    was, now = before.on_call.told(old), after.on_call.told(new)
    for moment in now:
        yield from _people(f"told {moment}", was.get(moment, frozenset()), now[moment])
    yield from _sending(old, new, before.on_call, after.on_call)
    for name in ("summary", "description"):
        yield from _moved(name, old.annotations.get(name), new.annotations.get(name))
    page = runbooks.path(new.name)
    if page in before.steps and before.steps[page] != after.steps.get(page):
        yield f"its runbook tells to do something else: {page}"


def _condition(old: Rule, new: Rule) -> Iterator[str]:
    was, now = _HASH.sub("…", old.expr), _HASH.sub("…", new.expr)
    if was == now:
        return
    before, after = compared_in(was), compared_in(now)
    if [part.text for part in before] == [part.text for part in after]:
        limits = _limits(before), _limits(after)
        if limits[0] != limits[1]:
            yield from _moved("threshold", *limits)
            return
    yield from _moved("fires when", was, now)


def _limits(parts: list[Compared]) -> str:
    found = [f"{part.comparison} {part.limit:f}" for part in parts if part.limit is not None]
    return ", ".join(dict.fromkeys(found)) or "none"


def _sending(old: Rule, new: Rule, before: OnCall, after: OnCall) -> Iterator[str]:
    was, now = before.routes(old)[-1].options, after.routes(new)[-1].options
    for option, words in (
        ("group_wait", "first message after"),
        ("repeat_interval", "repeated every"),
        ("group_by", "one message for each"),
    ):
        yield from _moved(words, _shown(was[option]), _shown(now[option]))


def _shown(option: object) -> str:
    return ", ".join(map(str, option)) if isinstance(option, (list, tuple)) else str(option)


def _moved(what: str, old: str | None, new: str | None) -> Iterator[str]:
    if old != new:
        yield f"{what}: {old or 'none'}{_ARROW}{new or 'none'}"


def _people(what: str, old: frozenset[str], new: frozenset[str]) -> Iterator[str]:
    parts = []
    if new - old:
        parts.append(f"also {listed(new - old)}" if old else listed(new))
    if old - new:
        parts.append(f"no longer {listed(old - new)}")
    if parts:
        yield f"{what}: {'; '.join(parts)}"


# --- ladders, hours, inhibition -----------------------------------------------------------------


def _ladders(before: OnCall, after: OnCall) -> Iterator[Change]:
    names = [rule.labels.get("severity") for one in (after, before) for rule in one.alerts]
    for severity in dict.fromkeys(name for name in names if name):
        old, new = _ladder(severity, before), _ladder(severity, after)
        if old != new:
            lines = [f"no longer: {step}" for step in old if step not in new]
            lines += [f"now: {step}" for step in new if step not in old]
            yield Change(f"escalation of {severity}", tuple(lines))


def _ladder(severity: str, on_call: OnCall) -> list[str]:
    found = []
    for step in on_call.ladder(severity):
        who = "; ".join(f"{at} {listed(words)}" for at, words in on_call.told(step.rule).items())
        found.append(f"after {prometheus(step.after)} to {step.rule.labels['escalation']}: {who}")
    return found


def _hours(before: OnCall, after: OnCall) -> Iterator[Change]:
    old, new = before.tree.intervals, after.tree.intervals
    for name in dict.fromkeys((*new, *old)):
        was, now = _times(old.get(name)), _times(new.get(name))
        if was != now:
            yield Change(f"the hours {name}", tuple(_moved("when", was, now)))


def _times(intervals: tuple[Interval, ...] | None) -> str | None:
    if intervals is None:
        return None
    return "; ".join(
        f"{','.join(_DAYS[day] for day in sorted(one.weekdays))} "
        f"{' and '.join(f'{_clock(start)}-{_clock(end)}' for start, end in one.minutes)} "
        f"{one.location}"
        for one in intervals
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _inhibitions(before: OnCall, after: OnCall) -> Iterator[Change]:
    old = {_silences(one) for one in before.tree.inhibitions}
    new = {_silences(one) for one in after.tree.inhibitions}
    lines = [f"no longer: {text}" for text in sorted(old - new)]
    lines += [f"now: {text}" for text in sorted(new - old)]
    if lines:
        yield Change("what silences what", tuple(lines))


def _silences(one: Inhibition) -> str:
    same = f" with the same {' and '.join(one.equal)}" if one.equal else ""
    return f"alerts with {_matched(one.source)} silence those with {_matched(one.target)}{same}"


def _matched(conditions: tuple[Condition, ...]) -> str:
    return ", ".join(f'{one.label}{one.operator}"{one.value}"' for one in conditions)


# --- what is watched ----------------------------------------------------------------------------


def _watched(before: Situation, after: Situation) -> Iterator[Change]:
    lines = []
    if before.targets is not None and after.targets is not None:
        for kind in dict.fromkeys((*after.targets, *before.targets)):
            old = before.targets.get(kind, frozenset())
            new = after.targets.get(kind, frozenset())
            lines += [f"added: {kind} {name}" for name in sorted(new - old)]
            lines += [f"removed: {kind} {name}" for name in sorted(old - new)]
    for name in dict.fromkeys((*after.intervals, *before.intervals)):
        was, now = before.intervals.get(name), after.intervals.get(name)
        lines += _moved(name.replace("_", " "), was, now)
    if lines:
        yield Change("what is watched", tuple(lines))


def _maintained(before: Situation, after: Situation) -> Iterator[Change]:
    lines = [f"no longer: {window}" for window in sorted(before.maintenance - after.maintenance)]
    lines += [f"now: {window}" for window in sorted(after.maintenance - before.maintenance)]
    if lines:
        yield Change("maintenance", tuple(lines))


def _windows(index: str) -> Iterator[str]:
    rows = [line for line in _section(index, MAINTENANCE).splitlines() if line[:1] == "|"]
    for row in rows[2:]:
        when, targets, why = row.strip("| ").split(" | ", 2)
        yield f"{when}: {targets.replace('`', '')} ({why})"


def _intervals(text: str) -> dict[str, str]:
    found = (yaml.load(text, yaml.CSafeLoader) or {}).get("global", {})
    return {name: str(value) for name, value in found.items() if name.endswith("_interval")}


def _targets(index: str) -> dict[str, frozenset[str]] | None:
    section = _section(index, WATCHED)
    if not section:
        return None
    rows = re.findall(r"^\| ([a-z_]+) \| (.*) \|$", section, re.MULTILINE)
    return {kind: frozenset(re.findall(r"`([^`]+)`", names)) for kind, names in rows}


def _steps(page: str) -> str:
    return "\n".join(_section(page, title) for title in _STEPS)


def _section(page: str, title: str) -> str:
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
