"""People's tokens: whatever is forged, stale or of another purpose is refused, and says why."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from exporter.settings import Settings, read_settings
from exporter.web.identity import Identity, Role
from exporter.web.tokens import LONGEST_LIFE, TokenRefusedError, identity_of, mint, verified

SECRET = "secret-of-people-0123456789-0123456789"
SETTINGS = read_settings({"JWT_SECRET": SECRET})
LEEWAY = timedelta(seconds=30)


def verify(token: str, settings: Settings) -> Identity:
    return identity_of(verified(token, settings, settings.jwt_audience))


def claims(**changed: Any) -> dict[str, Any]:
    """Those of a token that is accepted, with changes: a time is one from now, None leaves out."""
    now = int(time.time())
    right = {
        "sub": "me@example.com",
        "role": "responder",
        "iss": "tickettoken",
        "aud": "tickettoken-platform",
        "iat": now,
        "exp": now + 600,
    }
    return {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in (right | changed).items()
        if value is not None
    }


def signed(payload: dict[str, Any], key: str = SECRET, **header: Any) -> str:
    """A token of HS256, whatever its header says."""
    parts = [json.dumps({"typ": "JWT", "alg": "HS256"} | header), json.dumps(payload)]
    text = ".".join(encoded(part.encode()) for part in parts)
    return f"{text}.{encoded(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def refusal(token: str, settings: Settings = SETTINGS) -> str:
    """Why a token is refused."""
    with pytest.raises(TokenRefusedError) as refused:
        verify(token, settings)
    assert SECRET not in str(refused.value)
    return str(refused.value)


# --- refused ------------------------------------------------------------------------------------


def without_signature() -> str:
    return jwt.encode(claims(), None, algorithm="none")  # type: ignore[arg-type] # as attackers do


def with_signature_cut_off() -> str:
    return signed(claims()).rpartition(".")[0] + "."


def signed_by_another_hash() -> str:
    return jwt.encode(claims(), SECRET * 2, algorithm="HS512")


def signed_by_a_private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(claims(), key, algorithm="RS256")


def signed_by_hmac_with_a_public_key() -> str:
    """Who mixes RS256 and HS256 up takes a public key, which everybody has, for the secret."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    public = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return signed(claims(), public.decode())


def that_says_rs256_and_is_hs256() -> str:
    return signed(claims(), alg="RS256")


def with_another_payload() -> str:
    header, _, signature = signed(claims(role="viewer")).split(".")
    return f"{header}.{encoded(json.dumps(claims(role='admin')).encode())}.{signature}"


def that_brings_its_own_key() -> str:
    key = "key-of-an-attacker-0123456789-0123456789"
    own = {"kty": "oct", "k": encoded(key.encode()), "alg": "HS256"}
    return signed(claims(), key, jwk=own, jku="http://127.0.0.1:1/keys", x5u="http://127.0.0.1:1/")


@pytest.mark.parametrize(
    "make",
    [
        without_signature,
        with_signature_cut_off,
        signed_by_another_hash,
        signed_by_a_private_key,
        signed_by_hmac_with_a_public_key,
        that_says_rs256_and_is_hs256,
        with_another_payload,
        that_brings_its_own_key,
    ],
)
def test_a_token_that_we_have_not_signed_is_refused(make: Callable[[], str]) -> None:
    assert refusal(make()) in ("the token is not signed by us", "this is no token of ours")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "HS384", "ES256", "", None])
def test_no_algorithm_but_hs256_is_accepted_by_any_spelling(algorithm: str | None) -> None:
    refusal(signed(claims(), alg=algorithm))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"exp": None}, 'no "exp"'),
        ({"iat": None}, 'no "iat"'),
        ({"sub": None}, 'no "sub"'),
        ({"aud": None}, 'no "aud"'),
        ({"iss": None}, 'no "iss"'),
        ({"exp": -LEEWAY - timedelta(seconds=5)}, "expired"),
        ({"iat": LEEWAY + timedelta(seconds=600)}, "not valid yet"),
        ({"nbf": LEEWAY + timedelta(seconds=600)}, "not valid yet"),
        ({"aud": "another"}, "audience"),
        ({"aud": ["another", "one-more"]}, "audience"),
        ({"iss": "another"}, "issuer"),
        ({"iss": "tickettoken.evil.example"}, "issuer"),
        ({"role": None}, '"role"'),
        ({"role": "root"}, '"role"'),
        ({"role": "Admin"}, '"role"'),
        ({"role": ["admin"]}, '"role"'),
        ({"sub": ""}, '"sub"'),
        ({"sub": "  "}, '"sub"'),
        ({"sub": "a\nforged log line"}, '"sub"'),
        ({"sub": "nul\0"}, '"sub"'),
        ({"sub": "x" * 255}, '"sub"'),
        ({"exp": "never"}, "no token of ours"),
        ({"sub": 7}, "no token of ours"),
    ],
)
def test_a_token_that_says_something_wrong_is_refused_and_told_what(
    changed: dict[str, Any], why: str
) -> None:
    assert why in refusal(signed(claims(**changed)))


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "x" * 5000,
        "é.é.é",
        f"{encoded(b'[' * 2500)}.{encoded(b'{}')}.",
        f"{encoded(b'null')}.{encoded(b'null')}.{encoded(b'')}",
        signed(claims(more="x" * 4096)),
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    refusal(token)


def test_a_payload_that_is_too_deep_is_refused() -> None:
    header = encoded(json.dumps({"alg": "HS256"}).encode())
    text = f"{header}.{encoded(b'[' * 2500)}"
    refusal(f"{text}.{encoded(hmac.digest(SECRET.encode(), text.encode(), hashlib.sha256))}")


def test_a_token_of_another_secret_audience_or_issuer_of_ours_is_refused() -> None:
    token = mint(SETTINGS, "me", "admin", timedelta(hours=1))
    for variable, value in (
        ("JWT_SECRET", "another-secret-0123456789-0123456789"),
        ("JWT_AUDIENCE", "another"),
        ("JWT_ISSUER", "another"),
    ):
        refusal(token, read_settings({"JWT_SECRET": SECRET, variable: value}))


# --- accepted -----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "responder", "admin"])
def test_a_token_that_we_mint_is_accepted(role: Role) -> None:
    token = mint(SETTINGS, "me@example.com", role, timedelta(hours=12))
    assert verify(token, SETTINGS) == Identity("me@example.com", role)


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": -LEEWAY + timedelta(seconds=20)},
        {"iat": LEEWAY - timedelta(seconds=20)},
        {"aud": ["tickettoken-platform", "another"]},
        {"sub": "Zoë 名前"},
        {"role": "ingest"},
    ],
)
def test_clocks_may_differ_a_little_and_names_may_be_anybodys(changed: dict[str, Any]) -> None:
    verify(signed(claims(**changed)), SETTINGS)


def test_where_keys_are_said_to_be_is_not_looked_at() -> None:
    verify(signed(claims(), jku="http://127.0.0.1:1/keys", jwk={}, x5u="http://x"), SETTINGS)


# --- minting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("life", [timedelta(0), timedelta(hours=-1), LONGEST_LIFE * 1.01])
def test_a_token_lives_for_a_while_and_not_for_ever(life: timedelta) -> None:
    with pytest.raises(ValueError, match="hours"):
        mint(SETTINGS, "me", "viewer", life)


@pytest.mark.parametrize("subject", ["", " ", "a\nb", "x" * 255])
def test_no_token_is_minted_that_would_be_refused(subject: str) -> None:
    with pytest.raises(ValueError, match="sub"):
        mint(SETTINGS, subject, "viewer", timedelta(hours=1))


def test_without_a_secret_no_token_is_minted() -> None:
    with pytest.raises(ValueError, match="JWT_SECRET"):
        mint(read_settings({}), "me", "viewer", timedelta(hours=1))
