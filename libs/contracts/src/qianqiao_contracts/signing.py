"""Signatures of events that outside systems publish to Kafka: HMAC-SHA256 over the exact bytes of the record.

The signature travels in the record header ``signature`` as ``hmac-sha256=<hex>``.
"""

import hashlib
import hmac
from typing import Final

HEADER: Final = "signature"
_SCHEME: Final = "hmac-sha256="


def sign(body: bytes, secret: str) -> str:
    """The value of the header for these exact bytes, made with the secret the registry gave to the source."""
    return _SCHEME + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify(body: bytes, signature: str | bytes | None, secret: str) -> bool:
    """Whether ``signature`` was made over exactly these bytes with ``secret``. Compared in constant time.

    False for an absent, malformed or non-UTF-8 header and for an empty secret; never raises.
    """
    if signature is None or not secret:
        return False
    given = signature.encode("utf-8", "replace") if isinstance(signature, str) else signature
    return hmac.compare_digest(given, sign(body, secret).encode())
