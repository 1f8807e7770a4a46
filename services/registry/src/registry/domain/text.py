"""Text as it is compared, never as it is kept."""

import re
import unicodedata

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_MOBILE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
_SEPARATED = re.compile(r"(?<=\d)[ -](?=\d)")


def comparable(text: str) -> str:
    """Return the text in NFKC and lower case, with letters and digits only.

    Spaces, punctuation, zero-width characters and the `_x000D_` that spreadsheets leave behind fall away, so that two
    writings of the same sentence become equal.
    """
    folded = unicodedata.normalize("NFKC", text.replace("_x000D_", "")).lower()
    return "".join(character for character in folded if character.isalnum())


def contact_data(text: str) -> str | None:
    """Return the first e-mail address or mainland mobile number in the text, or None.

    Numbers are also found when written in groups (138 0000 0000). A part number of eleven digits beginning with
    13 to 19 looks the same; its owner has to write it differently.
    """
    folded = unicodedata.normalize("NFKC", text)
    if address := _EMAIL.search(folded):
        return address.group()
    number = _MOBILE.search(_SEPARATED.sub("", folded))
    return number.group() if number else None
