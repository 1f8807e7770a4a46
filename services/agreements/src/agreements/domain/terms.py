"""What is agreed, word for word and fen for fen, and the digest that a signature is given for."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Final

from pydantic import BaseModel, ConfigDict
from qianqiao_chassis.errors import FieldError, Invalid
from qianqiao_contracts import AgreementKind, Money
from qianqiao_contracts import agreements as contracts

from agreements.domain.tables import Side
from agreements.domain.text import MAX_TEXT, MAX_TITLE, unsignable_at

CANONICAL_FORM: Final = "qianqiao-agreement/1"
"""Named inside the digested bytes, so that a later form can never give the digest of an earlier one."""


class Terms(BaseModel):
    """The terms of one agreement. An absent amount means "not disclosed or not agreed", never zero."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: AgreementKind
    title: str
    text: str
    amount: Money | None = None
    tech_amount: Money | None = None
    starts: date | None = None
    ends: date | None = None


class Signatory(BaseModel):
    """One side of an agreement and, once it has signed, who did, when, and for which digest."""

    model_config = ConfigDict(frozen=True)

    party: str
    side: Side
    role: str
    signed_by: str | None = None
    signed_at: datetime | None = None
    digest: str | None = None

    @property
    def has_signed(self) -> bool:
        """Whether this side's signature stands."""
        return self.signed_by is not None

    def published(self) -> contracts.Signatory:
        """This side as events carry it."""
        return contracts.Signatory(party=self.party, role=self.role, signed_by=self.signed_by, signed_at=self.signed_at)

    def unsigned(self) -> "Signatory":
        """The same side without its signature."""
        return self.model_copy(update={"signed_by": None, "signed_at": None, "digest": None})


def check(terms: Terms) -> None:
    """Raise Invalid naming every term that breaks a rule; terms that pass can be signed."""
    errors = [*_text_errors(terms), *_amount_errors(terms)]
    if terms.starts and terms.ends and terms.ends < terms.starts:
        errors.append(FieldError("ends", "ends-before-start", "终止日期早于起始日期", "ends before it starts"))
    if errors:
        raise Invalid("agreement-terms", "协议条款有误", "The terms break a rule", errors=errors)


def _text_errors(terms: Terms) -> Iterator[FieldError]:
    for path, text, limit in (("title", terms.title, MAX_TITLE), ("text", terms.text, MAX_TEXT)):
        if not text.strip():
            yield FieldError(path, "empty", "不能为空", "must not be empty")
        if len(text) > limit:
            yield FieldError(
                path, "too-long", f"最多 {limit} 字，现有 {len(text)} 字", f"{len(text)} of {limit} characters"
            )
        at = unsignable_at(text)
        if at is not None:
            code = f"U+{ord(text[at]):04X}"
            yield FieldError(
                path,
                "unsignable-character",
                f"第 {at + 1} 个字符 {code} 不可见或会改变显示顺序，不能出现在签署文本中",
                f"character {at + 1} ({code}) is invisible or reorders what is shown and cannot be signed",
            )


def _amount_errors(terms: Terms) -> Iterator[FieldError]:
    if terms.tech_amount is None:
        return
    if terms.amount is None:
        yield FieldError(
            "tech_amount", "amount-missing", "填写技术交易额须先填写合同成交额", "needs the amount beside it"
        )
    elif terms.tech_amount.fen > terms.amount.fen:
        yield FieldError(
            "tech_amount.fen", "above-amount", "技术交易额不能大于合同成交额", "must not exceed the contract amount"
        )


def counted(terms: Terms, counts: bool) -> tuple[Money | None, Money | None]:
    """合同成交额 and 技术交易额 as far as they may be counted: never of an intent (domain rule B11)."""
    return (terms.amount, terms.tech_amount) if counts else (None, None)


def canonical(agreement: str, terms: Terms, parties: Sequence[Signatory]) -> bytes:
    """The exact bytes a signature is given for: JSON, keys sorted, no spaces, UTF-8, text untouched.

    Nothing is normalised. 'é' as one code point and as two, or a line ended by CR LF and by LF, look alike and
    differ here on purpose: what was signed is what was stored, and comparing must not need a Unicode version.
    The id of the agreement is inside, so a signature cannot be moved to another agreement with the same words.
    """
    content = {
        "form": CANONICAL_FORM,
        "agreement": agreement,
        "parties": [{"party": side.party, "role": side.role} for side in parties],
        **terms.model_dump(mode="json"),
    }
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def digest_of(agreement: str, terms: Terms, parties: Sequence[Signatory]) -> str:
    """SHA-256 of `canonical`, 64 lower-case hex digits."""
    return hashlib.sha256(canonical(agreement, terms, parties)).hexdigest()
