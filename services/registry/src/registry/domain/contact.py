"""A contact: a person to reach at a party, and what that person consented to. Kept apart so that it can be erased."""

from datetime import datetime
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.errors import FieldError, Invalid, Refused
from qianqiao_contracts import Channel, Consent, ConsentChanged, ContactDeclared, ContactErased, Reason
from qianqiao_contracts.values import CodeText, Email, Mobile, Name, ShortText

from registry.domain.lifecycle import Actor, Transition, appended

MAX_CONSENTS = 50


class ContactText(BaseModel):
    """The details of a person to reach. An address is required for every channel the person chose."""

    model_config = ConfigDict(frozen=True)

    person_name: Name = Field(description="姓名 · Name")
    email: Email | None = Field(default=None, description="电子邮箱 · E-mail address")
    mobile: Mobile | None = Field(default=None, description="手机号 · Mobile number")
    locale: ShortText = Field(default="zh-Hans", description="语言 · Language: zh-Hans, en")
    channels: Annotated[tuple[Channel, ...], Field(max_length=len(Channel))] = Field(
        default=(), description="选择的渠道 · Channels the person chose"
    )

    def check(self) -> None:
        """Raise Invalid (code `channel-without-address`) for a channel the person chose but cannot be reached by."""
        errors = [
            FieldError(field, "channel-without-address", f"选择该渠道须填写{zh}。", f"The channel needs {en}.")
            for channel, field, zh, en in _ADDRESSES
            if channel in self.channels and getattr(self, field) is None
        ]
        if errors:
            raise Invalid("channel-without-address", errors[0].zh, errors[0].en, errors=errors)


_ADDRESSES = (
    (Channel.EMAIL, "email", "邮箱", "an e-mail address"),
    (Channel.SMS, "mobile", "手机号", "a mobile number"),
)


class ConsentGiven(BaseModel):
    """A consent as it is given: the purpose, the channel, and which version of the text was shown."""

    model_config = ConfigDict(frozen=True)

    purpose: CodeText = Field(description="目的 · Purpose, a code of consent_purpose")
    channel: Channel = Field(description="渠道 · Channel")
    text_version: ShortText = Field(description="告知文本版本 · Version of the text consented to")


class Contact(Aggregate):
    """One person. After erasure nothing of the person is left here, only that there was a contact of this party.

    The log names purposes and channels, never addresses; withdrawn consents stay in it as evidence (PIPL art. 15).
    """

    topic: ClassVar[str | None] = ContactDeclared.topic.name

    party: str
    details: ContactText | None
    consents: tuple[Consent, ...] = ()
    log: tuple[Transition, ...] = ()

    @classmethod
    def declare(
        cls, id_: str, party: str, details: ContactText, consents: tuple[ConsentGiven, ...], by: Actor, now: datetime
    ) -> Self:
        """Declare a person to reach, with the consents given at the same time. Raises Invalid (ContactText.check)."""
        details.check()
        contact = cls(id=id_, party=party, details=details)
        contact._note("declare", by, now, before=None)
        for consent in consents:
            contact._give(consent, by, now)
        contact.record(ContactDeclared(**contact._whole(details)))
        return contact

    def revise(self, details: ContactText, by: Actor, now: datetime) -> None:
        """Replace the details. Raises Refused (code `contact-erased`), Invalid (see ContactText.check)."""
        self._present()
        details.check()
        self.details = details
        self._note("revise", by, now)
        self.record(ContactDeclared(**self._whole(details)))

    def consent(self, given: ConsentGiven, by: Actor, now: datetime) -> None:
        """Give a consent; one for the same purpose and channel is replaced. Raises Refused (`contact-erased`)."""
        details = self._present()
        self._give(given, by, now)
        self.record(ConsentChanged(**self._whole(details)))

    def withdraw_consent(self, purpose: str, channel: Channel, by: Actor, now: datetime) -> None:
        """Withdraw a consent; withdrawing what was not given changes nothing. Raises Refused (`contact-erased`)."""
        details = self._present()
        kept = tuple(c for c in self.consents if (c.purpose, c.channel) != (purpose, channel))
        if len(kept) == len(self.consents):
            return
        self.consents = kept
        self._note("withdraw-consent", by, now, reason=Reason(code=f"{purpose}:{channel}"))
        self.record(ConsentChanged(**self._whole(details)))

    def erase(self, by: Actor, now: datetime, reason: Reason) -> None:
        """Blank everything about the person. Raises Refused (code `contact-erased`) when that was done before."""
        self._present()
        self.details, self.consents = None, ()
        self._note("erase", by, now, reason=reason)
        self.record(ContactErased(party=self.party, contact=self.id, reason=reason))

    @property
    def erased(self) -> bool:
        """Whether the person was erased."""
        return self.details is None

    def _present(self) -> ContactText:
        if self.details is None:
            raise Refused("contact-erased", "该联系人信息已删除。", "This contact was erased.")
        return self.details

    def _give(self, given: ConsentGiven, by: Actor, now: datetime) -> None:
        others = tuple(c for c in self.consents if (c.purpose, c.channel) != (given.purpose, given.channel))
        if len(others) >= MAX_CONSENTS:
            raise Refused("too-many-consents", "同意项过多。", "There are too many consents.")
        self.consents = (*others, Consent(**dict(given), given_at=now))
        self._note("consent", by, now, reason=Reason(code=f"{given.purpose}:{given.channel}"))

    def _whole(self, details: ContactText) -> dict[str, object]:
        return {**dict(details), "party": self.party, "contact": self.id, "consents": self.consents}

    def _note(
        self, step: str, by: Actor, now: datetime, *, before: str | None = "kept", reason: Reason | None = None
    ) -> None:
        after = "erased" if self.details is None else "kept"
        self.log = appended(self.log, Transition(at=now, by=by, step=step, before=before, after=after, reason=reason))
