"""Stand-ins for what others run, so that the demo calls nobody on the internet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from model.conditions import path_steps
from model.json_target import JsonTarget

_HOST = "127.0.0.1"
_SHUTDOWN_SECONDS = 1.0


@dataclass(frozen=True)
class External:
    """The pages that stand for others', and where each is."""

    urls: Mapping[str, str]
    documents: dict[str, dict[str, Any]]

    def break_down(self, target: JsonTarget) -> None:
        """Say that it is down. ValueError if the target's document has no word for that."""
        if target.state is None or not target.state.down:
            raise ValueError(f"{target.name} has no word for being down")
        _put(self.documents[target.name], path_steps(target.state.path), target.state.down[0])

    def repair(self, target: JsonTarget) -> None:
        """Say again that all is well."""
        self.documents[target.name] = document(target)


@asynccontextmanager
async def serving(targets: Sequence[JsonTarget]) -> AsyncIterator[External]:
    """Serve documents in which all is well. OSError if no port is free."""
    documents = {target.name: document(target) for target in targets}

    async def answer(request: web.BaseRequest) -> web.Response:
        found = documents.get(request.path.strip("/"))
        if found is None:
            return web.json_response({"error": "Not found"}, status=404)
        return web.json_response(found)

    runner = web.ServerRunner(
        web.Server(answer, access_log=None), shutdown_timeout=_SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, _HOST, 0)
        await site.start()
        _, port, *_ = runner.addresses[0]
        yield External({name: f"http://{_HOST}:{port}/{name}" for name in documents}, documents)
    finally:
        await runner.cleanup()


def document(target: JsonTarget) -> dict[str, Any]:
    """A document in which everything that a target reads is there, and well."""
    made: dict[str, Any] = {}
    for value in target.values:
        _put(made, path_steps(value.path), 0)
    if target.state is not None:
        _put(made, path_steps(target.state.path), target.state.up[0])
    return made


def _put(made: dict[str, Any], steps: tuple[str, ...], value: object) -> None:
    for step in steps[:-1]:
        made = made.setdefault(step, {})
    made[steps[-1]] = value
