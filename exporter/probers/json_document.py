"""Probing a remote JSON document: a number or a state inside it, fetched by the HTTP prober."""

from __future__ import annotations

import math
from dataclasses import replace

from exporter.probers.http.checks import Hide, Verdict
from exporter.probers.http.conditions import MISSING, at
from exporter.probers.http.failure import excerpt
from exporter.probers.http.network import Network
from exporter.probers.http.prober import HttpProber
from exporter.probers.result import Health, ProbeResult, Reason, Sample
from model import names
from model.conditions import path_steps
from model.json_target import JsonState, JsonTarget

_STATES = {"up": Health.HEALTHY, "degraded": Health.DEGRADED, "down": Health.UNHEALTHY}
_UNKNOWN = "unknown"
# The samples of each state: one series a state, of which one is 1.
_SAMPLES = {
    state: [Sample(names.JSON_STATE, (one,), float(one == state)) for one in (*_STATES, _UNKNOWN)]
    for state in (*_STATES, _UNKNOWN)
}
# When a stranger's certificate expires is not for us to mend; an expired one fails the probe.
_NOT_OURS = frozenset({names.PROBE_SSL_EARLIEST_CERT_EXPIRY, names.PROBE_SSL_LAST_CHAIN_EXPIRY})


class JsonProber:
    """Fetches a document and reads what the config names in it.

    It is down if it cannot be fetched, if a value is missing or no number, or if it says so.
    Arguments and errors are HttpProber's.
    """

    def __init__(self, target: JsonTarget, url: str, network: Network | None = None) -> None:
        self._values = tuple((value, path_steps(value.path)) for value in target.values)
        self._state = None if target.state is None else _StateReader(target.state)
        self._http = HttpProber(target, url, network, self._judge)

    async def probe(self, timeout: float) -> ProbeResult:
        """Probe once; end within `timeout` seconds, whatever the target does."""
        result = await self._http.probe(timeout)
        samples = [sample for sample in result.samples if sample.metric not in _NOT_OURS]
        if self._state is not None and not any(
            sample.metric is names.JSON_STATE for sample in samples
        ):
            samples += _SAMPLES[_UNKNOWN]
        return replace(result, samples=tuple(samples))

    async def close(self) -> None:
        """Give back what is kept between probes."""
        await self._http.close()

    def _judge(self, document: object, hide: Hide) -> Verdict:
        samples: list[Sample] = []
        wrong: list[str] = []
        for value, steps in self._values:
            found = at(document, steps)
            number = _number(found)
            if number is not None:
                samples.append(Sample(names.JSON_VALUE, (value.name,), number))
            else:
                what = "missing" if found is MISSING else "not a number"
                wrong.append(f"{value.path} is {what}")
        health, said = Health.HEALTHY, ""
        if self._state is not None:
            state, said = self._state.read(document, hide)
            samples += _SAMPLES[state]
            health = _STATES.get(state, Health.UNHEALTHY)
        if wrong:
            health = Health.UNHEALTHY
        reason = Reason.BODY if health is Health.UNHEALTHY else None
        detail = "; ".join(filter(None, (said, *wrong)))
        return Verdict(health, detail, reason, tuple(samples))


class _StateReader:
    """Reads a state: up, degraded or down, and unknown if it says none of what the config names."""

    def __init__(self, state: JsonState) -> None:
        self._path = state.path
        self._steps = path_steps(state.path)
        self._meaning = {
            **dict.fromkeys(state.up, "up"),
            **dict.fromkeys(state.degraded, "degraded"),
            **dict.fromkeys(state.down, "down"),
        }

    def read(self, document: object, hide: Hide) -> tuple[str, str]:
        """The state, and what there is to say about it."""
        text = at(document, self._steps)
        if not isinstance(text, str):
            missing = text is MISSING
            return _UNKNOWN, f"{self._path} is {'missing' if missing else 'not a text'}"
        state = self._meaning.get(text)
        said = f"{self._path} is {excerpt(hide(text))}"
        if state is None:
            return _UNKNOWN, f"{said}, which is no state that the config names"
        return state, "" if state == "up" else said


def _number(value: object) -> float | None:
    """A finite JSON number; None for all else, true and numbers in strings included."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
