"""Raw PromQL, for what the building blocks of `model/promql.py` cannot say.

Here is only what the config declares: the exporter loads it too, and needs the text for the hash
of the config alone. The compiler parses the text and holds it to the catalogue (`rules/raw/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Annotated, Any

from pydantic import BeforeValidator

from model.declared import Declared, Place, here, report
from model.durations import Duration
from model.promql import Expr


def _decimal(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError(f"{value} is a float; write Decimal('{value}') or '{value}'")  # noqa: TRY004 - pydantic reports ValueError
    try:
        return Decimal(value) if isinstance(value, (str, int)) else value
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None


class Fires(Declared):
    """Series under which a raw expression has a result: an example that makes its alert fire.

    `series` maps each series to its values, in promtool's notation
    (https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series), one
    value an evaluation interval. The result has `labels` and `value`, and is there from the time
    `since` until the time `until`, the first evaluation without it; None is for ever.
    """

    series: Mapping[str, str]
    labels: Mapping[str, str] = {}
    value: Annotated[Decimal, BeforeValidator(_decimal)] = Decimal(1)
    since: Duration = timedelta(0)
    until: Duration | None = None


class Quiet(Declared):
    """Series under which a raw expression has no result: its alert stays quiet until `at`.

    `series` are as in `Fires`. `at` has to be late enough for `for` to have passed.
    """

    series: Mapping[str, str]
    at: Duration


@dataclass(frozen=True)
class Raw(Expr):
    """A condition written as PromQL: the whole of an alert's expression.

    What makes it true cannot be worked out, so `cases` are examples: at least one `Fires` and one
    `Quiet`, from which the alert's unit tests come.
    """

    text: str
    cases: tuple[Fires | Quiet, ...] = ()
    place: Place | None = field(default_factory=here, compare=False, repr=False)

    @property
    def is_condition(self) -> bool:
        """Left to the compiler, which parses it."""
        return True

    @cached_property
    def labels(self) -> frozenset[str]:
        """None that are known before the compiler has parsed the text."""
        report("Raw is a whole condition: write what is around it into its text as well")
        return frozenset()

    def __str__(self) -> str:
        return self.text.strip()
