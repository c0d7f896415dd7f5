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
    return [
        {
            **group,
            "name": group["name"] if number == 1 else f"{group['name']}-{number}",
            "rules": part,
        }
        for number, part in enumerate(parts, 1)
    ]


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
