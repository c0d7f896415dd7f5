"""The body of another server's answer, read with a deadline and up to a size."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

_SECONDS = aiohttp.ClientTimeout(total=10, sock_connect=3)
# Tens of thousands of alerts, or an hour of what a thousand of them did.
_LARGEST = 64 * 2**20


class NoAnswerError(Exception):
    """A server did not answer as it should; says why."""


async def get(
    session: aiohttp.ClientSession, url: str, params: Mapping[str, str] | None = None
) -> bytes:
    """The body of a GET that is answered by 200. Raises NoAnswerError."""
    try:
        async with session.get(
            url, params=params, timeout=_SECONDS, allow_redirects=False
        ) as answer:
            if answer.status != 200:
                raise NoAnswerError(f"it answers {answer.status}")
            parts = []
            size = 0
            async for part in answer.content.iter_chunked(2**16):
                size += len(part)
                if size > _LARGEST:
                    raise NoAnswerError(f"its answer is larger than {_LARGEST} bytes")
                parts.append(part)
            return b"".join(parts)
    except TimeoutError:
        raise NoAnswerError(f"it does not answer in {_SECONDS.total:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise NoAnswerError(str(error)[:200] or type(error).__name__) from None
