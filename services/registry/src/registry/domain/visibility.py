"""What of a listing others may read, in answers and in events alike.

Events of needs and results are read by every service, so they carry only what strangers may see:
公开 everything; 摘要公开 the public summary in place of the description, no figures and no money; 定向 and 保密 only
what is needed to know that something is there and what it is about (sectors, modes, wanted or reached maturity).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from qianqiao_contracts import Visibility
from qianqiao_contracts.values import HIDDEN_TEXT


def told(
    content: BaseModel, visibility: Visibility, *, body: str, summary: str | None, safe: Iterable[str]
) -> Mapping[str, Any]:
    """Return the fields of a listing's content that may be told under `visibility`, by name.

    `body` names the required descriptive field (difficulty, summary), its English being no more public; `summary` is
    the text written for strangers, the title standing in where none was written; `safe` are the fields that tell
    nothing confidential.
    """
    everything = {name: getattr(content, name) for name in type(content).model_fields}
    if visibility is Visibility.PUBLIC:
        return everything
    shown = {name: everything[name] for name in safe}
    if visibility is Visibility.SUMMARY:
        title = everything["title"]
        named = {name: everything[name] for name in ("title", "title_en", "keywords", "keywords_en")}
        return {**shown, **named, body: summary or title}
    return {**shown, "title": HIDDEN_TEXT[visibility], body: HIDDEN_TEXT[visibility]}


def told_title(title: str, visibility: Visibility) -> str | None:
    """Return the title where strangers may read it, else None."""
    return None if visibility in HIDDEN_TEXT else title
