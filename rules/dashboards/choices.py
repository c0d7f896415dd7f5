"""Template variables that narrow panels, and how an expression is narrowed to what was chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from model.metric import Metric, Scope
from model.promql import Expr, Match, Selector, select
from model.redis import Redis
from model.targets import Postgres, Service


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable, and by which label it narrows a selector; None where it does not."""

    variable: str
    label_of: Callable[[Selector], str | None]

    @property
    def name(self) -> str:
        """The variable as the dashboard declares it."""
        return self.variable.removeprefix("$")

    def of(self, metric: Metric, **labels: str) -> Selector:
        """A metric's series of what was chosen. ValueError if the choice is not about them."""
        selector = select(metric, **labels)
        if self.label_of(selector) is None:
            raise ValueError(f"{selector} is not narrowed by {self.variable}")
        return self._narrowed(selector)

    def concerns(self, expr: Expr) -> bool:
        """Whether each result is about one of what may be chosen.

        A figure about several would be another one if some were left out.
        """
        about = {self.label_of(part) for part in expr.walk() if isinstance(part, Selector)}
        # Raw PromQL has no parts, and tells no labels before it is parsed.
        return bool(about) and not about.isdisjoint(expr.labels)

    def narrow(self, expr: Expr) -> Expr:
        """The expression about what was chosen, itself where it is about several."""
        return self._within(expr) if self.concerns(expr) else expr

    def _within(self, expr: Expr) -> Expr:
        if isinstance(expr, Selector):
            return self._narrowed(expr)
        inside = {field.name: getattr(expr, field.name) for field in fields(cast("Any", expr))}
        changed = {name: self._within(part) for name, part in inside.items() if _is_expr(part)}
        return cast("Expr", replace(cast("Any", expr), **changed))

    def _narrowed(self, selector: Selector) -> Selector:
        label = self.label_of(selector)
        return selector if label is None else selector.where(Match.REGEX, **{label: self.variable})


def _is_expr(value: object) -> bool:
    return isinstance(value, Expr)


def _label_of_services(selector: Selector) -> str | None:
    """A Postgres is not among the variable's names, so only what is about services is narrowed."""
    labels = selector.labels
    if "service" in labels and selector.metric.scope in (Scope.SERVICE, Scope.PROCESS):
        return "service"
    if selector.metric.scope is Scope.RECORDED:
        return next((label for label in ("service", "target") if label in labels), None)
    if "kind" in labels:
        return "target" if selector.fixed.get("kind") == Service.kind else None
    is_probed = "target" in labels and selector.metric.name.startswith("probe_")
    return "target" if is_probed else None


def _of_kind(kind: str, *prefixes: str) -> Callable[[Selector], str | None]:
    def label_of(selector: Selector) -> str | None:
        if "target" not in selector.labels:
            return None
        is_own = selector.metric.name.startswith(prefixes)
        return "target" if is_own or selector.fixed.get("kind") == kind else None

    return label_of


SERVICES = Choice("$service", _label_of_services)
POSTGRES = Choice("$postgres", _of_kind(Postgres.kind, "pg_", "monitoring_pg_"))
REDIS = Choice("$redis", _of_kind(Redis.kind, "redis_", "monitoring_redis_"))
