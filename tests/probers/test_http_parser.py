"""Reading answers: whatever comes, in whatever pieces."""

from __future__ import annotations

import gzip
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.response import Reading, Response

READING = Reading(max_header_bytes=300, max_body_bytes=200)

BODY = b'{"status":"healthy"}'
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + BODY,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6;a=b\r\n"
    + BODY[:6]
    + b"\r\nE\r\n"
    + BODY[6:]
    + b"\r\n0\r\nX-T: y\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + BODY,
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(BODY),
]


def read(pieces: list[bytes], reading: Reading = READING) -> Response:
    """An answer of pieces, after which the connection ends."""
    response = Response(reading)
    try:
        for piece in pieces:
            if response.feed(piece):
                return response
        response.end()
        return response
    finally:
        response.let_go()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Data in pieces, none of them empty."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(st.binary(min_size=1, max_size=100), max_size=20))
def test_garbage_fails_and_nothing_worse(pieces: list[bytes]) -> None:
    with pytest.raises(ProbeFailure):
        read(pieces)


@given(st.sampled_from(ANSWERS), st.lists(st.tuples(st.integers(0, 1000), st.binary(max_size=5))))
def test_damage_is_read_or_fails_and_nothing_worse(
    answer: bytes, damage: list[tuple[int, bytes]]
) -> None:
    for place, other in damage:
        at = place % (len(answer) + 1)
        answer = answer[:at] + other + answer[at + len(other) :]
    try:
        response = read([answer])
    except ProbeFailure:
        return
    assert 101 <= response.status <= 999
    assert len(response.body) == response.body_length <= READING.max_body_bytes


@given(st.sampled_from(ANSWERS), st.lists(st.integers(0, 1000), max_size=20))
def test_pieces_do_not_matter(answer: bytes, places: list[int]) -> None:
    response = read(cut(answer, places))
    assert response.status == 200
    assert response.body == BODY
    assert response.body_length == len(BODY)


@given(st.sampled_from(ANSWERS), st.integers(0, 1000))
def test_answer_that_ends_early_fails(answer: bytes, place: int) -> None:
    try:
        response = read([answer[: place % len(answer)]])
    except ProbeFailure:
        return
    # Where the body lasts until the end of the connection, none at all is a body, too.
    assert b"Content-Length" not in answer
    assert response.body == b""


@pytest.mark.parametrize("members", [100, 101])
def test_so_many_gzip_members_and_no_more(members: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    pieces = [head + gzip.compress(b"x") * members]
    reading = Reading(max_header_bytes=300, max_body_bytes=300)
    if members <= 100:
        assert read(pieces, reading).body == b"x" * members
    else:
        with pytest.raises(ProbeFailure, match="members"):
            read(pieces, reading)
