"""What stands for other companies' pages in the demo says that all is well."""

from __future__ import annotations

import asyncio

import pytest

from demo.external import serving
from exporter.probers.json_document import JsonProber
from exporter.probers.result import Health
from model import JsonState, JsonTarget, JsonValue

# Each answers at once; this is for a machine that does much else.
DEADLINE = 30.0
TARGETS = (
    JsonTarget(
        name="provider",
        url="https://provider.example/status.json",
        state=JsonState(path="status.indicator", up=("none",), down=("critical",)),
        values=(JsonValue(name="depth", path="status.depth"),),
    ),
    JsonTarget(name="other", url="https://other.example", state=JsonState(path="is", up=("fine",))),
)


async def test_every_target_finds_its_own_document_and_is_well() -> None:
    async with serving(TARGETS) as external:
        probers = [JsonProber(target, external.urls[target.name]) for target in TARGETS]
        results = await asyncio.gather(*(prober.probe(DEADLINE) for prober in probers))
        for prober in probers:
            await prober.close()
    assert [result.health for result in results] == [Health.HEALTHY, Health.HEALTHY]


async def test_a_target_breaks_down_in_its_own_words_and_is_well_again_after_the_repair() -> None:
    provider, other = TARGETS
    async with serving(TARGETS) as external:
        prober = JsonProber(provider, external.urls[provider.name])
        external.break_down(provider)
        assert (await prober.probe(DEADLINE)).health is Health.UNHEALTHY
        external.repair(provider)
        assert (await prober.probe(DEADLINE)).health is Health.HEALTHY
        await prober.close()
        with pytest.raises(ValueError, match="other has no word for being down"):
            external.break_down(other)


async def test_a_platform_without_external_targets_needs_nothing() -> None:
    async with serving(()) as external:
        assert external.urls == {}
