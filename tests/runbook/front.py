"""nginx with deploy/nginx.conf, in front of an exporter, and the certificate that it shows."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import trustme
from printed import ROOT

from programs import find, free_port
from programs.server import ANSWER_SECONDS, Server

NAME = "monitoring.tickettoken.com"

_MAIN = """\
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{}}
http {{
access_log off;
client_body_temp_path {directory}/body;
proxy_temp_path {directory}/proxy;
fastcgi_temp_path {directory}/fastcgi;
uwsgi_temp_path {directory}/uwsgi;
scgi_temp_path {directory}/scgi;
{servers}
}}
"""


class Front(Server):
    """A real nginx that ends TLS as deploy/nginx.conf says. Raises MissingProgramError.

    Of that file only ports, the exporter's address and the directory of certificates differ.
    """

    name: ClassVar[str] = "nginx"
    scheme: ClassVar[str] = "https"

    def __init__(self, directory: Path, exporter: str) -> None:
        super().__init__(directory)
        self._exporter = exporter
        self._program = find("nginx")
        self._authority = trustme.CA()

    @property
    def authority(self) -> trustme.CA:
        """Who signs its certificates."""
        return self._authority

    def renew(self, not_after: datetime) -> None:
        """Put a certificate where certbot puts it; nginx reads it at its next reload."""
        issued = self._authority.issue_cert(NAME, not_after=not_after)
        issued.private_key_pem.write_to_path(self.directory / "privkey.pem")
        for number, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(self.directory / "fullchain.pem", append=number > 0)

    def command(self, *arguments: str) -> list[str]:
        """nginx itself, as a person calls it who wants this one."""
        where = ("-p", str(self.directory), "-c", str(self.directory / "nginx.conf"))
        return [str(self._program), *where, *arguments]

    def _prepare(self) -> None:
        super()._prepare()
        text = (ROOT / "deploy" / "nginx.conf").read_text()
        for printed, here in (
            ("listen 80;", f"listen {self.host}:{free_port()};"),
            ("listen [::]:80;", ""),
            ("listen 443 ssl;", f"listen {self.host}:{self.port} ssl;"),
            ("listen [::]:443 ssl;", ""),
            (f"/etc/letsencrypt/live/{NAME}", str(self.directory)),
            ("http://127.0.0.1:3017", self._exporter),
        ):
            assert printed in text, f"deploy/nginx.conf has no {printed}"
            text = text.replace(printed, here)
        main = _MAIN.format(directory=self.directory, servers=text)
        (self.directory / "nginx.conf").write_text(main)

    def _command(self) -> Sequence[str | Path]:
        return self.command()

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), ANSWER_SECONDS):
                return True
        except OSError:
            return False
