"""Networks that lead nowhere: real routes, in a network namespace that dies with its process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exporter.probers.result import Reason

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 0.4
# What a busy machine may add; a connection that the kernel tries for takes it two minutes.
SLACK = 10.0

# How a network leads nowhere: the route to each address, and what has to come of a probe.
# Through lo everything is sent and nothing of it arrives, as where a firewall drops it.
ROUTES = {
    "no route at all": ("192.0.2.1", None, Reason.CONNECT),
    "a router that says unreachable": ("198.51.100.1", "unreachable", Reason.CONNECT),
    "a router that says prohibited": ("198.51.100.2", "prohibit", Reason.CONNECT),
    "a router that throws away": ("198.51.100.3", "blackhole", Reason.CONNECT),
    "nobody answers": ("203.0.113.1", "dev lo", Reason.CONNECT_TIMEOUT),
}


def in_namespace(loop: str) -> dict[str, list[dict[str, Any]]]:
    """What the probes of all addresses said, by address."""
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is missing: install util-linux and iproute2", pytrace=False)
    commands = ["ip link set lo up"]
    for address, route, _ in ROUTES.values():
        if route is not None:
            dev = route.startswith("dev ")
            commands.append(f"ip route add {'' if dev else route} {address} {route if dev else ''}")
    script = Path(__file__).with_name("unroutable.py")
    addresses = [address for address, _, _ in ROUTES.values()]
    done = subprocess.run(
        [
            "unshare",
            "--net",
            *(() if os.geteuid() == 0 else ("--user", "--map-root-user")),
            "sh",
            "-ec",
            " && ".join([*commands, 'exec "$@"']),
            "sh",
            sys.executable,
            script,
            loop,
            str(TIMEOUT),
            *addresses,
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-300:]
        pytest.fail(f"no network namespace could be made or used here: {said}", pytrace=False)
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def told(request: pytest.FixtureRequest) -> dict[str, list[dict[str, Any]]]:
    return in_namespace(request.param)


@pytest.mark.parametrize("route", ROUTES)
def test_what_cannot_be_routed_is_down_within_the_deadline(
    told: dict[str, list[dict[str, Any]]], route: str
) -> None:
    address, _, reason = ROUTES[route]
    for outcome in told[address]:
        assert (outcome["health"], outcome["reason"]) == ("unhealthy", reason), outcome
        assert outcome["took"] < TIMEOUT + SLACK
        assert outcome["left"] == 0
        if reason is Reason.CONNECT_TIMEOUT:
            assert outcome["took"] >= TIMEOUT - 0.01
            assert outcome["detail"] == "no connection in time"
        else:
            assert outcome["took"] < SLACK
            assert outcome["detail"].startswith("cannot connect: ")
