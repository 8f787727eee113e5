"""Where everything stands on a label, in dots: the same for a picture and for a printer's commands.

From the top: the SKU and the name; the symbol, and beside it the days, the quantity and the GTIN; and over the whole
width, as large as it can be, the lot. What a picker has to compare is never cut: it shrinks to the least size that can
be read, and a label that is too small for that is refused. A name is wrapped, and cut at the end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starter.cli.times import day_shown
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.label import Element, Label, modules_across
from stockkeeper.contracts.unit import quantity_in

Measure = Callable[[str, int], float]
"""How wide a text is, in dots, at a height in dots."""

QUIET = 1
"""Modules around a symbol that stay white (GS1 General Specifications, 5.6.2)."""
BASELINE = 0.78
"""Where the letters stand, as a part of their height from the top."""
LEAST_SIDE_MM, MOST_SIDE_MM = 15, 300
_INCH_MM = 25.4
_LEAST_TEXT_MM = 1.6
_LEAST_MODULE_MM = 0.25
_LARGEST_MODULE_MM = 1.25
_TALL_MM = 40
_MARGIN, _LEAST_MARGIN_MM, _GAP = 0.04, 1.2, 0.035
_SKU, _NUMBER, _NAME, _FOOT = 0.14, 0.06, 0.1, 0.24
"""Heights as parts: of the shorter side, for the SKU, the GTIN and a line of the name; of the height, for the lot."""
_SYMBOL_WIDTH = 0.5
_TITLE = 0.36
_DAY, _COUNT = 3.0, 1.7
_EACH_MORE = 0.4
"""How much lower each further line at the foot makes all of them."""
_MANY = 3
"""Days, lot and serial number, with which a name has one line, so that the symbol isn't small."""
_LEAST_OF_SKU = 0.6
"""How low the SKU may become to have the GTIN beside it."""
_END = "…"


@dataclass(frozen=True, slots=True)
class Size:
    """A label's size in millimetres, and a printer's dots to the inch.

    Raises:
        InvalidRequest: No label is as small or as large.
    """

    width_mm: float
    height_mm: float
    dots_per_inch: int

    def __post_init__(self) -> None:
        if not all(LEAST_SIDE_MM <= side <= MOST_SIDE_MM for side in (self.width_mm, self.height_mm)):
            raise InvalidRequest(f"a label's sides must be from {LEAST_SIDE_MM} to {MOST_SIDE_MM} mm")

    def dots(self, millimetres: float) -> int:
        """A length in whole dots, never longer than it is."""
        return int(millimetres * self.dots_per_inch / _INCH_MM)


@dataclass(frozen=True, slots=True)
class PlacedText:
    """A text: its upper left corner, and the height of its letters with what is above and below."""

    x: int
    y: int
    height: int
    text: str


@dataclass(frozen=True, slots=True)
class PlacedSymbol:
    """The symbol's upper left corner without its quiet zone, the width of a module, and the modules across at most."""

    x: int
    y: int
    module: int
    across: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A label laid out."""

    width: int
    height: int
    symbol: PlacedSymbol
    texts: list[PlacedText]


@dataclass(frozen=True, slots=True)
class _Row:
    """A title with its value, and the share of the column's height that they get."""

    title: str
    value: str
    share: float


def lay_out(label: Label, elements: Sequence[Element], size: Size, measure: Measure) -> Layout:
    """Lay a label out.

    Args:
        label: The label.
        elements: What its code has in it; empty: the code is plain.
        size: Its size.
        measure: Measures texts in the font that prints them, or in a wider one.

    Raises:
        InvalidRequest: The label is too small for what has to be read from it.
    """
    return _Sheet(label, elements, size, measure).laid_out()


class _Sheet:
    """A label that is being laid out, from its top and its foot towards the middle."""

    def __init__(self, label: Label, elements: Sequence[Element], size: Size, measure: Measure) -> None:
        self._label = label
        self._size = size
        self._measure = measure
        self._modules = modules_across(label, elements)
        margin = max(_LEAST_MARGIN_MM, _MARGIN * min(size.width_mm, size.height_mm))
        self._left = self._top = size.dots(margin)
        self._right = size.dots(size.width_mm) - self._left
        self._bottom = size.dots(size.height_mm) - self._top
        self._inner_height = self._bottom - self._top
        self._shorter = min(self._inner_height, self._right - self._left)
        self._gap = int(_GAP * self._inner_height)
        self._least = size.dots(_LEAST_TEXT_MM)
        self._upright = size.height_mm > size.width_mm
        self._texts: list[PlacedText] = []

    def laid_out(self) -> Layout:
        days, counts = self._days(), self._counts()
        # On an upright label the days are as narrow beside the symbol as they are wide below it.
        rows = counts if self._upright else days + counts
        self._head(with_name=self._upright or bool(rows))
        self._foot((days if self._upright else []) + self._numbers())
        symbol, right_of_it = self._symbol(alone=self._upright and not rows)
        if rows:
            self._column(right_of_it, rows)
        elif not self._upright:
            height = max(int(_NAME * self._shorter), self._least)
            lines = max(1, (self._bottom - self._top) // (height + self._gap))
            self._wrapped(right_of_it, self._top, height, lines)
        size = self._size
        return Layout(size.dots(size.width_mm), size.dots(size.height_mm), symbol, self._texts)

    def _days(self) -> list[_Row]:
        label = self._label
        days = (("EXP", label.expires_on), ("BEST BEFORE", label.best_before))
        return [_Row(title, day_shown(day), _DAY) for title, day in days if day is not None]

    def _counts(self) -> list[_Row]:
        label = self._label
        return [] if label.quantity is None else [_Row("QTY", quantity_in(label.quantity, label.unit), _COUNT)]

    def _numbers(self) -> list[_Row]:
        numbers = (("LOT", self._label.lot_number), ("SERIAL", self._label.serial))
        return [_Row(title, number, _DAY) for title, number in numbers if number is not None]

    def _head(self, *, with_name: bool) -> None:
        height = int(_SKU * self._shorter)
        number = f"GTIN {self._label.gtin}" if self._label.gtin else ""
        small = max(int(_NUMBER * self._shorter), self._least)
        beside = self._right - int(self._measure(number, small)) - self._gap if number else self._right
        is_beside = self._measure(self._label.sku, int(_LEAST_OF_SKU * height)) <= beside - self._left
        right = beside if is_beside else self._right
        if number and is_beside:
            self._place(number, beside + self._gap, self._top + int(BASELINE * (height - small)), small)
        self._line("SKU", self._label.sku, self._left, self._top, right, height)
        self._top += height + self._gap
        if number and not is_beside:
            self._line("GTIN", number, self._left, self._top, self._right, small)
            self._top += small + self._gap
        if with_name:
            name_height = max(int(_NAME * self._shorter), self._least)
            compared = len(self._days()) + len(self._numbers())
            lines = 2 if self._size.height_mm >= _TALL_MM and compared < _MANY else 1
            self._top = self._wrapped(self._left, self._top, name_height, lines)

    def _foot(self, rows: Sequence[_Row]) -> None:
        height = int(_FOOT * self._inner_height / (1 + _EACH_MORE * (len(rows) - 1)))
        for row in reversed(rows):
            small, _, placed = self._fitted_with_title(row.title, row.value, self._left, height)
            self._bottom -= max(small, placed)
            self._titled(row.title, row.value, self._left, self._bottom, max(small, placed))
            self._bottom -= self._gap

    def _symbol(self, *, alone: bool) -> tuple[PlacedSymbol, int]:
        """The symbol at the left of what is free, and where the column beside it begins."""
        size, across = self._size, self._modules + 2 * QUIET
        width = int((1 if alone else _SYMBOL_WIDTH) * (self._right - self._left))
        side = min(self._bottom - self._top, width)
        module = min(side // across, size.dots(_LARGEST_MODULE_MM))
        if module * _INCH_MM / size.dots_per_inch < _LEAST_MODULE_MM:
            raise self._too_small("its code")
        quiet = QUIET * module
        placed = PlacedSymbol(self._left + quiet, self._top + quiet, module, self._modules)
        return placed, self._left + across * module + self._gap

    def _column(self, left: int, rows: Sequence[_Row]) -> None:
        free = self._bottom - self._top - self._gap * (len(rows) - 1)
        shares = sum(row.share for row in rows)
        top = self._top
        for row in rows:
            height = int(free * row.share / max(shares, _DAY))
            if height < self._least:
                raise self._too_small(f"{row.title} {row.value!r}")
            self._titled(row.title, row.value, left, top, height)
            top += height + self._gap

    def _titled(self, title: str, value: str, left: int, top: int, height: int) -> None:
        """A small title, and behind it the value, both on one baseline."""
        small, begins, placed = self._fitted_with_title(title, value, left, height)
        # In the middle of its height where the width has made it lower.
        baseline = top + int(BASELINE * (height + placed) / 2)
        self._place(title, left, baseline - int(BASELINE * small), small)
        self._place(value, begins, baseline - int(BASELINE * placed), placed)

    def _fitted_with_title(self, title: str, value: str, left: int, height: int) -> tuple[int, int, int]:
        """The title's height, where the value begins, and the value's height, as large as both fit in a line."""

        def title_height(of_value: int) -> int:
            return max(int(_TITLE * of_value), self._least)

        def before(of_value: int) -> int:
            return int(self._measure(f"{title}  ", title_height(of_value)))

        def both(of_value: int) -> float:
            return before(of_value) + self._measure(value, of_value)

        placed = self._largest(f"{title} {value!r}", self._right - left, height, both)
        return title_height(placed), left + before(placed), placed

    def _line(self, of: str, text: str, left: int, top: int, right: int, height: int) -> None:
        """One line that is never cut."""
        what = text if text.startswith(of) else f"{of} {text!r}"
        fitted = self._largest(what, right - left, height, lambda tried: self._measure(text, tried))
        self._place(text, left, top, fitted)

    def _largest(self, what: str, width: int, height: int, measure: Callable[[int], float]) -> int:
        """The largest height, up to this one, at which something is no wider."""
        low, high = self._least - 1, max(height, self._least)
        while low < high:
            middle = (low + high + 1) // 2
            if measure(middle) <= width:
                low = middle
            else:
                high = middle - 1
        if low < self._least:
            raise self._too_small(what)
        return low

    def _wrapped(self, left: int, top: int, height: int, lines: int) -> int:
        """The name in lines; answers where they end below."""
        for line in wrapped(self._label.name, self._right - left, height, lines, self._measure):
            self._place(line, left, top, height)
            top += height + self._gap
        return top

    def _place(self, text: str, left: int, top: int, height: int) -> None:
        if text:
            self._texts.append(PlacedText(left, top, height, text))

    def _too_small(self, what: str) -> InvalidRequest:
        size = self._size
        return InvalidRequest(
            f"{what} can't be read on a label of {size.width_mm:g} x {size.height_mm:g} mm at {size.dots_per_inch} "
            "dpi: take a larger one"
        )


def wrapped(text: str, width: int, height: int, lines: int, measure: Measure) -> list[str]:
    """A text in at most so many lines, none wider than this; what is left over is cut, and ends in an ellipsis.

    Lines end between words, or within one that is longer than a line, as where a language writes no spaces.
    """
    # Anything that isn't shown is a space: a line break in a name is none on a label.
    rest = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    done: list[str] = []
    while rest and len(done) < lines:
        if measure(rest, height) <= width:
            return [*done, rest]
        if len(done) == lines - 1:
            return [*done, f"{rest[: _longest(rest, width, height, measure, _END)].rstrip()}{_END}"]
        end = max(_longest(rest, width, height, measure, ""), 1)
        between = rest.rfind(" ", 0, end + 1)
        done.append(rest[: between if between > 0 else end].rstrip())
        rest = rest[len(done[-1]) :].lstrip()
    return done


def _longest(text: str, width: int, height: int, measure: Measure, end: str) -> int:
    """How many letters fit into a width, with this behind them."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle].rstrip() + end, height) <= width:
            low = middle
        else:
            high = middle - 1
    return low
