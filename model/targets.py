"""What is probed: HTTP and TCP services and Postgres. Redis is in `model/redis.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import model_validator

from model.conditions import HeaderCondition, JsonCondition, header_mistakes, regexp_mistakes
from model.declared import Declared, refused
from model.durations import Duration, prometheus, seconds
from model.metric import Metric, Scope

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")

# Two failed probes have to fit into the alert's `for`, and one must not: see "From the break to
# the page" in docs/architecture.md before changing any of the three.
DEFAULT_INTERVAL = seconds(5)
DEFAULT_TIMEOUT = seconds(3)
DEFAULT_RETRY = seconds(2)


class Target(Declared):
    """Something that is probed on its own clock.

    `interval`, `timeout` and `retry_interval` are lengths of time; after a success that is
    followed by a failure the next probe starts `retry_interval` after it, so that one lost packet
    is soon known for what it was.
    """

    kind: ClassVar[str]
    name: str
    url: str
    # The environment variable that overrides `url`, and whose NAME_FILE holds it as a secret.
    variable: str
    interval: Duration = DEFAULT_INTERVAL
    timeout: Duration = DEFAULT_TIMEOUT
    retry_interval: Duration = DEFAULT_RETRY
    team: str | None = None

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        mistakes = list(self._mistakes())
        if mistakes:
            raise refused(mistakes)
        return self

    def _mistakes(self) -> list[str]:
        mistakes = []
        if not _NAME.fullmatch(self.name):
            mistakes.append(
                "name: use lower-case letters, digits, '-', '_' and '.', at most 63, "
                "starting and ending with a letter or digit"
            )
        if self.interval < seconds(1):
            mistakes.append(f"interval: {prometheus(self.interval)} is under the least, 1s")
        if self.timeout <= timedelta(0):
            mistakes.append("timeout: must be longer than 0s")
        elif self.timeout >= self.interval:
            mistakes.append(
                f"timeout: {prometheus(self.timeout)} must be shorter than the interval, "
                f"{prometheus(self.interval)}, or probes of one target would overlap"
            )
        if self.retry_interval <= timedelta(0):
            mistakes.append("retry_interval: must be longer than 0s")
        return mistakes + self._variable_mistakes() + self._address_mistakes()

    def _variable_mistakes(self) -> list[str]:
        if re.fullmatch(r"[A-Z][A-Z0-9_]*", self.variable):
            return []
        return ["variable: write an environment variable's name in capitals"]

    def _address_mistakes(self) -> list[str]:
        return url_mistakes(self.url, self.schemes())

    @classmethod
    def schemes(cls) -> tuple[str, ...]:
        """The schemes that a URL of this kind may have."""
        raise NotImplementedError


def url_mistakes(url: str, schemes: tuple[str, ...], *, secret: bool = False) -> list[str]:
    """What is wrong with a URL, in words that never repeat a password; empty if nothing is.

    `secret` says that it comes from the environment or a file, where it may hold credentials.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return ["url: is not a URL: its host or port cannot be read"]
    mistakes = []
    if parts.scheme not in schemes:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        mistakes.append(f"url: must start with {wanted}")
    elif not host:
        mistakes.append("url: has no host")
    if parts.password and not secret:
        mistakes.append(
            "url: a password does not belong in the config, which is compiled into files that "
            "people read; give the whole URL in the environment or in NAME_FILE"
        )
    return mistakes


class NetworkTarget(Target):
    """A target that we connect to ourselves, by TCP or TLS.

    `preferred_ip_protocol` is the family that is tried first, `ip_protocol_fallback` whether the
    other is tried at all. The rest is for TLS: `server_name` is what the certificate has to be
    for, if not the URL's host. Settings that blackbox_exporter has too are named as there.
    """

    preferred_ip_protocol: Literal["ip4", "ip6"] = "ip4"
    ip_protocol_fallback: bool = True
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None
    min_version: Literal["TLS12", "TLS13"] = "TLS12"
    insecure_skip_verify: bool = False

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes()
        if (self.cert_file is None) != (self.key_file is None):
            mistakes.append("cert_file and key_file: give both")
        return mistakes


class HttpTarget(NetworkTarget):
    """Something that answers HTTP requests: what it is asked, and what its answer has to be.

    Regular expressions are Python's, searched for in the text; they are trusted not to backtrack
    for ever.
    """

    variable: str = ""
    # What follows the URL's own path.
    path: str = ""
    statuses: tuple[int, ...] = (200,)
    # What is asked. The method is not changed by keep_alive or redirects 307 and 308.
    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: Mapping[str, str] = {}
    body: str | None = None
    # Files, read again when they change, so that no secret stands here.
    basic_auth_username: str | None = None
    basic_auth_password_file: Path | None = None
    bearer_token_file: Path | None = None
    # What the answer has to be, besides the above.
    fail_if_body_matches_regexp: tuple[str, ...] = ()
    fail_if_body_not_matches_regexp: tuple[str, ...] = ()
    fail_if_header_matches: tuple[HeaderCondition, ...] = ()
    fail_if_header_not_matches: tuple[HeaderCondition, ...] = ()
    json_conditions: tuple[JsonCondition, ...] = ()
    # Bytes; the body's after decompression. A megabyte of JSON is parsed in some 10 ms, which all
    # other probes have to wait for.
    body_size_limit: int = 1 << 20
    header_size_limit: int = 1 << 16
    # Redirects are followed to the same scheme, host and port, and to those of these URLs.
    follow_redirects: bool = True
    max_redirects: int = 10
    allowed_redirects: tuple[str, ...] = ()
    # Uses a connection again: cheaper, but blind to faults of DNS, connecting and certificates.
    keep_alive: bool = False

    @model_validator(mode="before")
    @classmethod
    def _name_variable(cls, settings: dict[str, object]) -> dict[str, object]:
        return with_variable(settings)

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes()
        if self.path and not self.path.startswith("/"):
            mistakes.append("path: must start with /")
        mistakes.extend(
            f"statuses: {status} is not between 200 and 599"
            for status in self.statuses
            if not 200 <= status <= 599
        )
        return mistakes + self._request_mistakes() + self._answer_mistakes()

    def _reads_body(self) -> bool:
        return bool(self.json_conditions)

    def _request_mistakes(self) -> list[str]:
        mistakes = header_mistakes(self.headers)
        if self.method == "HEAD" and self._reads_body():
            mistakes.append("method: HEAD brings no body; set status_field=None, or use GET")
        if self.keep_alive and self.method in {"POST", "PATCH"}:
            mistakes.append(
                f"keep_alive: not with {self.method}, which would be sent twice when a kept "
                "connection turns out to be closed"
            )
        if self.bearer_token_file and self.basic_auth_password_file:
            mistakes.append("bearer_token_file and basic_auth_password_file: give one of them")
        if (self.basic_auth_username is None) != (self.basic_auth_password_file is None):
            mistakes.append("basic_auth_username and basic_auth_password_file: give both")
        return mistakes

    def _answer_mistakes(self) -> list[str]:
        mistakes = [
            f"{setting}: must be at least 1 byte"
            for setting in ("body_size_limit", "header_size_limit")
            if getattr(self, setting) < 1
        ]
        if self.max_redirects < 0:
            mistakes.append("max_redirects: must not be negative; 0 fails on every redirect")
        for url in self.allowed_redirects:
            mistakes.extend(
                f"allowed_redirects: {one}" for one in url_mistakes(url, self.schemes())
            )
        for setting in ("fail_if_body_matches_regexp", "fail_if_body_not_matches_regexp"):
            mistakes.extend(regexp_mistakes(setting, getattr(self, setting)))
        return mistakes

    @classmethod
    def schemes(cls) -> tuple[str, ...]:
        return ("http", "https")


class Service(HttpTarget):
    """A service of the platform, probed by HTTP.

    `port` is short for `url="http://<name>:<port>"`. It is up when the answer has one of
    `statuses` and a JSON body whose `status` is in `up` or `degraded`; anything else, or none, is
    down. `metrics_path` is where Prometheus scrapes it, None if it has no metrics; `exposes` are
    metrics that it has to have there, so that one which lacks them is told from one without errors.
    `memory_limit` is how many bytes each of its instances may have, as its deployment says.
    """

    kind: ClassVar[str] = "http"
    noun: ClassVar[str | None] = "Service"
    port: int | None = None
    url: str = ""
    path: str = "/health"
    metrics_path: str | None = "/metrics"
    exposes: tuple[Metric, ...] = ()
    memory_limit: int | None = None
    up: tuple[str, ...] = ("healthy", "ok", "ready")
    degraded: tuple[str, ...] = ("degraded",)
    # None: whatever has answered is what counts (the status code alone), without a JSON body.
    status_field: str | None = "status"
    # Targets without which it cannot work: when one is dead, its own symptoms wake nobody as well.
    depends_on: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, settings: dict[str, object]) -> dict[str, object]:
        name, port = settings.get("name"), settings.get("port")
        filled = dict(settings)
        if "url" not in settings and isinstance(name, str) and isinstance(port, int):
            filled["url"] = f"http://{name}:{port}"
        return filled

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes()
        if not self.path:
            mistakes.append("path: must start with /")
        if self.metrics_path is not None and not self.metrics_path.startswith("/"):
            mistakes.append("metrics_path: must start with /")
        if self.metrics_path is None and self.exposes:
            mistakes.append("exposes: give a metrics_path, or Prometheus cannot see them")
        mistakes.extend(
            f"exposes: {metric.name} is not a metric of services"
            for metric in self.exposes
            if metric.scope is not Scope.SERVICE or "service" not in metric.labels
        )
        if self.memory_limit is not None and self.memory_limit < 1:
            mistakes.append("memory_limit: must be at least 1 byte, such as 512 << 20")
        if both := sorted(set(self.up) & set(self.degraded)):
            mistakes.append(f"up and degraded: {', '.join(both)} cannot be both")
        return mistakes

    def _reads_body(self) -> bool:
        return self.status_field is not None or super()._reads_body()

    def _address_mistakes(self) -> list[str]:
        if self.port is not None and not 0 < self.port < 65536:
            return [f"port: {self.port} is not between 1 and 65535"]
        return super()._address_mistakes() if self.url else ["give its port, or its url"]


def service_variable(name: str) -> str:
    """The environment variable that overrides a service's URL: `AUTH_SERVICE_URL`."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper()) + "_URL"


def with_variable(settings: dict[str, object]) -> dict[str, object]:
    """Settings with the variable that a target's name stands for, unless they name one."""
    name = settings.get("name")
    if "variable" in settings or not isinstance(name, str):
        return settings
    return {**settings, "variable": service_variable(name)}


class Postgres(Target):
    """A Postgres server, probed by connecting to it and by its statistics views."""

    kind: ClassVar[Literal["postgres"]] = "postgres"
    noun: ClassVar[str | None] = "Postgres"
    name: str = "postgresql"
    url: str = "postgresql://monitoring@postgresql:5432/monitoring_prod"
    variable: str = "DATABASE_URL"

    @classmethod
    def schemes(cls) -> tuple[str, ...]:
        return ("postgresql", "postgres")


class TcpService(NetworkTarget):
    """A service that is up when a TCP connection can be made, and what it says is expected.

    `url` is `tcp://host:port`, or `tls://host:port` for TLS.
    `send` is sent after connecting; `expect` is a regular expression that is searched for in what
    comes back, of which no more than `answer_size_limit` bytes are read.
    """

    kind: ClassVar[Literal["tcp"]] = "tcp"
    noun: ClassVar[str | None] = "TCP service"
    variable: str = ""
    send: str | None = None
    expect: str | None = None
    answer_size_limit: int = 1 << 16

    @model_validator(mode="before")
    @classmethod
    def _name_variable(cls, settings: dict[str, object]) -> dict[str, object]:
        return with_variable(settings)

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes()
        if not mistakes and urlsplit(self.url).port is None:
            mistakes.append("url: has no port")
        if self.expect is not None:
            mistakes.extend(regexp_mistakes("expect", (self.expect,)))
        if self.answer_size_limit < 1:
            mistakes.append("answer_size_limit: must be at least 1 byte")
        return mistakes

    @classmethod
    def schemes(cls) -> tuple[str, ...]:
        return ("tcp", "tls")
