"""What Prometheus makes of the templates in labels and annotations.

promtool compares a unit test's annotations to the letter, so the generator must know what they
become. Source: Prometheus' template functions, and strconv's shortest form of a float.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache

from rules.untestable import UntestableError

# {{ if match "^(a|b)$" $labels.target }}text{{ end }}, or any other action.
_ACTION = re.compile(
    r'\{\{ if match "(?P<pattern>[^"\\]*)" \$labels\.(?P<label>[a-zA-Z_][a-zA-Z0-9_]*) \}\}'
    r"(?P<text>[^{}]*)\{\{ end \}\}"
    r"|\{\{\s*(?P<action>.*?)\s*\}\}"
)
_LABEL = re.compile(r"\$labels\.([a-zA-Z_][a-zA-Z0-9_]*)")
# A pattern that lists whole values.
_LIST = re.compile(r"\^\(([\w-]+(?:\|[\w-]+)*)\)\$")

# What a part of a template becomes for a result's labels and value.
_Part = Callable[[Mapping[str, str], float], str]


def expand(text: str, labels: Mapping[str, str], value: float) -> str:
    """A template with labels and value put in. Raises UntestableError."""
    parts = _parts(text)
    return "".join([one if isinstance(one, str) else one(labels, value) for one in parts])


# A template is expanded for each of hundreds of results.
@lru_cache(maxsize=4096)
def _parts(text: str) -> tuple[str | _Part, ...]:
    parts: list[str | _Part] = []
    reached = 0
    for found in _ACTION.finditer(text):
        parts.append(text[reached : found.start()])
        is_action = found["action"] is not None
        parts.append(_evaluate(found["action"]) if is_action else _choose(found))
        reached = found.end()
    return (*parts, text[reached:])


def _choose(branch: re.Match[str]) -> _Part:
    pattern, label, text = branch["pattern"], branch["label"], branch["text"]
    listed = _LIST.fullmatch(pattern)
    if listed is not None:
        values = frozenset(listed[1].split("|"))
        return lambda labels, _value: text if labels.get(label, "") in values else ""
    return lambda labels, _value: text if re.search(pattern, labels.get(label, "")) else ""


def _evaluate(action: str) -> _Part:
    source, *functions = (part.strip() for part in action.split("|"))
    label = _LABEL.fullmatch(source)
    if label is not None and not functions:
        name = label[1]
        return lambda labels, _value: labels.get(name, "")
    if source == "$value" and not functions:
        return lambda _labels, value: go_float(value)
    if source == "$value" and len(functions) == 1 and functions[0] in FUNCTIONS:
        function = FUNCTIONS[functions[0]]
        return lambda _labels, value: function(value)
    known = ", ".join(f"$value | {name}" for name in FUNCTIONS)
    raise UntestableError(
        f"{{{{ {action} }}}} cannot be tested; write $labels.<name>, $value or one of: {known}"
    )


def go_float(value: float) -> str:
    """A float as Go's %v prints it: shortest digits, an exponent from 1e+06 up and below 1e-04."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return _general(value)
    sign, digits, point = _shortest_digits(value)
    exponent = point - 1
    if exponent < -4 or exponent >= 6:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    whole, fraction = digits[:point].ljust(point, "0"), digits[point:]
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def _shortest_digits(value: float) -> tuple[str, str, int]:
    """Sign, digits and place of the decimal point of the shortest form that reads back the same."""
    parts = Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(map(str, parts.digits))
    assert isinstance(parts.exponent, int)
    return "-" if parts.sign else "", digits, len(digits) + parts.exponent


def humanize_duration(value: float) -> str:
    """Prometheus' humanizeDuration; `value` is in seconds."""
    if math.isnan(value) or math.isinf(value):
        return _general(value)
    if abs(value) >= 2**63:
        raise UntestableError(f"humanizeDuration of {value:g} differs from machine to machine")
    if value == 0:
        return f"{_general(value)}s"
    if abs(value) >= 1:
        sign, left = ("-", -value) if value < 0 else ("", value)
        whole = int(left)
        seconds, minutes = whole % 60, whole // 60 % 60
        hours, days = whole // 3600 % 24, whole // 86400
        if days:
            return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
        if hours:
            return f"{sign}{hours}h {minutes}m {seconds}s"
        if minutes:
            return f"{sign}{minutes}m {seconds}s"
        return f"{sign}{_general(left)}s"
    prefix = ""
    for candidate in ("m", "u", "n", "p", "f", "a", "z", "y"):
        if abs(value) >= 1:
            break
        prefix, value = candidate, value * 1000
    return f"{_general(value)}{prefix}s"


def humanize_percentage(value: float) -> str:
    """Prometheus' humanizePercentage; 1 is 100 %."""
    return f"{_general(value * 100)}%"


def humanize(value: float) -> str:
    """Prometheus' humanize: four digits and a metric prefix."""
    if value == 0 or math.isnan(value) or math.isinf(value):
        return _general(value)
    prefix = ""
    if abs(value) >= 1:
        for candidate in ("k", "M", "G", "T", "P", "E", "Z", "Y"):
            if abs(value) < 1000:
                break
            prefix, value = candidate, value / 1000
    else:
        for candidate in ("m", "u", "n", "p", "f", "a", "z", "y"):
            if abs(value) >= 1:
                break
            prefix, value = candidate, value * 1000
    return f"{_general(value)}{prefix}"


def humanize1024(value: float) -> str:
    """Prometheus' humanize1024: four digits and a binary prefix, for bytes."""
    prefix = ""
    if math.isfinite(value):
        for candidate in ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"):
            if abs(value) < 1024:
                break
            prefix, value = candidate, value / 1024
    return f"{_general(value)}{prefix}"


def _general(value: float) -> str:
    """C's and Go's %.4g, which part only in how they write infinity."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else f"{value:.4g}"


FUNCTIONS: Mapping[str, Callable[[float], str]] = {
    'printf "%.4g"': _general,
    "humanizeDuration": humanize_duration,
    "humanizePercentage": humanize_percentage,
    "humanize": humanize,
    "humanize1024": humanize1024,
}
