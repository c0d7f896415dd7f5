"""State to Prometheus' text format (version 0.0.4).

A target's text is rendered once, when its result arrives; a scrape only joins the pieces, so it
never holds the event loop that times the probes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate

from exporter.probers.result import ProbeResult, Sample
from model.names import PROBE_DURATION, PROBE_SUCCESS, Metric, MetricType

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# A family's name to the lines that one target adds to it.
Fragments = Mapping[str, bytes]


def header(metric: Metric) -> bytes:
    """The HELP and TYPE lines of a family."""
    help_text = metric.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {metric.name} {help_text}\n# TYPE {metric.name} {metric.type.value}\n".encode()


def number(value: float) -> str:
    """Print a value: whole numbers without a point, the rest as Python's shortest form."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def label_text(names: Iterable[str], values: Iterable[str]) -> str:
    """Labels as they stand between the braces, values escaped."""
    return ",".join(f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True))


def escape(value: str) -> str:
    """Escape a label's value as the text format asks."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def render_sample(sample: Sample, prefix: str, skipped: int) -> bytes:
    """The lines of one sample.

    `prefix` holds labels that are rendered already, which are the metric's first `skipped` ones.
    """
    metric = sample.metric
    own = label_text(metric.labels[skipped:], sample.labels)
    labels = f"{prefix},{own}" if prefix and own else prefix or own
    if metric.type is MetricType.HISTOGRAM:
        return _histogram(sample, labels)
    braces = f"{{{labels}}}" if labels else ""
    return f"{metric.name}{braces} {number(sample.value)}\n".encode()


def _histogram(sample: Sample, labels: str) -> bytes:
    name, comma = sample.metric.name, "," if labels else ""
    bounds = [*(number(bound) for bound in sample.metric.buckets), "+Inf"]
    counts = list(accumulate(sample.buckets))
    lines = [
        f'{name}_bucket{{{labels}{comma}le="{bound}"}} {count}\n'
        for bound, count in zip(bounds, counts, strict=True)
    ]
    braces = f"{{{labels}}}" if labels else ""
    lines.append(f"{name}_sum{braces} {number(sample.sum)}\n{name}_count{braces} {counts[-1]}\n")
    return "".join(lines).encode()


def fragments(samples: Iterable[Sample], target: str) -> dict[str, bytes]:
    """The lines that a target's samples add to each family."""
    prefix = label_text(("target",), (target,))
    found: dict[str, bytes] = {}
    for sample in samples:
        name = sample.metric.name
        found[name] = found.get(name, b"") + render_sample(sample, prefix, 1)
    return found


def join(families: Iterable[Metric], targets: Iterable[Fragments]) -> bytes:
    """All targets' fragments as one exposition, family by family; empty families are left out."""
    pieces: list[bytes] = []
    everyone = list(targets)
    for metric in families:
        name = metric.name
        lines = [found[name] for found in everyone if name in found]
        if lines:
            pieces.append(header(metric))
            pieces.extend(lines)
    return b"".join(pieces)


def probe_page(result: ProbeResult) -> bytes:
    """One result as blackbox_exporter's `/probe` answers it: without the target's labels."""
    common = (
        Sample(PROBE_SUCCESS, value=float(result.success)),
        Sample(PROBE_DURATION, value=result.duration),
    )
    pieces: list[bytes] = []
    last: Metric | None = None
    for sample in (*common, *sorted(result.samples, key=lambda sample: sample.metric.name)):
        if sample.metric is not last:
            pieces.append(header(sample.metric))
            last = sample.metric
        # The target's own labels (`target`, and `kind` on the common families) stay out.
        skipped = len(sample.metric.labels) - len(sample.labels)
        pieces.append(render_sample(sample, "", skipped))
    return b"".join(pieces)
