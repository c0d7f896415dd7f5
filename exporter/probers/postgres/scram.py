"""Logging in with a password: SCRAM-SHA-256 (RFC 5802, RFC 7677) and md5."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field

from exporter.probers.failure import ProbeFailure
from exporter.probers.result import Reason

MECHANISM = b"SCRAM-SHA-256"
# Hashing so many rounds takes a second or two. Postgres' default is 4,096.
_MOST_ITERATIONS = 5_000_000
# No channel binding: `n,,` (RFC 5802, section 7).
_HEADER = b"n,,"


@dataclass(frozen=True, slots=True)
class Keys:
    """What a password is hashed to for a salt; as secret as the password."""

    salt: bytes
    iterations: int
    client: bytes = field(repr=False)
    server: bytes = field(repr=False)

    @classmethod
    def of(cls, password: str, salt: bytes, iterations: int) -> Keys:
        """Hash a password: 1 to 3 ms of CPU for 4,096 rounds. It lets other threads run."""
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
        return cls(salt, iterations, _hmac(salted, b"Client Key"), _hmac(salted, b"Server Key"))


class Exchange:
    """One login. Each method raises ProbeFailure if the server's message is not one."""

    __slots__ = (
        "_first",
        "_nonce",
        "_said",
        "_signature",
        "begun",
        "finished",
        "iterations",
        "salt",
    )

    def __init__(self) -> None:
        self._nonce = b64encode(secrets.token_bytes(18))
        # Postgres takes the user from the startup message.
        self._first = b"n=,r=" + self._nonce
        self._said = b""
        self._signature = b""
        self.salt = b""
        self.iterations = 0
        self.begun = self.finished = False

    def first(self) -> bytes:
        """The client's first message."""
        self.begun = True
        return _HEADER + self._first

    def read_first(self, message: bytes) -> None:
        """Take the server's first message: its part of the nonce, the salt, the iterations."""
        fields = _fields(message)
        nonce = fields.get(b"r", b"")
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise _wrong("its nonce is not ours")
        try:
            self.salt = b64decode(fields.get(b"s", b""), validate=True)
            self.iterations = int(fields.get(b"i", b""))
        except ValueError:
            raise _wrong("it has no salt or no iterations") from None
        if not self.salt or not 0 < self.iterations <= _MOST_ITERATIONS:
            raise _wrong(f"it wants {self.iterations} iterations")
        self._nonce, self._said = nonce, message

    def final(self, keys: Keys) -> bytes:
        """The client's final message."""
        said = b"c=" + b64encode(_HEADER) + b",r=" + self._nonce
        together = b",".join((self._first, self._said, said))
        stored = hashlib.sha256(keys.client).digest()
        proof = _xor(keys.client, _hmac(stored, together))
        self._signature = _hmac(keys.server, together)
        return said + b",p=" + b64encode(proof)

    def read_final(self, message: bytes) -> None:
        """Check that the server knows the password, too."""
        if not self._signature or _fields(message).get(b"v") != b64encode(self._signature):
            raise _wrong("its signature is wrong: it does not know the password")
        self.finished = True


def md5(user: str, password: str, salt: bytes) -> bytes:
    """The answer to AuthenticationMD5Password."""
    inner = hashlib.md5(password.encode() + user.encode()).hexdigest()  # noqa: S324 - Postgres'
    return b"md5" + hashlib.md5(inner.encode() + salt).hexdigest().encode()  # noqa: S324


def _fields(message: bytes) -> dict[bytes, bytes]:
    pairs = (field.partition(b"=") for field in message.split(b","))
    return {name: value for name, _, value in pairs}


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _wrong(why: str) -> ProbeFailure:
    return ProbeFailure(Reason.AUTH, f"the server's SCRAM message cannot be accepted: {why}")
