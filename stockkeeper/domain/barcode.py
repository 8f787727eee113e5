"""Barcodes of products: GTINs, which GS1 numbers are, and codes of one's own. A barcode means one product in one pack.

A GTIN has 8, 12, 13 or 14 digits, the last of which is computed from the others (GS1 General Specifications, 7.9), and
is the same number with zeros in front: it is kept with 14 digits. Whatever else can be printed is a code of one's own,
and is kept as it is.
"""

import re

GTIN_DIGITS = 14
"""Digits of a GTIN as it is kept."""
MAX_BARCODE_LENGTH = 90
"""Letters of a barcode at most: of an own code, as of a variable element in GS1's longest symbols."""
MAX_UNIT_LENGTH = 40

_DIGITS = re.compile(r"[0-9]+", re.ASCII)
LENGTHS = frozenset({8, 12, 13, 14})
"""Digits that a GTIN may have."""
_SHORTENED = re.compile(r"[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]+", re.ASCII)
_UPC_DIGITS = 12
_SYMBOLOGY = re.compile(r"\][A-Za-z][0-9A-Za-z]", re.ASCII)
_UNIT = re.compile(r"[^\W\d_](?:[\w-]*\w)?")


def check_digit(digits: str) -> str:
    """The digit that belongs behind these: weights 3, 1, 3, … from the last one, up to the next ten."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def has_check_digit(digits: str) -> bool:
    """Whether the last digit is computed from the others."""
    return check_digit(digits[:-1]) == digits[-1]


def gtin_of(text: str) -> str | None:
    """A GTIN with 14 digits; None: the text is none, or its check digit is wrong."""
    if not _DIGITS.fullmatch(text) or len(text) not in LENGTHS or not text.strip("0") or not has_check_digit(text):
        return None
    return text.zfill(GTIN_DIGITS)


def require_barcode(text: str) -> str:
    """A barcode as it is kept: a GTIN with 14 digits, or an own code as it is.

    Raises:
        ValueError: A wrong check digit, or a text that can't come from a scanner as it is. The message is for the
            person who wrote it.
    """
    if len(text) > MAX_BARCODE_LENGTH:
        raise ValueError(f"must have at most {MAX_BARCODE_LENGTH} letters")
    if _SHORTENED.fullmatch(text):
        raise ValueError("a spreadsheet has shortened this number: give the column the format text, and type it again")
    if _SYMBOLOGY.match(text):
        raise ValueError(f"must not begin with {text[:3]}, which a scanner puts in front to name the kind of symbol")
    if not _DIGITS.fullmatch(text):
        return text
    if not text.strip("0"):
        raise ValueError("must not be zeros alone")
    if len(text) in LENGTHS:
        if not has_check_digit(text):
            raise ValueError(
                f"has {len(text)} digits as a GTIN, whose last one would be {check_digit(text[:-1])}: read it again; "
                "an own code needs another length, or a letter"
            )
        return text.zfill(GTIN_DIGITS)
    if len(text) == _UPC_DIGITS - 1 and has_check_digit(text):
        raise ValueError(
            f"may be the UPC {text.zfill(_UPC_DIGITS)} without its first zero, which spreadsheets drop: write that; "
            "an own code needs another length, or a letter"
        )
    return text


def require_unit(text: str) -> str:
    """The name of a pack in small letters, one word: ``each``, ``case``, ``pallet``.

    Raises:
        ValueError: It isn't one word of letters, digits, ``-`` and ``_`` that begins with a letter.
    """
    if len(text) > MAX_UNIT_LENGTH or not _UNIT.fullmatch(text):
        raise ValueError(f"must be one word of at most {MAX_UNIT_LENGTH} letters, such as each, case or pallet")
    return text.lower()
