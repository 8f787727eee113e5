"""People go by the names that they type."""

import unicodedata


def is_same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: ``Ann`` can't approve what ``ann`` asked for."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    # Of an İ, Python leaves an i with a dot above it, and PostgreSQL's lower() a plain i. The database must not find
    # one person where we see two: it would refuse for ever what we try to store.
    folded = unicodedata.normalize("NFKC", name).casefold().replace("i\u0307", "i")
    # An é is one character or two, by the keyboard that it comes from.
    return unicodedata.normalize("NFKC", folded)
