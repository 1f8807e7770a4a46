"""Addresses as people write them: checked, normalised, and masked before anybody else sees them."""

import re
from typing import Literal

from qianqiao_chassis.errors import Invalid

type Channel = Literal["email", "sms"]

_MAX_EMAIL = 254
_MAX_LOCAL_PART = 64
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_MAINLAND_MOBILE = re.compile(r"(?:\+?86)?(1[3-9][0-9]{9})")
_LOOKS_LIKE_EMAIL = re.compile(r"[^\s<>()\[\]:;,\"]+@[^\s<>()\[\]:;,\"]+")
_LOOKS_LIKE_NUMBER = re.compile(r"\+?[0-9]{11,15}")
_OTHER_MOBILE = re.compile(r"\+(?!86)[1-9][0-9]{6,14}")


def email_address(written: str) -> str:
    """Return a deliverable address, the domain in its ASCII form.

    Raises Invalid (`email-invalid`) for anything that could end a header or an SMTP command early, for local parts
    outside ASCII (not every server on the way takes them), and for addresses over RFC 5321's lengths.
    """
    local, at, domain = written.strip().rpartition("@")
    ascii_domain = _ascii_domain(domain)
    fits = len(local) <= _MAX_LOCAL_PART and len(local) + 1 + len(ascii_domain) <= _MAX_EMAIL
    labels = ascii_domain.split(".")
    if not (at and fits and _LOCAL_PART.fullmatch(local) and len(labels) > 1):
        raise _email_invalid()
    if not all(_DOMAIN_LABEL.fullmatch(label) for label in labels):
        raise _email_invalid()
    return f"{local}@{ascii_domain}"


def mobile_number(written: str) -> str:
    """Return a mobile number as `+86…` (mainland, also written without the prefix) or another `+…` number.

    Raises Invalid (`mobile-invalid`) for landlines, short codes, several numbers in one, and anything not a number.
    """
    compact = re.sub(r"[ \-()]", "", written.strip())
    if mainland := _MAINLAND_MOBILE.fullmatch(compact):
        return f"+86{mainland[1]}"
    if _OTHER_MOBILE.fullmatch(compact):
        return compact
    raise Invalid(
        "mobile-invalid",
        "手机号不正确：大陆号码为 1 开头的 11 位数字，其他地区请写成 +国家码 开头。",
        "Not a mobile number: 11 digits starting with 1 in mainland China, elsewhere + and the country code.",
    )


def normalised(channel: Channel, written: str) -> str:
    """Return the address of that channel in the one form that is stored and sent to. Raises Invalid."""
    return email_address(written) if channel == "email" else mobile_number(written)


def masked(address: str | None) -> str | None:
    """Return what may be shown of an address in logs and answers: enough to recognise one's own."""
    if not address:
        return None
    local, at, domain = address.rpartition("@")
    if at:
        return f"{local[:1]}***@{domain}"
    return f"{address[: max(len(address) - 8, 0)]}****{address[-4:]}" if len(address) > 8 else "****"


def redacted(words: str) -> str:
    """Return a gateway's words with everything masked that looks like an address or number, whoever's it is."""
    without_mail = _LOOKS_LIKE_EMAIL.sub(lambda found: masked(found[0]) or "", words)
    return _LOOKS_LIKE_NUMBER.sub(lambda found: masked(found[0]) or "", without_mail)


def _ascii_domain(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii") if domain else ""
    except UnicodeError as error:
        raise _email_invalid() from error


def _email_invalid() -> Invalid:
    return Invalid(
        "email-invalid",
        "邮箱地址不正确：应形如 name@example.cn，且不含空格、换行和其他控制字符。",
        "Not an e-mail address: write name@example.cn, without spaces, line breaks or other control characters.",
    )
