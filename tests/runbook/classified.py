"""Every line of the user's runbook, in one of three classes."""

from __future__ import annotations

import checks_docker
import checks_kubernetes
import checks_live
import runs_daily
import runs_issues
import runs_responding
import runs_upkeep
from classes import Outside

RUN = (*runs_daily.RUN, *runs_responding.RUN, *runs_issues.RUN, *runs_upkeep.RUN)
CHECKED = (*checks_docker.CHECKED, *checks_kubernetes.CHECKED, *checks_live.CHECKED)
OUTSIDE = (
    Outside(
        "High Memory Usage",
        ("node --inspect",),
        "there is no Node and no dist/index.js here; docs/runbook.md says how Python's memory is "
        "looked at",
    ),
    Outside(
        "Scale Horizontally",
        ("docker service scale",),
        "there is no Swarm, and deploy/compose.yaml is for one machine; docs/runbook.md says what "
        "a service of Swarm needs, tests/demo/test_replicas.py runs three replicas",
    ),
)
