"""A reader of INFO that has read before finds what a new one would."""

from __future__ import annotations

from itertools import permutations

import pytest

from exporter.probers.redis.info import InfoReader
from model import names

UPTIME = "uptime_in_seconds:7\r\n"
TEXTS = {
    "plain": UPTIME + "used_memory:1\r\nrole:master\r\n",
    "another number": UPTIME + "used_memory:2\r\nrole:master\r\n",
    "no number": UPTIME + "used_memory:none\r\nrole:master\r\n",
    "another role": UPTIME + "used_memory:1\r\nrole:slave\r\n",
    "a line more": UPTIME + "used_memory:1\r\nrole:master\r\nused_memory_rss:3\r\n",
    "other lines": UPTIME + "used_memory_rss:1\r\nrole:master\r\n",
    "twice": UPTIME + "used_memory:1\r\nused_memory:2\r\n",
    "twice, the first changed": UPTIME + "used_memory:9\r\nused_memory:2\r\n",
    "keys": UPTIME + "db0:keys=1,expires=1\r\ndb3:keys=2,expires=0,avg_ttl=3000\r\n",
    "other keys": UPTIME + "db0:keys=1,expires=0\r\ndb4:keys=2,expires=0,avg_ttl=3000\r\n",
    "calls": UPTIME + "cmdstat_get:calls=1,usec=5\r\nrole:master\r\n",
    "failures": UPTIME + "cmdstat_get:calls=1,failed_calls=1\r\nrole:master\r\n",
    "watched": UPTIME + "master0:name=a,status=sdown,address=b\r\nrole:sentinel\r\n",
    "worse": UPTIME + "master0:name=a,status=odown,address=b\r\nrole:sentinel\r\n",
}


@pytest.mark.parametrize(("before", "now"), list(permutations(TEXTS, 2)))
def test_what_was_read_before_makes_no_difference(before: str, now: str) -> None:
    reader = InfoReader(0)
    reader.read(TEXTS[before])
    samples, facts = reader.read(TEXTS[now])
    wanted, wanted_facts = InfoReader(0).read(TEXTS[now])
    assert [one for one in samples if one.metric is not names.REDIS_START_TIME] == [
        one for one in wanted if one.metric is not names.REDIS_START_TIME
    ]
    assert facts == wanted_facts


def test_what_has_not_changed_is_the_very_sample_that_it_was() -> None:
    reader = InfoReader(0)
    first, _ = reader.read(TEXTS["plain"])
    second, _ = reader.read(TEXTS["another number"])
    changed = [now for was, now in zip(first, second, strict=True) if was is not now]
    assert [sample.metric for sample in changed] == [names.REDIS_MEMORY_USED]
