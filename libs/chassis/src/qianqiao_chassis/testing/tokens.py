"""Tokens for tests: signed with a key made for the purpose and thrown away."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from qianqiao_chassis.clock import Clock


class TokenIssuer:
    """Issues tokens that a service accepts which is given `jwks` as its key set."""

    def __init__(self, clock: Clock, *, issuer: str, audience: str, key_id: str = "test-key") -> None:
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self.key_id = key_id
        self._key = Ed25519PrivateKey.generate()

    @property
    def jwks(self) -> dict[str, Any]:
        """The key set with the public key."""
        public = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self.key_id, "use": "sig", "alg": "EdDSA"}]}

    def token(
        self,
        *,
        subject: str,
        party: str | None = None,
        roles: Sequence[str] = (),
        lifetime: timedelta = timedelta(days=365),
        **claims: Any,
    ) -> str:
        """Return a token; `claims` replace what it would say (`aud=…`, `exp=…`), None leaves a claim out."""
        now = self._clock.now()
        said: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "party": party,
            "roles": list(roles),
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            **claims,
        }
        return self.sign({name: value for name, value in said.items() if value is not None})

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a token that says exactly `claims`."""
        return jwt.encode(dict(claims), self._key, algorithm="EdDSA", headers={"kid": self.key_id})
