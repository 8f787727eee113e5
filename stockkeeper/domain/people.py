"""Identity of people: they are known by the names that they type."""

import unicodedata

# Fillers, joiners and variation selectors: printable by the letter of Unicode, and invisible on every screen.
_UNSEEN = frozenset(
    [
        *map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)),
        *map(chr, range(0x180B, 0x1810)),
        *map(chr, range(0xFE00, 0xFE10)),
        *map(chr, range(0xE0100, 0xE01F0)),
    ]
)


def is_same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: ``Ann`` can't approve what ``ann`` asked for."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    # Of an İ, Python leaves an i with a dot above it, and PostgreSQL's lower() a plain i. The database must not find
    # one person where we see two: it would refuse for ever what we try to store.
    folded = unicodedata.normalize("NFKC", name).casefold().replace("i\u0307", "i")
    # An é is one character or two, by the keyboard that it comes from. Invisible characters make no other person.
    seen = "".join(each for each in unicodedata.normalize("NFKC", folded) if each not in _UNSEEN)
    return " ".join(seen.split())
