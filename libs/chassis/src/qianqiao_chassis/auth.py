"""Bearer tokens: JWTs checked against a key set (JWKS)."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import httpx
import jwt
import structlog

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import Unauthenticated, Unavailable
from qianqiao_chassis.http.callers import ROLES, Caller

ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""Asymmetric only: a shared secret in every service would let any of them issue tokens."""
LEEWAY = timedelta(seconds=30)
"""How far the clocks of issuer and service may differ."""
MAX_TOKEN_LENGTH = 8192
log = structlog.get_logger(__name__)


class KeySource(Protocol):
    """Where the key set comes from."""

    async def fetch(self) -> Mapping[str, Any]:
        """Return the JWKS document; raise OSError, ValueError or httpx.HTTPError."""
        ...


class UrlKeys:
    """A JWKS behind http(s):// or in a file://."""

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        if urlsplit(url).scheme not in {"http", "https", "file"}:
            raise ValueError(f"jwks_url must be http(s):// or file://, not {url!r}")
        self._url = url
        self._timeout_s = timeout_s

    async def fetch(self) -> Mapping[str, Any]:
        """Return the document, read anew."""
        parts = urlsplit(self._url)
        if parts.scheme == "file":
            text = await asyncio.to_thread(Path(unquote(parts.path)).read_text, encoding="utf-8")
            return _document(json.loads(text))
        async with httpx.AsyncClient(timeout=self._timeout_s) as client:
            answer = await client.get(self._url)
            answer.raise_for_status()
            return _document(answer.json())


class GivenKeys:
    """A JWKS already in memory."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    async def fetch(self) -> Mapping[str, Any]:
        """Return the document given."""
        return self.document


def _document(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("keys"), list):
        raise ValueError("the key set is not a JWKS document")
    return value


class KeySet:
    """The keys by id: kept, fetched again when they are old or a token names an unknown one.

    A fetch that fails leaves the old keys in force. An unknown key id causes a fetch at most every `min_interval`,
    so that forged tokens cannot make the service hammer the issuer.
    """

    def __init__(
        self,
        source: KeySource,
        clock: Clock,
        *,
        min_interval: timedelta = timedelta(seconds=10),
        max_age: timedelta = timedelta(minutes=10),
    ) -> None:
        self._source = source
        self._clock = clock
        self._min_interval = min_interval
        self._max_age = max_age
        self._keys: dict[str, jwt.PyJWK] = {}
        self._tried_at: float | None = None
        self._fetched_at: float | None = None
        self._fetching = asyncio.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """Return the key or None; raise Unavailable (code `keys-unavailable`) if no key set was ever had."""
        now = self._clock.now().timestamp()
        if key_id not in self._keys or self._older(self._fetched_at, now, self._max_age):
            await self._refresh(now)
        if self._fetched_at is None:
            raise Unavailable(
                "keys-unavailable",
                "暂时无法核验登录令牌，请稍后重试。",
                "Tokens cannot be checked at the moment; try again later.",
            )
        return self._keys.get(key_id)

    @staticmethod
    def _older(at: float | None, now: float, limit: timedelta) -> bool:
        return at is None or now - at >= limit.total_seconds()

    async def _refresh(self, now: float) -> None:
        async with self._fetching:
            if not self._older(self._tried_at, now, self._min_interval):
                return
            self._tried_at = now
            try:
                keys = _usable(await self._source.fetch())
            except (OSError, ValueError, httpx.HTTPError) as error:
                log.warning("key set could not be fetched; the old keys stay in force", error=repr(error))
                return
            self._keys, self._fetched_at = keys, now


def _usable(document: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    keys: dict[str, jwt.PyJWK] = {}
    for entry in document["keys"]:
        if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(entry)
        except jwt.PyJWTError as error:  # one odd key must not take the good ones with it
            log.warning("key of the key set is not usable", kid=entry["kid"], error=repr(error))
            continue
        if key.algorithm_name in ALGORITHMS:
            keys[entry["kid"]] = key
    return keys


class Authenticator:
    """Turns an Authorization header into a Caller, or says clearly why not."""

    def __init__(self, keys: KeySet | None, clock: Clock, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._clock = clock
        self._issuer = issuer
        self._audience = audience

    async def caller(self, authorization: str | None) -> Caller | None:
        """Return the caller, None when there is no header.

        Raises Unauthenticated (codes `token-malformed`, `token-algorithm`, `token-key-unknown`, `token-signature`,
        `token-expired`, `token-not-yet-valid`, `token-issuer`, `token-audience`, `token-claims`) and Unavailable.
        """
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_LENGTH:
            raise _refusal("token-malformed")
        claims = self._verified(token, await self._key(token))
        self._check_times(claims)
        self._check_addressee(claims)
        return _caller(claims)

    async def _key(self, token: str) -> jwt.PyJWK:
        try:
            head = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise _refusal("token-malformed") from None
        if head.get("alg") not in ALGORITHMS:
            raise _refusal("token-algorithm")
        key_id = head.get("kid")
        key = await self._keys.key(key_id) if self._keys is not None and isinstance(key_id, str) else None
        if key is None:
            raise _refusal("token-key-unknown")
        if key.algorithm_name != head["alg"]:
            raise _refusal("token-algorithm")
        return key

    @staticmethod
    def _verified(token: str, key: jwt.PyJWK) -> dict[str, Any]:
        # Times and addressee are checked by us: against the injected clock, and with an error code for each.
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        try:
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=[key.algorithm_name], options=options)
        except jwt.InvalidSignatureError:
            raise _refusal("token-signature") from None
        except jwt.PyJWTError:
            raise _refusal("token-malformed") from None
        return claims

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self._clock.now().timestamp()
        expires, not_before = _instant(claims.get("exp")), _instant(claims.get("nbf", 0))
        if now >= expires + LEEWAY.total_seconds():
            raise _refusal("token-expired")
        if now < not_before - LEEWAY.total_seconds():
            raise _refusal("token-not-yet-valid")

    def _check_addressee(self, claims: Mapping[str, Any]) -> None:
        if claims.get("iss") != self._issuer:
            raise _refusal("token-issuer")
        audience = claims.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise _refusal("token-audience")


def _instant(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _refusal("token-claims")
    return float(value)


def _caller(claims: Mapping[str, Any]) -> Caller:
    subject, party, roles = claims.get("sub"), claims.get("party"), claims.get("roles", [])
    right = isinstance(subject, str) and subject and (party is None or isinstance(party, str))
    if not right or not isinstance(roles, list):
        raise _refusal("token-claims")
    # Roles this version does not know give no right: an issuer may be ahead of us.
    return Caller(str(subject), party or None, frozenset(role for role in roles if role in ROLES))


_SENTENCES = {
    "token-malformed": ("登录令牌格式不对。", "The token is not a well-formed bearer JWT."),
    "token-algorithm": (
        "登录令牌的签名算法不被接受（只接受 RS256、ES256、EdDSA）。",
        "The token's signature algorithm is not accepted (RS256, ES256 and EdDSA are).",
    ),
    "token-key-unknown": ("登录令牌的签名密钥不在公钥集中。", "The token is signed with a key we do not know."),
    "token-signature": ("登录令牌的签名不对。", "The token's signature is wrong."),
    "token-expired": ("登录已过期，请重新登录。", "The token has expired; sign in again."),
    "token-not-yet-valid": ("登录令牌尚未生效。", "The token is not valid yet."),
    "token-issuer": ("登录令牌的签发者不被信任。", "The token's issuer is not trusted here."),
    "token-audience": ("登录令牌不是签发给本平台的。", "The token was issued for another audience."),
    "token-claims": (
        "登录令牌缺少必需的内容（sub、exp、party、roles）。",
        "The token lacks what is needed, or has it in the wrong form (sub, exp, party, roles).",
    ),
}


def _refusal(code: str) -> Unauthenticated:
    zh, en = _SENTENCES[code]
    return Unauthenticated(code, zh, en)
