"""nginx as the platform: healthy services on many ports, and a log of every connection."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import trustme

from programs import find
from programs.process import HOST
from programs.server import ANSWER_SECONDS, Server, request

_ANSWER = '{"status":"healthy","service":"bench","uptime":12345.678}'

_CONFIG = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
worker_rlimit_nofile 20000;
events {{ worker_connections 10000; multi_accept on; }}
http {{
    log_format bench '$connection_requests $server_port $ssl_session_reused $http_user_agent';
    access_log {log} bench;
    client_body_temp_path {directory}/tmp;
    proxy_temp_path {directory}/tmp;
    fastcgi_temp_path {directory}/tmp;
    uwsgi_temp_path {directory}/tmp;
    scgi_temp_path {directory}/tmp;
    keepalive_requests 1000000;
    server {{
{plain}
        {location}
    }}
    server {{
{secure}
        ssl_certificate {directory}/chain.pem;
        ssl_certificate_key {directory}/key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache off;
        ssl_session_tickets off;
        {location}
    }}
}}
"""
_OWN_AGENT = "Python-urllib"
_POLL_SECONDS = 0.01
_LOCATION = "location / {{ default_type application/json; return 200 '{answer}'; }}"


@dataclass(frozen=True, slots=True)
class Connections:
    """What the log says of a stretch of time: requests, and how many came over new connections.

    `resumed` are those whose TLS session was resumed, so that there was no full handshake.
    """

    requests: int
    new: int
    resumed: int


class Nginx(Server):
    """nginx on `plain` ports by HTTP and `secure` ports by HTTPS, one process without workers.

    Its certificate is for 127.0.0.1, of an authority whose own is in `ca_file`. Raises
    MissingProgramError.
    """

    name: ClassVar[str] = "nginx"

    def __init__(self, directory: Path, *, plain: int, secure: int) -> None:
        super().__init__(directory)
        self._counts = (plain, secure)
        self._program = find("nginx")
        self._ports: list[int] = []

    @property
    def urls(self) -> list[str]:
        """The base URL of every port that answers by HTTP."""
        return [f"http://{HOST}:{port}" for port in self._ports[: self._counts[0]]]

    @property
    def secure_urls(self) -> list[str]:
        """The base URL of every port that answers by HTTPS."""
        return [f"https://{HOST}:{port}" for port in self._ports[self._counts[0] :]]

    @property
    def ca_file(self) -> Path:
        """The authority that signed its certificate."""
        return self.directory / "ca.pem"

    @property
    def access_log(self) -> Path:
        """One line a request."""
        return self.directory / "access.log"

    def position(self) -> int:
        """Where the log ends now."""
        return self.access_log.stat().st_size

    def settle(self) -> None:
        """Wait until the log has what is over: nginx writes the line after the answer's last byte.

        It does one thing after another, so that a request of ours marks the end of those before.
        """
        since = self.position()
        request(f"{self.url}/health")
        while not self.connections(since, _OWN_AGENT).requests:
            time.sleep(_POLL_SECONDS)

    def connections(self, since: int, agent: str) -> Connections:
        """What the log says after a position of clients whose User-Agent starts so."""
        with self.access_log.open("rb") as file:
            file.seek(since)
            lines = file.read().decode().splitlines()
        rows = [line.split(" ", 3) for line in lines]
        mine = [row for row in rows if len(row) == 4 and row[3].startswith(agent)]
        return Connections(
            requests=len(mine),
            new=Counter(row[0] for row in mine)["1"],
            resumed=sum(row[2] == "r" for row in mine),
        )

    def _prepare(self) -> None:
        super()._prepare()
        (self.directory / "tmp").mkdir(exist_ok=True)
        if not self.ca_file.exists():
            self._certify()
        self._ports = free_ports(sum(self._counts))
        self._port = self._ports[0]
        plain, secure = self._ports[: self._counts[0]], self._ports[self._counts[0] :]
        config = _CONFIG.format(
            directory=self.directory,
            log=self.access_log,
            plain=_listen(plain, ""),
            secure=_listen(secure, " ssl"),
            location=_LOCATION.format(answer=_ANSWER),
        )
        (self.directory / "nginx.conf").write_text(config)

    def _certify(self) -> None:
        authority = trustme.CA()
        leaf = authority.issue_cert(HOST)
        authority.cert_pem.write_to_path(self.ca_file)
        leaf.private_key_pem.write_to_path(self.directory / "key.pem")
        for number, blob in enumerate(leaf.cert_chain_pems):
            blob.write_to_path(self.directory / "chain.pem", append=number > 0)

    def _command(self) -> Sequence[str | Path]:
        return (self._program, "-p", self.directory, "-c", self.directory / "nginx.conf")

    def _answers(self) -> bool:
        try:
            status, _ = request(f"{self.url}/health", timeout=ANSWER_SECONDS)
        except OSError:
            return False
        return status == 200


def free_ports(count: int) -> list[int]:
    """So many different ports of 127.0.0.1 on which nobody listens now."""
    with ExitStack() as held:
        ports = []
        for _ in range(count):
            sock = held.enter_context(socket.socket())
            sock.bind((HOST, 0))
            ports.append(sock.getsockname()[1])
        return ports


def _listen(ports: Sequence[int], options: str) -> str:
    return "\n".join(f"        listen {HOST}:{port}{options} backlog=4096;" for port in ports)
