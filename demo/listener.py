"""How a listener is closed without losing whom it has just accepted."""

from __future__ import annotations

import asyncio


async def accept_no_more(listener: asyncio.Server) -> None:
    """Wait until its protocols know whom it has accepted; others the kernel turns away.

    A socket of which asyncio knows when the listener is closed, but which it has not come round to,
    it would leave open, and nobody would find it.
    """
    loop = asyncio.get_running_loop()
    for listening in listener.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(5):
        await asyncio.sleep(0)
