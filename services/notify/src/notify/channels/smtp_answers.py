"""What an SMTP answer means for the message: the table data/smtp_answers.toml, asked by phase, code and words."""

import re
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict

from notify.domain.states import Outcome

type Phase = Literal["connect", "mail", "rcpt", "data"]
type Meaning = Literal["refused_for_now", "refused", "unreachable", "misconfigured"]


class AnswerRow(BaseModel):
    """One row; the first whose phases, code and words fit decides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phases: tuple[Phase, ...]
    code: str
    """Regular expression over the three-digit code."""
    words: str = ""
    """Regular expression that must be found in the server's words; empty fits all."""
    means: Meaning
    reason: str
    note: str = ""

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        return re.compile(self.code), re.compile(self.words, re.IGNORECASE)

    def fits(self, phase: Phase, code: int, words: str) -> bool:
        """Whether this row speaks about that answer."""
        by_code, by_words = self._patterns
        return phase in self.phases and bool(by_code.fullmatch(str(code)) and by_words.search(words))


class AnswerTable(BaseModel):
    """The rows in order, with the source they come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    source: str
    rows: tuple[AnswerRow, ...]

    def outcome(self, phase: Phase, code: int, words: str) -> Outcome:
        """Return what the answer means; one that no row knows is taken as temporary, so that nothing is lost by it."""
        for row in self.rows:
            if row.fits(phase, code, words):
                return Outcome(kind=row.means, code=row.reason, detail=f"{phase} {code} {words}")
        return Outcome(kind="refused_for_now", code="smtp-unknown-answer", detail=f"{phase} {code} {words}")
