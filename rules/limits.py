"""Groups of rules stay within Mimir's default limits: 20 rules a group, 70 groups a tenant."""

from __future__ import annotations

from typing import Any

from model.declared import ConfigError, Problem

RULES_PER_GROUP = 20
GROUPS = 70


def within_limits(group: dict[str, Any]) -> list[dict[str, Any]]:
    """A group, or as many as its rules need: `availability`, `availability-2`."""
    rules = group["rules"]
    parts = [rules[at : at + RULES_PER_GROUP] for at in range(0, len(rules), RULES_PER_GROUP)]
    names = names_of_parts(group["name"], len(rules))
    return [{**group, "name": name, "rules": part} for name, part in zip(names, parts, strict=True)]


def names_of_parts(name: str, rules: int) -> list[str]:
    """The names of the groups that so many rules need."""
    parts = -(-rules // RULES_PER_GROUP)
    return [name if number == 1 else f"{name}-{number}" for number in range(1, parts + 1)]


def refuse_too_many(count: int) -> None:
    """Raises ConfigError where there are more groups than Mimir takes."""
    if count > GROUPS:
        raise ConfigError(
            [
                Problem(
                    f"the rules make {count} groups, and Mimir takes {GROUPS} by default: "
                    "put alerts into fewer groups, or fewer alerts"
                )
            ]
        )
