"""The ways to split a scanned text into elements.

GS1 ends data of variable length by a separator, the function character FNC1, which scanners send as the control
character GS. Printers forget it, and scanners leave it out; then a lot, say, swallows the expiry behind it, and there
are several ways to split the text. All of them that make sense are found.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice, product

from stockkeeper.domain.scan import Element, fits_behind

MAX_WAYS = 200
"""Ways to split a text that are found at most."""

# As scanners, their drivers and people write the separator. All but the names in pointed brackets have a character that
# GS1's data never has.
_SEPARATOR = re.compile(r"\x1d|\u241d|\^\]|[\[{<](?:GS|FNC1)[\]}>]|\\x1d|\\u001d|~1|[|^#]", re.IGNORECASE)
_MARK = re.compile(r"\((\d{2,4})\)|\[(\d{2,4})\]", re.ASCII)
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class Shape:
    """The form of an element.

    Attributes:
        ai: Its application identifier.
        data: What its data has to match.
        is_variable: Whether its data ends at a separator, and not by its length.
    """

    ai: str
    data: re.Pattern[str]
    is_variable: bool

    def takes(self, value: str) -> bool:
        """Whether a text can be its data."""
        return self.data.fullmatch(value) is not None


Grammar = Callable[[str], Shape | None]
"""The form of the element with which a text begins; None: it begins with none."""


def chains_in(text: str, grammar: Grammar, today: date) -> list[tuple[Element, ...]]:
    """The ways to split a text into elements; none: it is no chain of elements.

    Where the text has a separator, separators end data: there is one way. Without any, data of variable length may have
    swallowed what stands behind it.

    Args:
        text: The text, without the scanner's name for the kind of symbol.
        grammar: The elements that there are.
        today: By which it is decided whether what may have been swallowed makes sense.
    """
    if _MARK.match(text):
        marked = _marked(_SPACES.sub("", _SEPARATOR.sub("", text)), grammar)
        return [] if marked is None else [marked]
    parts = _SEPARATOR.split(text)
    # One in front, as of every GS1 symbol, says nothing about those within.
    told_apart = any(parts[:-1])
    each = [list(_chains(part, grammar, today, (), whole=told_apart)) for part in parts if part]
    found = (tuple(element for chain in chosen for element in chain) for chosen in product(*each))
    return list(islice(dict.fromkeys(chain for chain in found if chain), MAX_WAYS))


def _chains(
    text: str, grammar: Grammar, today: date, before: tuple[Element, ...], *, whole: bool, swallowed: bool = False
) -> Iterator[tuple[Element, ...]]:
    """The ways to split what is left of a text.

    Args:
        text: What is left.
        grammar: The elements that there are.
        today: By which years make sense.
        before: The elements so far.
        whole: Whether data of variable length has all of the text.
        swallowed: Whether a separator is missing before what is left.
    """
    if not text:
        yield before
        return
    shape = grammar(text)
    if shape is None:
        return
    rest = text[len(shape.ai) :]
    for end in _ends(shape, rest, whole=whole):
        chain = (*before, Element(shape.ai, rest[:end]))
        if swallowed and not fits_behind(chain, len(chain) - 1, today):
            continue
        missing = swallowed or (shape.is_variable and end < len(rest))
        yield from _chains(rest[end:], grammar, today, chain, whole=whole, swallowed=missing)


def _ends(shape: Shape, rest: str, *, whole: bool) -> Sequence[int]:
    """Where an element's data may end: the farthest first."""
    if not shape.is_variable:
        found = shape.data.match(rest)
        return [] if found is None else [found.end()]
    ends = [len(rest)] if whole else range(len(rest), 0, -1)
    return [end for end in ends if shape.takes(rest[:end])]


def _marked(text: str, grammar: Grammar) -> tuple[Element, ...] | None:
    """The way to split a text with brackets around its application identifiers that opens an element as soon as it can.

    Brackets may be data as well: where what follows isn't an element, they are.
    """
    marks = {mark.start(): mark for mark in _MARK.finditer(text)}
    # From the last mark to the first, so that each is looked at once: how what begins there goes on, if it can.
    goes_on: dict[int, tuple[Element, ...]] = {len(text): ()}
    for start in sorted(marks, reverse=True):
        ai = marks[start][1] or marks[start][2]
        shape = grammar(ai)
        if shape is None or shape.ai != ai:
            continue
        begin = marks[start].end()
        for end in sorted(goes_on):
            if end > begin and shape.takes(text[begin:end]):
                goes_on[start] = (Element(ai, text[begin:end]), *goes_on[end])
                break
    return goes_on.get(0)
