"""The dashboard of monitoring itself: are its figures true, is it well, and is there room left?"""

from __future__ import annotations

from collections.abc import Iterator

from model import names
from model.jobs import JOB
from model.metric import Collapse, Metric
from model.platform import Platform
from model.promql import (
    Aggregate,
    Count,
    max_by,
    min_by,
    observed,
    select,
    sum_by,
)
from rules.dashboards import queries
from rules.dashboards.board import Board, written
from rules.dashboards.page import Section, evenly
from rules.dashboards.panels import (
    GREEN,
    ORANGE,
    VERMILLION,
    Panel,
    State,
    Text,
    asked,
    line_panel,
    stat_panel,
    timeline_panel,
)
from rules.dashboards.ranges import grown, per_second, percentile
from rules.dashboards.states import ANSWERS
from rules.dashboards.topics import Topic, alerts_about, conditions, named
from rules.dashboards.units import BYTES, COUNT, PER_SECOND, SECONDS

UID = "monitoring-itself"

_STATS_HEIGHT, _HEIGHT = 4, 8
_SLOWEST = 10
_BANDS = 24
_REACHED = {0: State("not reached", VERMILLION), 1: State("reached", GREEN)}
_PER_INSTANCE = ("instance",)


def build(platform: Platform) -> str:
    """The dashboard's file."""
    return written(
        Board(
            uid=UID,
            title="Monitoring itself",
            about="Whether the exporter's figures are true, and whether it has room left.",
            sections=_sections(platform),
            alerts=named(alerts_about(Topic.MONITORING, platform)),
        ),
        platform,
    )


def _sections(platform: Platform) -> Iterator[Section]:
    stats = [_replicas(), _unknown(platform), _oldest(), _lag_now(), _errors_now(), _configs()]
    yield Section(evenly(stats, len(stats)), _STATS_HEIGHT)
    probing = [_durations(), _ages(), _probes(), _delays(), _in_flight(), _withheld()]
    yield Section(evenly(probing), _HEIGHT, "Probing: are the figures true and fresh?")
    process = [_memory(), _cpu(), _lag(), _errors(), _tasks(), _descriptors()]
    yield Section(evenly(process), _HEIGHT, "The exporter's processes")
    if platform.ledger is not None:
        ledger = [_store(), _pool(), _reconciled(), _succeeded(), _runs(), _run_duration()]
        yield Section(evenly(ledger), _HEIGHT, "The ledger and its workers")
    scraping = [_reached(), _scrapes(), _samples(), _series(), _rules()]
    yield Section(evenly(scraping), _HEIGHT, "Prometheus")
    yield from conditions(Topic.MONITORING, platform)


# --- now ----------------------------------------------------------------------------------------


def _replicas() -> Panel:
    text = Text(
        "Exporters reached",
        "How many exporters Prometheus reaches. With fewer than there should be, the next fault "
        "may leave nobody who watches.",
    )
    reached = asked(f"sum({observed(names.UP, by=_PER_INSTANCE, job=JOB)})", "exporters")
    return stat_panel(text, [reached], {0: VERMILLION, 1: GREEN})


def _unknown(platform: Platform) -> Panel:
    text = Text(
        "Targets without a fresh result",
        f"Of the config's {len(platform.targets)}. If it is not 0: is every exporter up, and does "
        "it run with the config that this dashboard was made from?",
    )
    query = asked(queries.targets_unknown(platform), "targets")
    return stat_panel(text, [query], {-len(platform.targets): ORANGE, 0: GREEN, 1: ORANGE})


def _oldest() -> Panel:
    text = Text(
        "Oldest result",
        "How old the result is that is oldest of all. More than a target's interval: probes start "
        "late, or the exporter is stuck.",
    )
    oldest = f"max(time() - {observed(names.PROBE_LAST_RESULT, by=('target',))})"
    return stat_panel(text, [asked(oldest, "oldest")], {0: GREEN, 120: ORANGE}, SECONDS)


def _lag_now() -> Panel:
    text = Text(
        "Delay of the event loop",
        "The longest in the last 15 s, at the worst replica. From 0.1 s on probe times are no "
        "longer true: give the exporter more CPU, or divide the targets into shards.",
    )
    colors = {0: GREEN, 0.1: ORANGE, 1: VERMILLION}
    lag = asked(observed(names.EVENT_LOOP_LAG, by=()), "longest")
    return stat_panel(text, [lag], colors, SECONDS)


def _errors_now() -> Panel:
    text = Text(
        "Errors inside per second",
        "Mistakes of the exporter itself; a failed probe is not one. If it is not 0: its log names "
        "them. None: none has ever been.",
    )
    rate = asked(sum_by(per_second(select(names.ERRORS))), "errors")
    panel = stat_panel(text, [rate], {0: GREEN, 1e-9: VERMILLION}, PER_SECOND)
    return panel.no_value("none")


def _configs() -> Panel:
    text = Text(
        "Different configs in use",
        "How many configs the exporters run with. More than 1: one was not reloaded, or its "
        "reload failed.",
    )
    configs = Count(observed(names.CONFIG_INFO, by=("sha256",)))
    return stat_panel(text, [asked(configs, "configs")], {0: GREEN, 2: ORANGE})


# --- probing ------------------------------------------------------------------------------------


def _durations() -> Panel:
    text = Text(
        f"Probe duration, the {_SLOWEST} slowest targets",
        "How long probes take, of every kind of target. If all rise at once it is our own network "
        "or CPU; if one does, it is that target.",
    )
    slowest = queries.top(_SLOWEST, observed(names.PROBE_DURATION, by=("target",)))
    return line_panel(text, [asked(slowest)], SECONDS)


def _ages() -> Panel:
    text = Text(
        f"Age of results, the {_SLOWEST} oldest",
        "How old targets' latest results are. Each rises to its interval and falls again; one that "
        "only rises is not probed any more: TargetNotProbed.",
    )
    age = f"time() - {observed(names.PROBE_LAST_RESULT, by=('target',))}"
    return line_panel(text, [asked(f"topk({_SLOWEST}, {age})")], SECONDS)


def _probes() -> Panel:
    text = Text(
        "Probes per second, by result",
        "Probes that ended, of all replicas together. If all fall to 0, nobody is looking.",
    )
    probes = sum_by(per_second(select(names.PROBES)), "kind", "result")
    return line_panel(text, [asked(probes, "{{kind}} {{result}}")], PER_SECOND)


def _delays() -> Panel:
    text = Text(
        "How late probes start",
        "The 99th percentile of all replicas. From 0.1 s on there are too many targets for one "
        "exporter, or probes_at_once holds them up.",
    )
    late = percentile("0.99", select(names.PROBE_START_DELAY))
    return line_panel(text, [asked(late, "99th percentile")], SECONDS)


def _in_flight() -> Panel:
    text = Text(
        "Probes under way",
        "If they rise to probes_at_once, many targets hang at once: is it they, or our network?",
    )
    return line_panel(text, [asked(sum_by(select(names.PROBES_IN_FLIGHT)), "probes")], COUNT)


def _withheld() -> Panel:
    text = Text(
        "Own network",
        "Whether each exporter's own network works, and its points of reference answer. If not, it "
        "withholds what it cannot know: mend its network.",
    )
    asks = [
        asked(min_by(select(names.CONNECTIVITY_UP), "instance"), "{{instance}}"),
        asked(
            max_by(select(names.CONNECTIVITY_REFERENCE_UP), "instance", "reference"),
            "{{instance}} {{reference}}",
        ),
    ]
    return timeline_panel(text, asks, _REACHED, _BANDS)


# --- processes ----------------------------------------------------------------------------------


def _process(metric: Metric) -> Aggregate:
    """What each of the exporters says of its process."""
    return Aggregate(Collapse.MAX, select(metric, job=JOB), _PER_INSTANCE)


def _memory() -> Panel:
    text = Text(
        "Memory",
        "Resident memory of each exporter, and what its cgroup allows, where there is a limit. If "
        "it only rises, and tasks with it, that is a leak: restart it, and tell us.",
    )
    limit = Aggregate(Collapse.MIN, select(names.MEMORY_LIMIT), _PER_INSTANCE)
    asks = [
        asked(_process(names.RESIDENT_MEMORY), "{{instance}}"),
        asked(limit, "{{instance}} limit"),
    ]
    return line_panel(text, asks, BYTES)


def _cpu() -> Panel:
    text = Text(
        "CPU",
        "Cores that each exporter uses; it can use one. Near 1, probes start late and their times "
        "are no longer true: divide the targets into shards.",
    )
    cores = sum_by(per_second(select(names.PROCESS_CPU, job=JOB)), "instance")
    return line_panel(text, [asked(cores, "{{instance}}")], COUNT)


def _lag() -> Panel:
    text = Text(
        "Delay of the event loop, by exporter",
        "The longest in 15 s. Peaks of 0.1 s and more are in the times of all probes under way.",
    )
    lag = max_by(select(names.EVENT_LOOP_LAG), "instance")
    return line_panel(text, [asked(lag, "{{instance}}")], SECONDS)


def _errors() -> Panel:
    text = Text(
        "Errors inside the exporter",
        "Mistakes of the exporter itself, a second, by component; none is good. If it is not 0: "
        "its log names them.",
    )
    errors = sum_by(per_second(select(names.ERRORS)), "component")
    return line_panel(text, [asked(errors, "{{component}}")], PER_SECOND).no_value("none")


def _tasks() -> Panel:
    text = Text(
        "Tasks of the event loop",
        "Some for each probe under way. If they only rise, that is a leak.",
    )
    return line_panel(text, [asked(max_by(select(names.TASKS), "instance"), "{{instance}}")], COUNT)


def _descriptors() -> Panel:
    text = Text(
        "File descriptors",
        "Open ones, and how many may be. Each probe under way takes one: near the limit probes "
        "fail for lack of them. Raise the process' limit of open files.",
    )
    asks = [
        asked(_process(names.OPEN_FDS), "{{instance}} open"),
        asked(min_by(select(names.MAX_FDS, job=JOB), "instance"), "{{instance}} limit"),
    ]
    return line_panel(text, asks, COUNT)


# --- the ledger ---------------------------------------------------------------------------------


def _store() -> Panel:
    text = Text(
        "Store of the ledger",
        "Whether each exporter can read and write it. If not, no acknowledgement is taken, and "
        "what is acknowledged escalates: is its database up?",
    )
    up = min_by(select(names.ALERT_LEDGER_STORE_UP), "instance")
    return timeline_panel(text, [asked(up, "{{instance}}")], ANSWERS, _BANDS // 2)


def _reconciled() -> Panel:
    text = Text(
        "Since the ledger was level with Alertmanager",
        "How long ago the ledger was last compared with Alertmanager and Prometheus. If it only "
        "rises: can the exporter reach both? What was lost on the way is missing until then.",
    )
    until = max_by(select(names.ALERT_LEDGER_RECONCILED))
    return line_panel(text, [asked(f"time() - {until}", "since")], SECONDS)


def _succeeded() -> Panel:
    text = Text(
        "Since each worker succeeded",
        "How long ago each worker last succeeded, on whichever replica; none where it never has. "
        "It rises to the worker's interval and falls again.",
    )
    last = max_by(select(names.WORKER_LAST_SUCCESS), "worker")
    panel = line_panel(text, [asked(f"time() - ({last} > 0)", "{{worker}}")], SECONDS)
    return panel.no_value("none")


def _runs() -> Panel:
    text = Text(
        "Runs of workers in the time shown",
        "By result. Errors: the list of workers (/api/v1/monitoring/workers) has the last one's "
        "reason. None at all: the workers are stuck, restart the exporter.",
    )
    runs = sum_by(grown(select(names.WORKER_RUNS)), "worker", "result")
    return line_panel(text, [asked(runs, "{{worker}} {{result}}")], COUNT)


def _run_duration() -> Panel:
    text = Text(
        "How long workers run",
        "The last run of each worker. If it nears the worker's interval: is the store slow, or has "
        "history grown? Archives keep it small.",
    )
    took = max_by(select(names.WORKER_DURATION), "worker")
    return line_panel(text, [asked(took, "{{worker}}")], SECONDS)


def _pool() -> Panel:
    text = Text(
        "Connections of the ledger's pool",
        "Free ones, requests that wait for one, and how many there may be. None free while "
        "requests wait: acknowledgements come late. Is Postgres slow?",
    )
    asks = [
        asked(min_by(select(names.DB_POOL_AVAILABLE), "instance"), "{{instance}} free"),
        asked(max_by(select(names.DB_POOL_WAITING), "instance"), "{{instance}} waiting"),
        asked(max_by(select(names.DB_POOL_MAX), "instance"), "{{instance}} most"),
    ]
    return line_panel(text, asks, COUNT)


# --- Prometheus ---------------------------------------------------------------------------------


def _reached() -> Panel:
    text = Text(
        "What Prometheus reaches",
        "Whether the last scrape of each address succeeded. If one is not reached: is it down, or "
        "is Prometheus' address not in PROMETHEUS_ALLOWED_IPS?",
    )
    up = observed(names.UP, by=("job", "instance"))
    return timeline_panel(text, [asked(up, "{{job}} {{instance}}")], _REACHED, _BANDS)


def _scrapes() -> Panel:
    text = Text(
        f"Scrape duration, the {_SLOWEST} slowest",
        "How long Prometheus' scrapes take. The exporter answers in milliseconds whatever is down; "
        "if not, it lacks CPU.",
    )
    slowest = queries.top(_SLOWEST, max_by(select(names.SCRAPE_DURATION), "job", "instance"))
    return line_panel(text, [asked(slowest, "{{job}} {{instance}}")], SECONDS)


def _samples() -> Panel:
    text = Text(
        "Samples per scrape, by job",
        "What each job brings. A jump is a metric that has grown many series: which deployment "
        "brought it?",
    )
    samples = sum_by(select(names.SCRAPE_SAMPLES), "job")
    return line_panel(text, [asked(samples, "{{job}}")], COUNT)


def _series() -> Panel:
    text = Text(
        "Series in memory",
        "What Prometheus' memory grows with. A jump that stays: "
        "topk(10, count by (__name__) ({__name__=~'.+'})) says of what.",
    )
    series = max_by(select(names.PROMETHEUS_TSDB_HEAD_SERIES), "instance")
    return line_panel(text, [asked(series, "{{instance}}")], COUNT)


def _rules() -> Panel:
    text = Text(
        "Rules that fail or come late, per second",
        "Evaluations that failed, and rounds that were skipped since the one before took too long. "
        "Alerts of that group may be silent or late.",
    )
    kinds = {
        "failed": names.PROMETHEUS_RULE_EVALUATION_FAILURES,
        "skipped": names.PROMETHEUS_RULE_GROUP_ITERATIONS_MISSED,
    }
    asks = [asked(sum_by(per_second(select(metric))), word) for word, metric in kinds.items()]
    return line_panel(text, asks, PER_SECOND)
