"""What the peers expose by default, we expose too: name, type and labels."""

from __future__ import annotations

import pytest

from bench.families import families, read
from model.metric import MetricType
from model.names import catalogue

# What the peers tell of themselves: ours has figures of its own for that.
OF_THE_PEER = ("postgres_exporter_", "redis_exporter_")
MISSING = {
    # promtool objects to abbreviated units, and to units that are not the base.
    "redis_aof_current_rewrite_duration_sec",
    "redis_aof_last_rewrite_duration_sec",
    "redis_current_eviction_exceeded_time_ms",
    "redis_eviction_exceeded_time_ms_total",
    "redis_expire_cycle_cpu_time_ms_total",
    "redis_rdb_current_bgsave_duration_sec",
    "redis_rdb_last_bgsave_duration_sec",
    # Of the peer's own work.
    "redis_last_key_groups_scrape_duration_milliseconds",
    "redis_target_scrape_request_errors_total",
    # A histogram whose buckets, and a summary whose quantiles, are each command's and each
    # server's own: our catalogue declares both once.
    "redis_commands_latencies_usec",
    "redis_latency_percentiles_usec",
}
PEERS = ("postgres", "redis")


def wanted(kind: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {name: one for name, one in read(kind).items() if not name.startswith(OF_THE_PEER)}


def test_a_family_is_read_with_its_type_and_labels() -> None:
    text = """\
# TYPE one gauge
one{a="1",b="x y"} 1
# TYPE two histogram
two_bucket{a="1",le="1"} 1
two_sum{a="1"} 1
# TYPE go_info gauge
go_info 1
"""
    assert families(text) == {"one": ("gauge", ("a", "b")), "two": ("histogram", ("a",))}


@pytest.mark.parametrize("kind", PEERS)
def test_every_family_of_the_peer_is_ours_too(kind: str) -> None:
    lacking = wanted(kind).keys() - catalogue().keys()
    assert lacking == MISSING & wanted(kind).keys()


@pytest.mark.parametrize("kind", PEERS)
def test_every_label_of_the_peer_is_ours_too(kind: str) -> None:
    ours = catalogue()
    for name, (_, labels) in wanted(kind).items():
        if name not in MISSING:
            # What it calls `server` is our `target`.
            assert set(labels) - {"server"} <= set(ours[name].labels), name


@pytest.mark.parametrize("kind", PEERS)
def test_the_type_is_the_peers_unless_promtool_objects(kind: str) -> None:
    ours = catalogue()
    for name, (type_, _) in wanted(kind).items():
        if name in MISSING or ours[name].type.value == type_:
            continue
        if name == "redis_rdb_saves_total":
            assert ours[name].type is MetricType.COUNTER
            continue
        assert ours[name].type is MetricType.UNTYPED, name


def test_what_is_missing_is_in_the_lists() -> None:
    listed = {name for kind in PEERS for name in read(kind)}
    assert listed >= MISSING
