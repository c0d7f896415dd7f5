"""When bytes have arrived: by the kernel's stamp, which is true however late we come to read them.

Between an arrival and its reading the event loop may be answering a scrape, or the machine may be
doing something else; that is no part of what the target took.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from time import time

from exporter.probers.http.clock import now

# socket(7); Python has no name for it. Its message is a timespec: two longs.
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@ll")
_unpack = _TIMESPEC.unpack
# Room for the stamp beside what is received.
ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size)

_Ancillary = Sequence[tuple[int, int, bytes]]


def stamp_arrivals(sock: socket.SocketType) -> None:
    """Have the kernel stamp what a socket receives from now on. OSError if it does not do that."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def stamping() -> socket.socket | None:
    """A socket that keeps the kernel stamping as long as it is open; None if it does not do that.

    The kernel patches its own code when the first socket asks and when the last one is gone
    (net_enable_timestamp in net/core/dev.c), which would be at every probe.
    """
    keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        stamp_arrivals(keeper)
    except OSError:
        keeper.close()
        return None
    return keeper


def arrived_at(ancillary: _Ancillary, earliest: float) -> float:
    """When the last of what was received has arrived, in seconds of `clock.now`.

    Now, if it is not stamped; never before `earliest`, should somebody have set the clock.
    """
    at = now()
    if not ancillary:
        return at
    seconds, nanoseconds = _unpack(ancillary[0][2])
    late = time() - seconds - nanoseconds * 1e-9
    return max(earliest, at - late) if late > 0 else at
