"""Proofs about alertmanager.yml: everybody who must know is told, and nobody else.

They read the generated file and not what it was generated from, and evaluate it for every alert
and label set. amtool knows neither time nor inhibition, so it judges our evaluation of the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from model.alerts import Alert
from model.durations import prometheus
from model.platform import Platform
from model.telling import UNROUTED, repeat_of
from rules.demands import Destination, demanded, destinations, unrouted
from rules.label_sets import Sent, label_sets
from rules.memory import Memory, proof_key
from rules.proof import Proof, call
from rules.tree import Condition, Inhibition, Route, Tree, UnreadableError, read

# A Tuesday in business hours and a Sunday at night, in the config's time zone.
TIMES = {
    "Tuesday 11:00": (2024, 1, 9, 11),
    "Sunday 03:00": (2024, 1, 14, 3),
}
_PARALLEL = 2


def everybody_is_told(platform: Platform, text: str) -> Proof:
    """Every alert and label set reaches exactly whom the config demands, at either time."""
    when = " and ".join(TIMES)
    try:
        tree = read(text)
    except UnreadableError as error:
        return Proof("routes: who is told", [str(error)])
    sets = label_sets(platform, tree.labels())
    claim = f"routes: {len(sets)} label sets reach exactly their people, {when}"
    reached = {one["name"]: destinations(one) for one in tree.receivers}
    objections = list(_strangers(platform, tree, reached))
    for sent in sets:
        routes = tree.root.matching(sent.labels)
        objections += _fallen(sent, routes)
        objections += _options(sent, routes, platform, tree)
        for name, at in _moments(platform).items():
            told = [route for route in routes if not tree.is_silent(route, at)]
            found = _reached(told, reached)
            wanted = demanded(sent, platform, at)
            if found != wanted:
                objections.append(f"{sent.name}, {name}: {_difference(wanted, found)}")
    return Proof(claim, list(dict.fromkeys(objections)))


def agrees_with_amtool(
    platform: Platform, text: str, amtool: str, config: Path, memory: Memory, *, thorough: bool
) -> Proof:
    """amtool finds the receivers that our evaluation finds, with the time left out.

    A process a label set: of those that end in the same routes one is enough to compare, unless
    it is to be `thorough`.
    """
    try:
        tree = read(text)
    except UnreadableError as error:
        return Proof("amtool config routes test", [str(error)])
    chosen: dict[object, Sent] = {}
    for number, sent in enumerate(label_sets(platform, tree.labels())):
        routes = tuple(route.path for route in tree.root.matching(sent.labels))
        chosen.setdefault(number if thorough else routes, sent)

    asked = [
        (
            sent,
            [f"{name}={value}" for name, value in sent.labels.items()],
            sorted(route.receiver for route in tree.root.matching(sent.labels)),
        )
        for sent in chosen.values()
    ]

    def compare(sent: Sent, labels: list[str], wanted: list[str]) -> list[str]:
        command = [amtool, "config", "routes", "test", f"--config.file={config}", *labels]
        done = call(command, config.parent)
        said = done.stdout.strip()
        if done.returncode == 0 and sorted(said.split(",")) == wanted:
            return []
        heard = f"{said} {done.stderr.strip()}".strip()[:300]
        return [f"{sent.name}: by our reading {','.join(wanted)}, by amtool's {heard}"]

    def compare_all() -> list[str]:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            return [text for texts in pool.map(lambda one: compare(*one), asked) for text in texts]

    questions = [repr((labels, wanted)) for _, labels, wanted in asked]
    return memory.proof(
        f"amtool config routes test: {len(chosen)} label sets reach the same",
        proof_key(Path(amtool), "config routes test", text, *questions),
        compare_all,
    )


def inhibitions_are_sound(platform: Platform, text: str) -> Proof:
    """Nothing critical, no escalation and no dead man's switch is silenced, and nothing in turns.

    It looks at all pairs at once: whatever a rule takes for a target could be silenced by it.
    """
    try:
        tree = read(text)
    except UnreadableError as error:
        return Proof("inhibition", [str(error)])
    named = {
        condition.label for rule in tree.inhibitions for condition in (*rule.source, *rule.target)
    }
    equal = {label for rule in tree.inhibitions for label in rule.equal}
    alike = _Alike(tree.inhibitions)
    sets = label_sets(platform, frozenset(named | equal | _HEARD), alike.stand_in)
    claim = f"inhibition: {len(tree.inhibitions)} rules, nothing critical can be silenced"
    objections = []
    silencing: dict[int, list[Sent]] = {}
    silenced: dict[int, list[Sent]] = {}
    for number, rule in enumerate(tree.inhibitions):
        silencing[number] = [sent for sent in sets if rule.is_source(sent.labels)]
        silenced[number] = [sent for sent in sets if rule.is_target(sent.labels)]
        here = f"inhibit_rules[{number}]"
        if not rule.equal:
            objections.append(f"{here}: without `equal` one alert silences those of everything")
        objections += [
            f"{here}: no alert of the config can be its {side}"
            for side, found in (("source", silencing[number]), ("target", silenced[number]))
            if not found
        ]
        for sent in silenced[number]:
            if what := _must_be_heard(sent):
                objections.append(f"{here}: would silence {sent.name}, which {what}")
        objections += [
            f"{here}: {sent.name} lacks the label {label}; where both lack it they count as equal"
            for label in rule.equal
            for sent in (*silencing[number], *silenced[number])
            if not sent.labels.get(label)
        ]
    objections += _circles(silencing, silenced)
    return Proof(claim, list(dict.fromkeys(objections)))


# --- who is told --------------------------------------------------------------------------------


def _moments(platform: Platform) -> dict[str, datetime]:
    zone = ZoneInfo(platform.business_hours.time_zone)
    return {name: datetime(*parts, tzinfo=zone) for name, parts in TIMES.items()}


def _reached(
    routes: Iterable[Route], receivers: dict[str, frozenset[Destination]]
) -> frozenset[Destination]:
    return frozenset(
        destination
        for route in routes
        for destination in receivers.get(route.receiver, frozenset())
    )


def _strangers(
    platform: Platform, tree: Tree, reached: dict[str, frozenset[Destination]]
) -> Iterator[str]:
    """What nobody has declared is read by somebody, and pages nobody."""
    routes = tree.root.matching({"alertname": "Stranger", "severity": "unheard-of"})
    people = [route for route in routes if not _is_ledger(route, platform, reached)]
    found, wanted = _reached(people, reached), unrouted(platform)
    if found != wanted:
        yield f"an alert that nobody has declared: {_difference(wanted, found)}"


def _is_ledger(
    route: Route, platform: Platform, reached: dict[str, frozenset[Destination]]
) -> bool:
    ledger = platform.ledger
    if ledger is None:
        return False
    called = frozenset({("webhook", ledger.url or ledger.url_file or "")})
    return reached.get(route.receiver) == called


def _fallen(sent: Sent, routes: list[Route]) -> Iterator[str]:
    if any(route.receiver == UNROUTED for route in routes):
        yield f"{sent.name}: falls to the default receiver"


def _options(sent: Sent, routes: list[Route], platform: Platform, tree: Tree) -> Iterator[str]:
    """It is repeated when the config says, and an incident covers one alert of one service."""
    pages = {one["name"] for one in tree.receivers if "pagerduty_configs" in one}
    for route in routes:
        groups = set(route.options["group_by"])
        if route.receiver in pages and not {"alertname", "service"} <= groups:
            yield f"{sent.name}: {route.path} pages for several alerts or services at once"
    alert = sent.source
    if not isinstance(alert, Alert) or alert.severity is None or not routes:
        return
    wanted = prometheus(repeat_of(alert, platform.severity(alert.severity)))
    found = routes[-1].options["repeat_interval"]
    if found != wanted:
        yield f"{sent.name}: is repeated after {found}, and the config says {wanted}"


def _difference(wanted: frozenset[Destination], found: frozenset[Destination]) -> str:
    def words(some: frozenset[Destination]) -> str:
        return ", ".join(sorted(f"{kind} {where}" for kind, where in some)) or "nobody"

    return f"wanted {words(wanted)}; reached {words(found)}"


# --- inhibition ---------------------------------------------------------------------------------


# What decides whether an alert must be heard.
_HEARD = frozenset({"severity", "escalation"})


class _Alike:
    """Values of a label that no inhibition tells apart: one of them stands for all.

    A rule tells them apart by its matchers, and whether two alerts can agree in a label is asked
    by its being there at all.
    """

    def __init__(self, inhibitions: Iterable[Inhibition]) -> None:
        self._conditions: dict[str, list[Condition]] = {}
        for rule in inhibitions:
            for condition in (*rule.source, *rule.target):
                self._conditions.setdefault(condition.label, []).append(condition)
        self._known: dict[tuple[str, str], str] = {}
        self._first: dict[tuple[str, tuple[bool, ...]], str] = {}

    def stand_in(self, label: str, value: str) -> str:
        """The value that stands for one of a label."""
        if label in _HEARD:
            return value
        if (label, value) not in self._known:
            given = {label: value}
            holds = tuple(one.holds(given) for one in self._conditions.get(label, ()))
            first = self._first.setdefault((label, (value != "", *holds)), value)
            self._known[label, value] = first
        return self._known[label, value]


def _must_be_heard(sent: Sent) -> str | None:
    if sent.labels.get("escalation"):
        return "is an escalation"
    if sent.labels.get("severity") == "critical":
        return "is critical"
    if not sent.labels.get("severity"):
        return "is for the dead man's switch"
    return None


def _circles(silencing: dict[int, list[Sent]], silenced: dict[int, list[Sent]]) -> Iterator[str]:
    """An alert that can be silenced must not silence: two could wait for each other."""
    sources = {id(sent): number for number, found in silencing.items() for sent in found}
    for number, found in silenced.items():
        for sent in found:
            if id(sent) in sources:
                by = sources[id(sent)]
                yield (
                    f"inhibit_rules[{number}]: would silence {sent.name}, which itself silences "
                    f"by inhibit_rules[{by}]"
                )


__all__ = ["TIMES", "agrees_with_amtool", "everybody_is_told", "inhibitions_are_sound"]
