"""People's tokens: JSON Web Tokens (RFC 7519), signed by HS256 and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from exporter.settings import Settings
from exporter.web.identity import PEOPLE, Identity, Role

# Never taken from the token: its own word on how to verify it is what attackers change.
_ALGORITHM: Final = "HS256"
_REQUIRED: Final = ("exp", "iat", "sub", "aud", "iss")
# How far clocks may differ.
_LEEWAY: Final = timedelta(seconds=30)
# Ours are a tenth of that.
_LONGEST_TOKEN: Final = 4096
_LONGEST_SUBJECT: Final = 254

LONGEST_LIFE: Final = timedelta(days=366)


class TokenRefusedError(Exception):
    """A token that is not valid; says why, and nothing of the secret."""


def verified(
    token: str, settings: Settings, audience: str, leeway: timedelta = _LEEWAY
) -> dict[str, Any]:
    """What a token for this audience says, all of it signed by us. Raises TokenRefusedError."""
    if settings.jwt_secret is None or len(token) > _LONGEST_TOKEN:
        raise TokenRefusedError("this is no token of ours")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            settings.jwt_secret.get_secret_value(),
            algorithms=[_ALGORITHM],
            audience=audience,
            issuer=settings.jwt_issuer,
            leeway=leeway,
            options={"require": list(_REQUIRED)},
        )
    except jwt.InvalidTokenError as error:
        raise TokenRefusedError(_why(error)) from None
    return claims


def identity_of(claims: dict[str, Any]) -> Identity:
    """Whom a token's claims name. Raises TokenRefusedError."""
    return Identity(_subject(claims), _role(claims))


def mint(settings: Settings, subject: str, role: Role, life: timedelta) -> str:
    """A new token. Raises ValueError for a subject or a life that would not be taken."""
    if settings.jwt_secret is None:
        raise ValueError("JWT_SECRET is not set: tokens are signed with it")
    if not timedelta(0) < life <= LONGEST_LIFE:
        raise ValueError(
            f"a token lives for more than 0 and at most {LONGEST_LIFE.days * 24} hours"
        )
    issued = datetime.now(UTC)
    claims = {
        "sub": subject,
        "role": role,
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "iat": issued,
        "exp": issued + life,
    }
    try:
        _subject(claims)
    except TokenRefusedError as error:
        raise ValueError(str(error)) from None
    return signed(claims, settings)


def signed(claims: dict[str, Any], settings: Settings) -> str:
    """A token that says this. Raises ValueError where there is nothing to sign it with."""
    if settings.jwt_secret is None:
        raise ValueError("JWT_SECRET is not set: tokens are signed with it")
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm=_ALGORITHM)


def _why(error: jwt.InvalidTokenError) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "the token has expired: get a new one"
        case jwt.ImmatureSignatureError():
            return "the token is not valid yet: is a clock wrong?"
        case jwt.MissingRequiredClaimError():
            return f'the token has no "{error.claim}"'
        case jwt.InvalidAudienceError():
            return "the token is for another audience than JWT_AUDIENCE"
        case jwt.InvalidIssuerError():
            return "the token is of another issuer than JWT_ISSUER"
        case jwt.InvalidSignatureError() | jwt.InvalidAlgorithmError():
            return "the token is not signed by us"
        case _:
            return "this is no token of ours"


def _subject(claims: dict[str, Any]) -> str:
    """Whoever acts: it goes into logs and the audit trail as it stands."""
    subject = claims["sub"]
    if not isinstance(subject, str) or not subject.strip() or not subject.isprintable():
        raise TokenRefusedError('"sub" must be a name or address that can be printed')
    if len(subject) > _LONGEST_SUBJECT:
        raise TokenRefusedError(f'"sub" must have {_LONGEST_SUBJECT} characters at most')
    return subject


def _role(claims: dict[str, Any]) -> Role:
    role = claims.get("role")
    if role == "ingest":
        return "ingest"
    for known in PEOPLE:
        if role == known:
            return known
    raise TokenRefusedError(f'"role" must be one of {", ".join(PEOPLE)}')
