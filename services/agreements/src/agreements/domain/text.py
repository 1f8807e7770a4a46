"""What may stand in a text that people sign: everything a reader can see, nothing that deceives the eye."""

import re
from typing import Final

MAX_TITLE: Final = 80
"""Unicode characters; the title travels in events, whose contract sets this limit."""

MAX_TEXT: Final = 100_000
"""Unicode characters. As UTF-8 that is at most 400 KB, well inside what one request and one document may hold."""

# C0/C1 controls but for tab, line feed and carriage return; surrogates have no UTF-8 form and so no digest;
# bidirectional overrides and isolates make a text read otherwise than it is stored, which a signature must exclude.
_UNSIGNABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_BREAKS = re.compile("[\r\n\t]+")


def unsignable_at(text: str) -> int | None:
    """Position (in characters) of the first character that may not stand in a signed text, None if there is none."""
    found = _UNSIGNABLE.search(text)
    return found.start() if found else None


def printable(name: str) -> str:
    """A name fit to stand inside a line of a signed text: without unsignable characters and line breaks."""
    return _BREAKS.sub(" ", _UNSIGNABLE.sub("", name)).strip()


def shortened(text: str, limit: int) -> str:
    """The text, cut to `limit` characters with an ellipsis as the last of them where it is longer."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
