"""Names that people type: the nearest of those that there are."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

_ALIKE = 0.7
"""Similarity, from 0 to 1, from which a name is suggested: one slip in a short name, several in a long one."""

_NOT_COMPARED = re.compile(r"[\W_]+")


def require_sku(sku: str) -> str:
    """Check that a text can be a SKU that people type, and return it.

    Raises:
        ValueError: It begins or ends with a space, or reads as an id.
    """
    if sku != sku.strip():
        raise ValueError("must not begin or end with a space")
    if sku.startswith("id:"):
        raise ValueError("must not begin with id:, which stands for a product's id")
    return sku


def bare(name: str) -> str:
    """A name without case, punctuation and leading zeros, which spreadsheets and people drop: ``0001`` is ``1``."""
    letters = _NOT_COMPARED.sub("", name.casefold())
    return letters.lstrip("0") or letters


def nearest(wanted: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant; None: none is near."""
    known = list(names)
    same = bare(wanted)
    if same and (alike := sorted(name for name in known if bare(name) == same)):
        return alike[0]
    folded = {name.casefold(): name for name in reversed(known)}
    found = get_close_matches(wanted.casefold(), folded, n=1, cutoff=_ALIKE)
    return folded[found[0]] if found else None


def did_you_mean(suggested: dict[str, str]) -> str:
    """The end of a sentence that suggests names: ``; did you mean MUG-RED?``, or nothing."""
    if not suggested:
        return ""
    if len(suggested) == 1:
        return f"; did you mean {next(iter(suggested.values()))}?"
    return "; did you mean " + ", ".join(f"{name} for {wanted}" for wanted, name in suggested.items()) + "?"
