"""What stands for other companies' pages in the demo says that all is well."""

from __future__ import annotations

import asyncio

from demo.external import serving
from exporter.probers.json_document import JsonProber
from exporter.probers.result import Health
from model import JsonState, JsonTarget, JsonValue

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
    async with serving(TARGETS) as urls:
        probers = [JsonProber(target, urls[target.name]) for target in TARGETS]
        results = await asyncio.gather(*(prober.probe(2) for prober in probers))
        for prober in probers:
            await prober.close()
    assert [result.health for result in results] == [Health.HEALTHY, Health.HEALTHY]


async def test_a_platform_without_external_targets_needs_nothing() -> None:
    async with serving(()) as urls:
        assert urls == {}
