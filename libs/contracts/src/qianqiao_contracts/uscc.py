"""统一社会信用代码, the unified social credit code of an organisation (GB 32100-2015).

Eighteen characters: registering authority, kind, six digits of region, nine characters of organisation code, and a
check character over the first seventeen.
"""

from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 characters in the order of their value: I, O, S, V and Z are left out, being easy to misread."""

LENGTH: Final = 18
_VALUES: Final = {character: value for value, character in enumerate(ALPHABET)}
_WEIGHTS: Final = tuple(pow(3, position, 31) for position in range(LENGTH - 1))


def check_character(body: str) -> str:
    """The check character for the first seventeen characters.

    Raises ValueError where ``body`` has another length or a character outside the alphabet.
    """
    if len(body) != LENGTH - 1:
        raise ValueError(f"expected {LENGTH - 1} characters, got {len(body)}")
    try:
        total = sum(_VALUES[character] * weight for character, weight in zip(body, _WEIGHTS, strict=True))
    except KeyError as error:
        raise ValueError(f"character {error.args[0]!r} is not in the code's alphabet") from None
    return ALPHABET[-total % 31]


def is_valid(code: str) -> bool:
    """Whether ``code`` is eighteen upper-case characters of the alphabet whose last one checks the others."""
    try:
        return len(code) == LENGTH and check_character(code[:-1]) == code[-1]
    except ValueError:
        return False
