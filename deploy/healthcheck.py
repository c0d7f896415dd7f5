"""The container's health check: exit status 0 if the service answers that it lives, else 1.

Only the standard library, so that it costs little every ten seconds. PORT is the service's.
"""

from __future__ import annotations

import http.client
import os
import sys

_SECONDS = 2.0


def main() -> int:
    """Ask once; says why on standard error, where `docker inspect` shows it."""
    port = int(os.environ.get("PORT") or 3017)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", "/-/healthy")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer on port {port}: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    if status != http.client.OK:
        print(f"port {port} answers {status}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
