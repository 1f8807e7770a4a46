"""The stack's own keys: what signs development tokens, what the mail receiver shows, what the gateways ask for.

All are made at random on the first start and kept in the state folder, readable by its owner only.
"""

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import trustme
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from qianqiao_stack.errors import StackError
from qianqiao_stack.home import Home

ALGORITHM = "ES256"
ISSUER = AUDIENCE = "qianqiao"


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


@dataclass(frozen=True, slots=True)
class Credentials:
    """User name and password of a receiver."""

    username: str
    password: str


class Keys:
    """Everything secret of one stack. For development only: whoever reads the folder can be anyone."""

    def __init__(self, home: Home) -> None:
        self._folder = home.folder("keys")
        self._folder.chmod(0o700)
        self._public = home.folder("public")

    @property
    def jwks_file(self) -> Path:
        """The public key set tokens are checked against; made on first use."""
        file = self._public / "jwks.json"
        if not file.exists():
            key = self._signing_key()
            entry = {**jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "qianqiao-dev"}
            file.write_text(json.dumps({"keys": [{**entry, "use": "sig", "alg": ALGORITHM}]}))
        return file

    def _signing_key(self) -> EllipticCurvePrivateKey:
        file = self._folder / "token-key.pem"
        if not file.exists():
            made = generate_private_key(SECP256R1())
            _write_private(file, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key = load_pem_private_key(file.read_bytes(), password=None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise StackError("stack-key", f"{file} 不是 EC 私钥", f"{file} is not an EC private key")
        return key

    def token(
        self,
        subject: str,
        *,
        party: str | None = None,
        roles: Sequence[str] = (),
        lifetime: timedelta = timedelta(hours=12),
    ) -> str:
        """A signed bearer token that the services of this stack accept."""
        now = datetime.now(UTC)
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "roles": list(roles),
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
        }
        if party is not None:
            claims["party"] = party
        return jwt.encode(claims, self._signing_key(), algorithm=ALGORITHM, headers={"kid": "qianqiao-dev"})

    @property
    def ca_file(self) -> Path:
        """Certificate of the authority that signed the mail receiver's certificate."""
        self._certificates()
        return self._public / "ca.pem"

    @property
    def server_certificate(self) -> Path:
        """PEM file with key and certificate chain for this machine, and for ``receivers`` (its name in containers)."""
        self._certificates()
        return self._folder / "server.pem"

    def _certificates(self) -> None:
        server = self._folder / "server.pem"
        if server.exists():
            return
        authority = trustme.CA(organization_name="Qianqiao development")
        issued = authority.issue_cert("localhost", "127.0.0.1", "receivers")
        (self._public / "ca.pem").write_bytes(authority.cert_pem.bytes())
        _write_private(server, issued.private_key_and_cert_chain_pem.bytes())

    def credentials(self, receiver: str) -> Credentials:
        """User ``notify`` and the password for the receiver of that name (``smtp``, ``sms``).

        The password is random, unless ``QIANQIAO_RECEIVERS_PASSWORD`` sets it: containers cannot read our folder.
        """
        if told := os.environ.get("QIANQIAO_RECEIVERS_PASSWORD"):
            return Credentials("notify", told)
        file = self._folder / f"{receiver}.password"
        if not file.exists():
            _write_private(file, secrets.token_urlsafe(18).encode())
        return Credentials("notify", file.read_text())
