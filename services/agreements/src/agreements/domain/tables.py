"""The shapes of the tables that decide names, clauses, reasons and drafts; their content is data, not code."""

from collections.abc import Mapping
from string import Template
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from qianqiao_contracts import AGREEMENT_ROLES

from agreements.domain.text import MAX_TITLE, printable, shortened

Side = Literal["demand", "supply"]


class _Row(BaseModel):
    """A row of a table: unknown columns are a mistake in the data and stop the service at its start."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Label(_Row):
    """A word in both languages."""

    zh: str
    en: str


class KindRow(_Row):
    """One kind of agreement: what its sides are called, whether its amount adds to 合同成交额."""

    code: str
    en: str
    counts: bool
    technical: bool
    demand: str
    supply: str

    def role(self, side: Side) -> str:
        """Role code of the party on this side in an agreement of this kind."""
        return self.demand if side == "demand" else self.supply


class Kinds(_Row):
    """All kinds of agreement, with the source the table was made from."""

    version: str
    source: str
    kind: tuple[KindRow, ...]

    def of(self, code: str) -> KindRow:
        """The row of one kind; KeyError if the table has none, which the table's check at the start excludes."""
        for row in self.kind:
            if row.code == code:
                return row
        raise KeyError(code)


class ClauseRow(_Row):
    """One clause a technical contract usually has, and the words that betray its presence."""

    code: str
    zh: str
    en: str
    words: tuple[str, ...] = Field(min_length=1)


class Clauses(_Row):
    """The clauses list. Searching words can be wrong both ways, so the list is shown and never refuses anything."""

    version: str
    source: str
    note_zh: str
    note_en: str
    clause: tuple[ClauseRow, ...]

    def missing_in(self, text: str) -> tuple[ClauseRow, ...]:
        """The clauses none of whose words occur in `text`, in the order of the table."""
        return tuple(row for row in self.clause if not any(word in text for word in row.words))


class ReasonRow(_Row):
    """One reason for which an agreement may end before it is performed."""

    code: str
    zh: str
    en: str
    needs_text: bool = False


class Reasons(_Row):
    """All reasons for termination."""

    version: str
    source: str
    reason: tuple[ReasonRow, ...]

    def find(self, code: str) -> ReasonRow | None:
        """The row of one reason, None if the table has none."""
        return next((row for row in self.reason if row.code == code), None)


class DraftRow(_Row):
    """What is drafted for one kind of match; roles are named here only where the kind's own would be wrong."""

    match_kind: str
    kind: str
    template: str
    demand: str | None = None
    supply: str | None = None

    def role(self, side: Side, kind: KindRow) -> str:
        """Role code of the party on this side."""
        return (self.demand if side == "demand" else self.supply) or kind.role(side)


class TextTemplate(_Row):
    """A text with `$names` in both languages; the Chinese one is signed, the English one is for reading."""

    title_zh: str
    title_en: str
    zh: str
    en: str


class Subject(_Row):
    """What the two sides matched on. Titles and ids are absent where the match does not carry them."""

    match: str
    need: str | None = None
    result: str | None = None
    need_title: str | None = None
    result_title: str | None = None

    @property
    def title(self) -> str | None:
        """The one title that names it best: the need's, else the result's."""
        return self.need_title or self.result_title


class Matter(_Row):
    """How the subject of a match is worded in a draft."""

    title_zh: str
    title_en: str
    need_zh: str
    need_en: str
    result_zh: str
    result_en: str
    match_zh: str
    match_en: str
    joint_zh: str
    joint_en: str

    def worded(self, subject: Subject) -> Label:
        """Need and result named together, else whichever there is, else the match itself."""
        parts = [
            self._part(zh, en, id, title)
            for zh, en, id, title in (
                (self.need_zh, self.need_en, subject.need, subject.need_title),
                (self.result_zh, self.result_en, subject.result, subject.result_title),
            )
            if id is not None
        ] or [self._part(self.match_zh, self.match_en, subject.match, None)]
        return Label(zh=self.joint_zh.join(part.zh for part in parts), en=self.joint_en.join(part.en for part in parts))

    def _part(self, zh: str, en: str, id: str, title: str | None) -> Label:
        shown = printable(title) if title else None
        quoted_zh = Template(self.title_zh).substitute(title=shown) if shown else ""
        quoted_en = Template(self.title_en).substitute(title=shown) if shown else ""
        return Label(
            zh=Template(zh).substitute(id=id, title=quoted_zh), en=Template(en).substitute(id=id, title=quoted_en)
        )


class Drafted(_Row):
    """A filled-in template: what will be signed, and the English reading copy of it."""

    title: str
    text: str
    title_en: str
    text_en: str


class Drafts(_Row):
    """Which text is drafted for which kind of match."""

    version: str
    source: str
    draft: tuple[DraftRow, ...]
    template: Mapping[str, TextTemplate]
    matter: Matter

    def row(self, match_kind: str) -> DraftRow | None:
        """What is drafted for a match of this kind; None where nothing is (a policy is applied for, not agreed on)."""
        return next((row for row in self.draft if row.match_kind == match_kind), None)

    def fill(self, template: str, *, roles: Mapping[Side, str], names: Mapping[Side, str], subject: Subject) -> Drafted:
        """Fill in one template. Names are put in as they are but for characters nobody can see."""
        text = self.template[template]
        matter = self.matter.worded(subject)
        shown = {f"{side}_name": printable(name) for side, name in names.items()}
        zh = shown | {"matter": matter.zh} | {f"{side}_role": AGREEMENT_ROLES.label(roles[side]) for side in roles}
        en = (
            shown | {"matter": matter.en} | {f"{side}_role": AGREEMENT_ROLES.label(roles[side], "en") for side in roles}
        )
        title = printable(subject.title or "")
        return Drafted(
            title=shortened(f"{text.title_zh}：{title}" if title else text.title_zh, MAX_TITLE),
            text=Template(text.zh).substitute(zh).strip(),
            title_en=shortened(f"{text.title_en}: {title}" if title else text.title_en, MAX_TITLE),
            text_en=Template(text.en).substitute(en).strip(),
        )
