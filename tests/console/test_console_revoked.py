"""A session that was ended is ended for whoever has kept its cookie; logins come at a pace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from api_serving import environment
from console_serving import HERE, Console, console
from operating import operate
from stores import new_database, sqlite

from exporter.ledger.store import StoreOptions
from exporter.web.console import login
from exporter.web.console.login import LOGINS_A_MINUTE
from programs import Postgres


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Console]:
    async with console(tmp_path, sqlite(tmp_path)) as made:
        yield made


def cookies(served: Console) -> dict[str, str]:
    """Those that the browser has, as somebody would keep who got hold of them."""
    return {one.key: one.value for one in served.client.session.cookie_jar}


async def status(served: Console, kept: dict[str, str]) -> int:
    """What the first page answers to kept cookies: 200, or 303 to log in first."""
    served.client.session.cookie_jar.clear()
    answer = await served.client.get("/", cookies=kept, allow_redirects=False)
    return answer.status


async def soon(served: Console, kept: dict[str, str], expected: int) -> None:
    """Wait until that is answered."""
    async with asyncio.timeout(60):
        while await status(served, kept) != expected:  # noqa: ASYNC110 - it is an answer that changes
            await asyncio.sleep(0.1)


async def test_a_cookie_that_was_kept_is_worth_nothing_after_its_session_was_ended(
    served: Console,
) -> None:
    await served.log_in()
    kept = cookies(served)
    assert await status(served, kept) == 200
    await served.log_in(sub="other@example.com")
    other = cookies(served)
    served.client.session.cookie_jar.clear()
    served.client.session.cookie_jar.update_cookies(kept, served.client.make_url("/"))
    await served.send("/logout")
    assert await status(served, kept) == 303
    assert await status(served, other) == 200


async def test_another_replica_refuses_it_too_and_one_that_is_started_later(
    postgres: Postgres, tmp_path: Path
) -> None:
    shared = StoreOptions(url=new_database(postgres))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    async with console(tmp_path / "b", shared, REPLICA="b") as other:
        async with console(tmp_path / "a", shared, REPLICA="a") as served:
            await served.log_in()
            kept = cookies(served)
            assert await status(other, kept) == 200
            served.client.session.cookie_jar.update_cookies(kept, served.client.make_url("/"))
            await served.send("/logout")
            await soon(other, kept, 303)
        async with console(tmp_path / "a", shared, REPLICA="c") as later:
            await soon(later, kept, 303)


async def test_revoke_ends_what_somebody_has_and_nothing_of_others(
    postgres: Postgres, tmp_path: Path
) -> None:
    shared = StoreOptions(url=new_database(postgres))
    async with console(tmp_path, shared) as served:
        await served.log_in()
        kept, token, others = cookies(served), served.token(), served.token(sub="joe@example.com")

        async def asked(by: str) -> int:
            headers = {"Authorization": f"Bearer {by}"}
            return (await served.client.get("/api/alerts", headers=headers)).status

        assert await asked(token) == 200
        variables = environment(shared)
        assert (await operate(tmp_path, "revoke", "--sub", "\n", **variables)).code == 1
        ended = await operate(tmp_path, "revoke", "--sub", "me@example.com", **variables)
        assert (ended.code, ended.complaint) == (0, "")
        assert ended.last.startswith("done: what was issued to me@example.com until ")
        await soon(served, kept, 303)
        assert await asked(token) == 401
        assert await asked(others) == 200
        refused = await served.client.post("/login", data={"token": token}, headers=HERE)
        assert "the token was revoked" in await refused.text()
        # What is issued in a later second is taken.
        await asyncio.sleep(1.1)
        assert await asked(served.token()) == 200
        await served.log_in()
        audit = await operate(tmp_path, "audit", **variables)
        assert "revoke  no alert  by command" in audit.said
        assert "me@example.com" in audit.said


async def test_revoke_needs_a_store_that_is_there_and_may_be_written(tmp_path: Path) -> None:
    variables = environment(sqlite(tmp_path))
    ended = await operate(tmp_path, "revoke", "--sub", "me", **variables)
    assert (ended.code, "there is no such file" in ended.complaint) == (1, True)
    ended = await operate(tmp_path, "revoke", "--sub", "me", **variables, READ_ONLY="1")
    assert (ended.code, "READ_ONLY is set" in ended.complaint) == (1, True)


async def test_whoever_tries_tokens_has_to_wait_and_others_go_on(
    served: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A login more is had every three seconds, which a busy machine may take for all of them.
    monkeypatch.setattr(login, "time", Mock(monotonic=Mock(return_value=time.monotonic())))
    for number in range(LOGINS_A_MINUTE + 1):
        answer = await served.client.post("/login", data={"token": "guess"}, headers=HERE)
        assert answer.status == (401 if number < LOGINS_A_MINUTE else 429)
    assert 0 < int(answer.headers["Retry-After"]) <= 3
    assert "logins a minute" in await answer.text()
    # A right one waits as well: which are right must not be found out faster.
    right = {"token": served.token()}
    answer = await served.client.post("/login", data=right, headers=HERE, allow_redirects=False)
    assert answer.status == 429
    assert await served.page("/login")
    headers = {"Authorization": f"Bearer {served.token()}"}
    assert (await served.client.get("/api/alerts", headers=headers)).status == 200
