"""What must hold for every answer, whatever a target sends: shared by fuzzing and its regression.

An input is four bytes that say how to read, then what the target sends.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.response import FRAMING, Reading, Response
from exporter.probers.result import Reason

# Settings, then what the places to cut at are drawn from.
CONTROL = 4
_HEADER_LIMITS = (64, 300, 4096, 1 << 16)
_BODY_LIMITS = (1, 64, 1000, 1 << 20)
# Byte by byte costs a call for each.
_MOST_SINGLE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reader makes of an answer; all but `reason` are of one that was read.

    `unread` is how many bytes were left when it was complete.
    """

    reason: Reason | None
    unread: int = 0
    status: int = 0
    version: str = ""
    length: int = -1
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


def check(given: bytes) -> None:
    """Raise AssertionError, or what the reader should not have raised."""
    control, answer = given[:CONTROL].ljust(CONTROL, b"\0"), given[CONTROL:]
    reading = _reading(control[0])
    whole = _read(reading, [answer])
    _check_limits(whole, reading)
    seed = int.from_bytes(control[1:], "big")
    for pieces in _cuts(answer, random.Random(seed)):  # noqa: S311 - reproducible, not secret
        in_pieces = _read(reading, pieces)
        assert _agree(whole, in_pieces), f"{in_pieces} in pieces, {whole} as a whole"


def _agree(whole: Outcome, in_pieces: Outcome) -> bool:
    """Whether two outcomes are the same as far as that can be.

    Whoever reads an answer to its end does not wait for what comes after it; if that comes along
    in the last piece, it is told as what it is, a fault. Of two faults in one answer (a body that
    is too large and, further on, broken) either may be seen first.
    """
    if {whole.reason, in_pieces.reason} == {Reason.PROTOCOL, Reason.TOO_LARGE}:
        return True
    if in_pieces.unread and whole.reason is Reason.PROTOCOL:
        return True
    return replace(in_pieces, unread=0) == whole


def _reading(settings: int) -> Reading:
    return Reading(
        max_header_bytes=_HEADER_LIMITS[settings & 3],
        max_body_bytes=_BODY_LIMITS[settings >> 2 & 3],
        headers=FRAMING | {b"location", b"x-a"},
        only_headers=bool(settings & 16),
        keep_alive=bool(settings & 32),
    )


def _read(reading: Reading, pieces: list[bytes]) -> Outcome:
    response = Response(reading)
    try:
        unread = _feed(response, pieces)
        assert response.body_length == len(response.body)
        return Outcome(
            None,
            unread,
            response.status,
            response.version,
            response.length,
            tuple(response.headers),
            response.body,
        )
    except ProbeFailure as failure:
        return Outcome(failure.reason)
    finally:
        response.let_go()


def _feed(response: Response, pieces: list[bytes]) -> int:
    for number, piece in enumerate(pieces, 1):
        if response.feed(piece):
            return sum(map(len, pieces[number:]))
    response.end()
    return 0


def _check_limits(outcome: Outcome, reading: Reading) -> None:
    if outcome.reason is not None:
        return
    assert 101 <= outcome.status <= 999
    assert len(outcome.body) <= reading.max_body_bytes
    kept = sum(len(name) + len(value) for name, value in outcome.headers)
    assert kept <= reading.max_header_bytes
    assert not (reading.only_headers and outcome.body)


def _cuts(answer: bytes, choice: random.Random) -> Iterator[list[bytes]]:
    """The answer in pieces, none of them empty."""
    if len(answer) <= _MOST_SINGLE_BYTES:
        yield [answer[place : place + 1] for place in range(len(answer))]
    places = sorted({choice.randrange(1, len(answer)) for _ in range(4)} if answer[1:] else ())
    edges = [0, *places, len(answer)]
    pieces = (answer[start:end] for start, end in itertools.pairwise(edges))
    yield [piece for piece in pieces if piece]
