"""Tokens: what is accepted, what each refusal is called, and how keys are rotated."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from qianqiao_chassis.auth import Authenticator, GivenKeys, KeySet, UrlKeys
from qianqiao_chassis.clock import FakeClock
from qianqiao_chassis.errors import Unauthenticated, Unavailable
from qianqiao_chassis.http.server import HttpServer
from qianqiao_chassis.testing.tokens import TokenIssuer


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def issuer(clock: FakeClock) -> TokenIssuer:
    return TokenIssuer(clock, issuer="iss", audience="aud")


def authenticator(clock: FakeClock, source: Any) -> Authenticator:
    return Authenticator(KeySet(source, clock), clock, issuer="iss", audience="aud")


async def refusal(check: Authenticator, authorization: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await check.caller(authorization)
    assert refused.value.zh != refused.value.en
    return refused.value.code


async def test_a_good_token_says_who_calls(clock: FakeClock, issuer: TokenIssuer) -> None:
    check = authenticator(clock, GivenKeys(issuer.jwks))
    caller = await check.caller("bearer " + issuer.token(subject="u1", party="p1", roles=["enterprise", "wizard"]))
    assert caller is not None
    assert (caller.subject, caller.party, caller.roles) == ("u1", "p1", frozenset({"enterprise"}))
    assert await check.caller(None) is None


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": "other"}, "token-audience"),
        ({"aud": ["other", "third"]}, "token-audience"),
        ({"iss": "other"}, "token-issuer"),
        ({"exp": None}, "token-claims"),
        ({"exp": "soon"}, "token-claims"),
        ({"sub": None}, "token-claims"),
        ({"roles": "operator"}, "token-claims"),
        ({"party": 7}, "token-claims"),
        ({"nbf": 4_000_000_000}, "token-not-yet-valid"),
    ],
)
async def test_refusals_by_claim(clock: FakeClock, issuer: TokenIssuer, claims: dict[str, Any], code: str) -> None:
    check = authenticator(clock, GivenKeys(issuer.jwks))
    good = {"iss": "iss", "aud": "aud", "sub": "u", "roles": [], "exp": clock.now().timestamp() + 60}
    token = issuer.sign({name: value for name, value in {**good, **claims}.items() if value is not None})
    assert await refusal(check, f"Bearer {token}") == code


async def test_an_audience_among_several_is_accepted(clock: FakeClock, issuer: TokenIssuer) -> None:
    check = authenticator(clock, GivenKeys(issuer.jwks))
    assert await check.caller("Bearer " + issuer.token(subject="u", aud=["x", "aud"])) is not None


async def test_expiry_has_thirty_seconds_of_leeway(clock: FakeClock, issuer: TokenIssuer) -> None:
    check = authenticator(clock, GivenKeys(issuer.jwks))
    token = "Bearer " + issuer.token(subject="u", lifetime=timedelta(minutes=5))
    clock.advance(timedelta(minutes=5, seconds=29))
    assert await check.caller(token) is not None
    clock.advance(timedelta(seconds=1))
    assert await refusal(check, token) == "token-expired"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer a.b", "Bearer a.b.c", "Bearer " + "x" * 9000]
)
async def test_malformed_headers(clock: FakeClock, issuer: TokenIssuer, header: str) -> None:
    assert await refusal(authenticator(clock, GivenKeys(issuer.jwks)), header) == "token-malformed"


async def test_forged_tokens(clock: FakeClock, issuer: TokenIssuer) -> None:
    check = authenticator(clock, GivenKeys(issuer.jwks))
    stranger = TokenIssuer(clock, issuer="iss", audience="aud", key_id="stranger")
    assert await refusal(check, "Bearer " + stranger.token(subject="u")) == "token-key-unknown"
    impostor = TokenIssuer(clock, issuer="iss", audience="aud", key_id=issuer.key_id)
    assert await refusal(check, "Bearer " + impostor.token(subject="u")) == "token-signature"
    unsigned = jwt.encode({"sub": "u"}, "", algorithm="none", headers={"kid": issuer.key_id})
    assert await refusal(check, f"Bearer {unsigned}") == "token-algorithm"
    # Refused for its algorithm before its key is even looked for: no fetch of the key set for it.
    nameless = jwt.encode({"sub": "u"}, "", algorithm="none", headers={"kid": "nobody"})
    assert await refusal(check, f"Bearer {nameless}") == "token-algorithm"
    # The public key is public: a token "signed" with it as a shared secret must not pass.
    secret = issuer.jwks["keys"][0]["x"]
    symmetric = jwt.encode({"sub": "u"}, secret, algorithm="HS256", headers={"kid": issuer.key_id})
    assert await refusal(check, f"Bearer {symmetric}") == "token-algorithm"


async def test_rsa_and_elliptic_keys_and_no_mixing_of_them(clock: FakeClock) -> None:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ec_key = ec.generate_private_key(ec.SECP256R1())
    keys = [
        {**RSAAlgorithm.to_jwk(rsa_key.public_key(), as_dict=True), "kid": "r", "alg": "RS256"},
        {**ECAlgorithm.to_jwk(ec_key.public_key(), as_dict=True), "kid": "e", "alg": "ES256"},
        {"kid": "broken", "kty": "RSA", "n": "!", "e": "AQAB"},
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
        "nonsense",
    ]
    check = authenticator(clock, GivenKeys({"keys": keys}))
    claims = {"sub": "u", "iss": "iss", "aud": "aud", "exp": int(clock.now().timestamp()) + 60}
    for key, algorithm, kid in ((rsa_key, "RS256", "r"), (ec_key, "ES256", "e")):
        token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})
        assert await check.caller(f"Bearer {token}") is not None
    crossed = jwt.encode(claims, ec_key, algorithm="ES256", headers={"kid": "r"})
    assert await refusal(check, f"Bearer {crossed}") == "token-algorithm"


class Endpoint:
    """A JWKS endpoint over real HTTP."""

    def __init__(self) -> None:
        self.document: Any = {"keys": []}
        self.status = 200
        self.calls = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1
        body = json.dumps(self.document).encode()
        await send(
            {"type": "http.response.start", "status": self.status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def served() -> AsyncIterator[tuple[Endpoint, str]]:
    endpoint = Endpoint()
    async with HttpServer(endpoint, "127.0.0.1", 0, grace_s=1) as server:
        yield endpoint, f"http://127.0.0.1:{server.port}/jwks.json"


async def test_rotation_refetches_on_an_unknown_key_but_not_for_every_forgery(
    clock: FakeClock, issuer: TokenIssuer, served: tuple[Endpoint, str]
) -> None:
    endpoint, url = served
    endpoint.document = issuer.jwks
    check = authenticator(clock, UrlKeys(url))
    assert await check.caller("Bearer " + issuer.token(subject="u")) is not None
    assert endpoint.calls == 1
    second = TokenIssuer(clock, issuer="iss", audience="aud", key_id="second")
    endpoint.document = {"keys": [*issuer.jwks["keys"], *second.jwks["keys"]]}
    assert await refusal(check, "Bearer " + second.token(subject="u")) == "token-key-unknown"
    assert endpoint.calls == 1
    clock.advance(timedelta(seconds=10))
    assert await check.caller("Bearer " + second.token(subject="u")) is not None
    assert endpoint.calls == 2
    for _ in range(20):
        forged = TokenIssuer(clock, issuer="iss", audience="aud", key_id="forged")
        assert await refusal(check, "Bearer " + forged.token(subject="u")) == "token-key-unknown"
    assert endpoint.calls == 2


async def test_a_withdrawn_key_is_forgotten_after_a_while_and_an_outage_changes_nothing(
    clock: FakeClock, issuer: TokenIssuer, served: tuple[Endpoint, str]
) -> None:
    endpoint, url = served
    endpoint.document = issuer.jwks
    check = authenticator(clock, UrlKeys(url))
    token = "Bearer " + issuer.token(subject="u")
    assert await check.caller(token) is not None
    endpoint.status = 503
    clock.advance(timedelta(minutes=11))
    assert await check.caller(token) is not None
    endpoint.status, endpoint.document = 200, {"keys": []}
    clock.advance(timedelta(seconds=10))
    assert await refusal(check, token) == "token-key-unknown"


async def test_without_any_key_set_the_service_says_it_cannot_tell(clock: FakeClock, issuer: TokenIssuer) -> None:
    check = authenticator(clock, UrlKeys("http://127.0.0.1:9/jwks.json"))
    with pytest.raises(Unavailable) as refused:
        await check.caller("Bearer " + issuer.token(subject="u"))
    assert refused.value.code == "keys-unavailable"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": {}}', "\xff"])
async def test_a_file_that_is_no_key_set_is_an_outage(
    clock: FakeClock, issuer: TokenIssuer, tmp_path: Path, text: str
) -> None:
    (tmp_path / "jwks.json").write_bytes(text.encode("latin-1"))
    check = authenticator(clock, UrlKeys((tmp_path / "jwks.json").as_uri()))
    with pytest.raises(Unavailable):
        await check.caller("Bearer " + issuer.token(subject="u"))


async def test_a_key_set_in_a_file(clock: FakeClock, issuer: TokenIssuer, tmp_path: Path) -> None:
    folder = tmp_path / "有 空格"
    folder.mkdir()
    (folder / "jwks.json").write_text(json.dumps(issuer.jwks))
    check = authenticator(clock, UrlKeys((folder / "jwks.json").as_uri()))
    assert await check.caller("Bearer " + issuer.token(subject="u")) is not None


def test_other_schemes_are_refused_at_start() -> None:
    with pytest.raises(ValueError, match="jwks_url"):
        UrlKeys("ftp://example.org/jwks.json")
