"""The dashboard of Redis: is it up, is it full, what is it asked for, would its data survive?"""

from __future__ import annotations

from collections.abc import Iterator

from model import names
from model.metric import Metric
from model.platform import Platform
from model.promql import Expr, Ratio, Selector, collapsed, max_by, sum_by
from model.redis import Redis
from rules.dashboards import queries
from rules.dashboards.board import Board, written
from rules.dashboards.choices import REDIS
from rules.dashboards.page import Section, choose, evenly
from rules.dashboards.panels import (
    GREEN,
    ORANGE,
    SKY_BLUE,
    VERMILLION,
    Panel,
    State,
    Text,
    asked,
    line_panel,
    stat_panel,
    timeline_panel,
    with_states,
)
from rules.dashboards.ranges import per_second
from rules.dashboards.states import ANSWERS
from rules.dashboards.topics import Topic, alerts_about, conditions, named
from rules.dashboards.units import BYTES, COUNT, PER_SECOND, SECONDS, SHARE

UID = "monitoring-redis"

_STATS_HEIGHT, _HEIGHT = 4, 8
_BUSIEST = 10
_SUCCESS = {0: State("failed", VERMILLION), 1: State("succeeded", GREEN)}


def build(platform: Platform) -> str:
    """The dashboard's file."""
    return written(
        Board(
            uid=UID,
            title="Redis",
            about="Redis: whether it is up, what it is asked for, whether it is full.",
            sections=_sections(platform),
            alerts=named(alerts_about(Topic.REDIS, platform)),
            variables=(choose(REDIS, "Redis", [one.name for one in platform.redis]),),
        ),
        platform,
    )


def _sections(platform: Platform) -> Iterator[Section]:
    stats = [_up(), _memory_now(), _clients_now(), _commands_now(), _keys_now(), _uptime()]
    yield Section(evenly(stats, len(stats)), _STATS_HEIGHT)
    yield Section(evenly([_commands(), _busiest(), _slow()]), _HEIGHT, "Work")
    yield Section(evenly([_memory(), _keys(), _removed()]), _HEIGHT, "Memory and keys")
    yield Section(evenly([_clients(), _hits(), _network()]), _HEIGHT, "Clients")
    kept = [_persistence(), _last_save(), _replicas()]
    if any(isinstance(server, Redis) and server.keys for server in platform.redis):
        kept.append(_key_sizes())
    yield Section(evenly(kept), _HEIGHT, "What has to survive a fault")
    yield from conditions(Topic.REDIS, platform)


def _of(metric: Metric, **labels: str) -> Selector:
    return REDIS.of(metric, **labels)


def _now(metric: Metric) -> Expr:
    return collapsed(_of(metric))


# --- now ----------------------------------------------------------------------------------------


def _up() -> Panel:
    text = Text(
        "Up",
        "Whether a new connection can be made and used, as most replicas of the exporter see it. "
        "Down: is the process there, does it load its data, does it refuse our password?",
    )
    up = asked(queries.mostly(_now(names.REDIS_UP)))
    return with_states(stat_panel(text, [up], {0: VERMILLION, 1: GREEN}), ANSWERS)


def _memory_now() -> Panel:
    text = Text(
        "Memory used",
        "What Redis has allocated. Compare it with maxmemory, below: when that is reached, keys "
        "are evicted or writes fail.",
    )
    return stat_panel(text, [asked(_now(names.REDIS_MEMORY_USED))], {0: SKY_BLUE}, BYTES)


def _clients_now() -> Panel:
    text = Text(
        "Clients",
        "Connected clients. If they only rise, somebody leaks connections: CLIENT LIST says who.",
    )
    return stat_panel(text, [asked(_now(names.REDIS_CONNECTED_CLIENTS))], {0: SKY_BLUE})


def _commands_now() -> Panel:
    text = Text(
        "Commands per second",
        "What Redis does now. If it falls to what the exporter asks itself, services no longer "
        "reach it.",
    )
    rate = collapsed(per_second(_of(names.REDIS_COMMANDS_PROCESSED)))
    return stat_panel(text, [asked(rate)], {0: SKY_BLUE}, PER_SECOND)


def _keys_now() -> Panel:
    text = Text(
        "Keys",
        "Keys of all databases; none where it is empty. Many more than usual lack a time to live.",
    )
    keys = sum_by(_of(names.REDIS_DB_KEYS), "target")
    return stat_panel(text, [asked(keys)], {0: SKY_BLUE}).no_value("none")


def _uptime() -> Panel:
    text = Text(
        "Running for",
        "How long Redis has been running. A few minutes: it was restarted. By whom, or was it "
        "killed for its memory?",
    )
    colors = {0: ORANGE, 3600: GREEN}
    return stat_panel(text, [asked(_now(names.REDIS_UPTIME))], colors, "dtdurations")


# --- work ---------------------------------------------------------------------------------------


def _commands() -> Panel:
    text = Text(
        "Commands processed",
        "Commands a second. A jump is a sale, or a program that asks in a loop: Busiest commands "
        "says which.",
    )
    rate = collapsed(per_second(_of(names.REDIS_COMMANDS_PROCESSED)))
    return line_panel(text, [asked(rate)], PER_SECOND)


def _busiest() -> Panel:
    text = Text(
        f"Busiest commands, the top {_BUSIEST}",
        "Share of a second that each command's calls take, of one core. KEYS, SORT or a long "
        "LRANGE among them holds up all other clients.",
    )
    busy = collapsed(per_second(_of(names.REDIS_COMMANDS_DURATION)))
    asks = [asked(queries.top(_BUSIEST, busy), "{{target}} {{cmd}}")]
    return line_panel(text, asks, SHARE)


def _slow() -> Panel:
    text = Text(
        "Slow log",
        "Commands in the slow log. If it grows: SLOWLOG GET 10 names them and their clients.",
    )
    return line_panel(text, [asked(_now(names.REDIS_SLOWLOG_LENGTH))], COUNT)


# --- memory and keys ----------------------------------------------------------------------------


def _memory() -> Panel:
    text = Text(
        "Memory",
        "Allocated, given by the system, and the most it ever was, against maxmemory (0 is no "
        "limit). Much more given than allocated is fragmentation: MEMORY PURGE, or a restart.",
    )
    kinds = {
        "allocated": names.REDIS_MEMORY_USED,
        "resident": names.REDIS_MEMORY_RSS,
        "peak": names.REDIS_MEMORY_PEAK,
        "maxmemory": names.REDIS_MEMORY_MAX,
    }
    asks = [asked(_now(metric), f"{{{{target}}}} {word}") for word, metric in kinds.items()]
    return line_panel(text, asks, BYTES)


def _keys() -> Panel:
    text = Text(
        "Keys by database",
        "All keys, and those that have a time to live; none where it is empty. The difference is "
        "what stays until somebody deletes it.",
    )
    asks = [
        asked(_now(names.REDIS_DB_KEYS), "{{target}} {{db}}"),
        asked(_now(names.REDIS_DB_KEYS_EXPIRING), "{{target}} {{db}} expiring"),
    ]
    return line_panel(text, asks, COUNT).no_value("none")


def _removed() -> Panel:
    text = Text(
        "Keys removed per second",
        "Expired are those whose time was over. Evicted are those that Redis threw away for lack "
        "of memory: raise maxmemory, or keep queues elsewhere.",
    )
    kinds = {"expired": names.REDIS_EXPIRED_KEYS, "evicted": names.REDIS_EVICTED_KEYS}
    asks = [
        asked(collapsed(per_second(_of(metric))), f"{{{{target}}}} {word}")
        for word, metric in kinds.items()
    ]
    return line_panel(text, asks, PER_SECOND)


# --- clients ------------------------------------------------------------------------------------


def _clients() -> Panel:
    text = Text(
        "Connected and blocked clients",
        "Blocked ones wait for a queue's next entry, which is how workers wait. If connected ones "
        "near maxclients, new ones are refused.",
    )
    kinds = {
        "connected": names.REDIS_CONNECTED_CLIENTS,
        "blocked": names.REDIS_BLOCKED_CLIENTS,
        "maxclients": names.REDIS_CONFIG_MAXCLIENTS,
    }
    asks = [asked(_now(metric), f"{{{{target}}}} {word}") for word, metric in kinds.items()]
    return line_panel(text, asks, COUNT)


def _hits() -> Panel:
    text = Text(
        "Look-ups that found a key",
        "The share of look-ups that found what they asked for; none under one a second. If a "
        "cache's share falls, it was emptied or is too small: the databases get the rest.",
    )
    hits, misses = (
        collapsed(per_second(_of(metric)))
        for metric in (names.REDIS_KEYSPACE_HITS, names.REDIS_KEYSPACE_MISSES)
    )
    panel = line_panel(text, [asked(Ratio(hits, hits + misses, at_least=1))], SHARE)
    return panel.no_value("none")


def _network() -> Panel:
    text = Text(
        "Network",
        "Bytes received and sent a second. Many more sent than usual: somebody reads large values "
        "or whole lists.",
    )
    kinds = {"received": names.REDIS_NET_INPUT, "sent": names.REDIS_NET_OUTPUT}
    asks = [
        asked(collapsed(per_second(_of(metric))), f"{{{{target}}}} {word}")
        for word, metric in kinds.items()
    ]
    return line_panel(text, asks, "Bps")


# --- what has to survive ------------------------------------------------------------------------


def _persistence() -> Panel:
    text = Text(
        "Last snapshot and last write",
        "Whether the last snapshot, and the last write to the append-only file, succeeded. If one "
        "failed: is the disk full, or is there no memory left to fork?",
    )
    kinds = {"snapshot": names.REDIS_RDB_LAST_STATUS, "append": names.REDIS_AOF_WRITE_STATUS}
    asks = [
        asked(queries.mostly(_now(metric)), f"{{{{target}}}} {word}")
        for word, metric in kinds.items()
    ]
    return timeline_panel(text, asks, _SUCCESS, 12)


def _last_save() -> Panel:
    text = Text(
        "Time since the last snapshot",
        "What a crash would lose if nothing else is kept. If it only rises: is saving turned off, "
        "or does it fail?",
    )
    saved = max_by(_of(names.REDIS_RDB_LAST_SAVE), "target")
    return line_panel(text, [asked(f"time() - {saved}")], SECONDS)


def _replicas() -> Panel:
    text = Text(
        "Connected replicas",
        "Replicas that follow it. Fewer than there should be: the next fault of the master leaves "
        "nobody who has its data.",
    )
    return line_panel(text, [asked(_now(names.REDIS_CONNECTED_SLAVES))], COUNT)


def _key_sizes() -> Panel:
    text = Text(
        "Lengths of keys",
        "Lists, sets and streams that config.py names: queues, as a rule. One that only grows is "
        "not worked off.",
    )
    sizes = max_by(_of(names.REDIS_KEY_SIZE), "target", "key")
    return line_panel(text, [asked(sizes, "{{target}} {{key}}")], COUNT)
