"""What the ledger knows of an alert: each time that it fired, and what people made of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import aiohttp

from model.visible import printable
from rules.backtest.asked import Server
from rules.backtest.prometheus import connected

_PAGE = 500
# A thousand pages are half a million alerts of one name.
_MOST_PAGES = 1000
_SECONDS = aiohttp.ClientTimeout(total=60, sock_connect=5)
_ATTEMPTS = 3
_LONGEST_PAUSE = 60


class LedgerError(Exception):
    """The ledger does not tell what it knows; says why and what to do."""


class Judgement(StrEnum):
    """What people made of an alert."""

    REAL = "real"
    FALSE = "false positive"
    UNKNOWN = "not judged"


@dataclass(frozen=True, slots=True)
class Episode:
    """A time that an alert fired, in unix seconds. `end` is None while it still does."""

    id: str
    labels: Mapping[str, str]
    start: float
    end: float | None
    judgement: Judgement


async def episodes(server: Server, name: str, since: datetime, until: datetime) -> list[Episode]:
    """Every time that alerts of a name began to fire, from the archives too.

    Real is what somebody has acknowledged and nobody has marked as a false positive. Raises
    LedgerError.
    """
    asked = {
        "name": name,
        "from": since.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "to": until.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "limit": str(_PAGE),
    }
    found: list[Episode] = []
    async with connected(server) as session:
        for _ in range(_MOST_PAGES):
            answer = await _page(session, server.url, asked)
            try:
                found += [_episode(one) for one in answer["alerts"]]
                cursor = answer["next"]
            except (KeyError, TypeError, ValueError, AttributeError):
                raise LedgerError(f"{server.url}: its answer is not that of the API") from None
            if cursor is None:
                return sorted(found, key=lambda one: one.start)
            asked["cursor"] = str(cursor)
    raise LedgerError(f"{server.url} has more than {_PAGE * _MOST_PAGES} alerts {name}")


async def _page(
    session: aiohttp.ClientSession, url: str, asked: Mapping[str, str]
) -> dict[str, Any]:
    why = ""
    for _ in range(_ATTEMPTS):
        try:
            async with session.get(
                f"{url}/api/alerts/history", params=asked, timeout=_SECONDS, allow_redirects=False
            ) as response:
                if response.status == 429:
                    # It says after how many seconds it may be asked again.
                    why = "it is asked too often"
                    pause = response.headers.get("Retry-After", "")
                    await asyncio.sleep(min(int(pause) if pause.isdecimal() else 1, _LONGEST_PAUSE))
                    continue
                answer = await _json(response)
        except (aiohttp.ClientError, OSError) as error:
            why = printable(str(error)) or type(error).__name__
            continue
        if response.status == 200 and isinstance(answer, dict):
            return answer
        raise LedgerError(_refused(url, response.status, answer))
    raise LedgerError(f"the ledger at {url} does not answer: {why}")


async def _json(response: aiohttp.ClientResponse) -> Any:
    try:
        return json.loads(await response.read())
    except (ValueError, RecursionError):
        return None


def _refused(url: str, status: int, answer: Any) -> str:
    said = printable(str(answer.get("error", ""))) if isinstance(answer, dict) else ""
    if status in (401, 403):
        hint = "; --ledger-token-file takes a file with a token of the role viewer"
        return f"the ledger at {url} refuses us: {said or status}{hint}"
    return f"the ledger at {url} answers {status}: {said or 'is it the exporter?'}"


def _episode(one: Any) -> Episode:
    if one["falsePositive"]:
        judgement = Judgement.FALSE
    else:
        judgement = Judgement.REAL if one["acknowledgedAt"] else Judgement.UNKNOWN
    return Episode(
        id=str(one["id"]),
        labels={str(name): str(value) for name, value in one["labels"].items()},
        start=datetime.fromisoformat(one["startsAt"]).timestamp(),
        end=None if one["endsAt"] is None else datetime.fromisoformat(one["endsAt"]).timestamp(),
        judgement=judgement,
    )
