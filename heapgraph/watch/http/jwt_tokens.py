"""JSON web tokens of another service: one key, one algorithm, and nothing that the token chooses.

PyJWT is loaded only where the settings have `[http.jwt]`: with its cryptography it takes 9 MiB.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from heapgraph.errors import UsageError
from heapgraph.watch.audit.record import Actor
from heapgraph.watch.http.problems import Problem
from heapgraph.watch.http.tokens import check_secret
from heapgraph.watch.settings.model import SCOPES

if TYPE_CHECKING:
    from heapgraph.watch.settings.model import JwtSpec

SYMMETRIC = ("HS256", "HS384", "HS512")
ALGORITHMS = (
    *("ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *SYMMETRIC,
)

_LEEWAY_S = 10.0
"""By which the clocks of two machines may differ."""

_MIN_SECRET_BYTES = 32
_MAX_KEY_BYTES = 1 << 16
_REQUIRED = ["exp", "aud", "iss"]


class JwtTokens:
    """Believes tokens that are signed with one key.

    Args:
        spec: key, algorithm, audience, issuer.
    """

    def __init__(self, spec: JwtSpec) -> None:
        """Read the key.

        Raises:
            UsageError: no such algorithm, the key does not fit it, or others can write to it.
            OSError: the key cannot be read.
        """
        import jwt  # noqa: PLC0415 - see the module

        if spec.algorithm not in ALGORITHMS:
            raise UsageError(
                f"tokens cannot be signed with {spec.algorithm!r}",
                "it is no algorithm, or one that proves nothing",
                f"one of {', '.join(ALGORITHMS)}",
            )
        self._jwt, self._spec = jwt, spec
        self._key = _key(jwt, spec)

    def identify(self, token: str) -> tuple[Actor, str]:
        """Who the token is for, and the largest scope in its claim `scope`.

        Raises:
            Problem: 401: not signed with the key and the algorithm, expired, not yet valid, for
                another audience, of another issuer, or without one of the claims; 403: it has none
                of our scopes.
        """
        spec = self._spec
        try:
            claims = self._jwt.decode(
                token,
                self._key,
                algorithms=[spec.algorithm],
                audience=spec.audience,
                issuer=spec.issuer,
                leeway=_LEEWAY_S,
                options={"require": _REQUIRED},
            )
        except self._jwt.PyJWTError as failure:
            raise Problem(
                401,
                "no-access",
                "who asks is not known",
                f"the token is not valid: {_reason(failure)}",
                headers={"WWW-Authenticate": 'Bearer realm="heapgraph", error="invalid_token"'},
            ) from failure
        actor = Actor("jwt", str(claims.get("sub", "")))
        granted = claims.get("scope", "")
        words = granted.split() if isinstance(granted, str) else []
        scopes = [scope for scope in SCOPES if scope in words]
        if not scopes:
            raise Problem(
                403,
                "no-scope",
                "the token allows nothing here",
                f"its claim scope has none of {', '.join(SCOPES)}",
            )
        return actor, scopes[-1]


def _key(jwt: Any, spec: JwtSpec) -> Any:  # noqa: ANN401 - PyJWT's own types, loaded late
    """The key, as the algorithm needs it: the public one, unless both sides share one."""
    with spec.key_file.open("rb") as file:
        check_secret(spec.key_file, os.fstat(file.fileno()))
        content = file.read(_MAX_KEY_BYTES)
    algorithm = jwt.get_algorithm_by_name(spec.algorithm)
    if spec.algorithm in SYMMETRIC:
        content = content.strip()
        if len(content) < _MIN_SECRET_BYTES:
            raise UsageError(
                f"the key in {spec.key_file} is too short for {spec.algorithm}",
                f"it has {len(content)} bytes",
                "head -c 48 /dev/urandom | base64 > KEY",
            )
    try:
        return algorithm.prepare_key(content)
    except (ValueError, TypeError, jwt.PyJWTError) as failure:
        raise UsageError(
            f"{spec.key_file} is no key for {spec.algorithm}",
            "it is of another kind, or no PEM file",
            "name the public key of who signs the tokens",
        ) from failure


def _reason(failure: Exception) -> str:
    """What is wrong with a token, in words of ours: texts of PyJWT may quote it."""
    names = {
        "ExpiredSignatureError": "it has expired",
        "ImmatureSignatureError": "it is not valid yet",
        "InvalidAudienceError": "it is for somebody else",
        "InvalidIssuerError": "it is of another issuer",
        "InvalidAlgorithmError": "it is signed with another algorithm",
        "InvalidSignatureError": "it is signed with another key",
        "MissingRequiredClaimError": "a claim is missing; exp, aud and iss are needed",
    }
    return names.get(type(failure).__name__, "it is not understood")
