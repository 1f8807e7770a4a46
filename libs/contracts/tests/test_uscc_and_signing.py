"""Check characters of credit codes, and signatures over the exact bytes."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qianqiao_contracts import signing, uscc

_BODIES = st.text(uscc.ALPHABET, min_size=17, max_size=17)


@given(_BODIES, st.integers(0, 17), st.sampled_from(uscc.ALPHABET))
def test_one_changed_character_never_passes(body: str, place: int, other: str) -> None:
    code = body + uscc.check_character(body)
    assert uscc.is_valid(code)
    changed = code[:place] + other + code[place + 1 :]
    assert uscc.is_valid(changed) == (changed == code)


@given(_BODIES, st.integers(0, 15))
def test_two_swapped_neighbours_never_pass(body: str, place: int) -> None:
    code = body + uscc.check_character(body)
    swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    assert uscc.is_valid(swapped) == (swapped == code)


@pytest.mark.parametrize(
    "code", ["", "9135", "91350100M000100Y4", "91350100M000100Y433", "91350100I000100Y43", "９1350100M000100Y43"]
)
def test_what_is_no_code_at_all(code: str) -> None:
    assert not uscc.is_valid(code)


def test_the_example_of_the_standard() -> None:
    assert uscc.check_character("91350100M000100Y4") == "3"


def test_a_wrong_body_is_told() -> None:
    with pytest.raises(ValueError, match="17"):
        uscc.check_character("9135")
    with pytest.raises(ValueError, match="alphabet"):
        uscc.check_character("91350100O000100Y4")


def test_a_signature_is_plain_hmac_sha256_so_that_any_language_can_make_it() -> None:
    expected = hmac.new(b"secret", b"body", hashlib.sha256).hexdigest()
    assert signing.sign(b"body", "secret") == f"hmac-sha256={expected}"


@given(st.binary(), st.text(min_size=1), st.binary(min_size=1))
def test_a_signature_fits_exactly_its_bytes_and_secret(body: bytes, secret: str, more: bytes) -> None:
    signature = signing.sign(body, secret)
    assert signing.verify(body, signature, secret)
    assert signing.verify(body, signature.encode(), secret)
    assert not signing.verify(body + more, signature, secret)
    assert not signing.verify(body, signature, secret + "x")


@pytest.mark.parametrize("signature", [None, "", b"", b"\xff", "é", "hmac-sha256=", "sha256=00", "hmac-sha256=zz"])
def test_a_malformed_signature_is_false_and_raises_nothing(signature: str | bytes | None) -> None:
    assert not signing.verify(b"body", signature, "secret")


def test_an_empty_secret_verifies_nothing() -> None:
    assert not signing.verify(b"body", signing.sign(b"body", ""), "")
