"""Numbers as people write them in files: ``12.50``, ``12,50`` where the file is consistent, ``12.0`` for 12.

Thousands separators aren't guessed at: ``1.234`` may be either number. They are bad rows, named with what to write.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stockkeeper.contracts.import_rows import BadRow

WHOLE = frozenset(
    {
        *("product_id", "warehouse_id", "supplier_id", "category_id", "minimum_order_quantity", "pack_size"),
        *("quantity", "expected_quantity", "qty", "priority"),
    }
)
"""Columns of whole numbers."""

COUNTED = frozenset({"minimum_order_quantity", "pack_size", "quantity", "expected_quantity", "qty"})
"""Those of them that a unit beside them may count."""

DECIMAL = frozenset(
    {
        *("unit_cost", "unit_price", "weight_kg", "capacity_sqft", "lead_time_days", "lead_time_deviation_days"),
        *("minimum_order_value", "line_cost"),
    }
)
"""Columns of decimal numbers."""

_SIGN = r"[+-]?"
_GROUPED = re.compile(rf"{_SIGN}\d{{1,3}}(?:[.,'\u2019 \u00a0\u202f]\d{{3}})+(?:[.,]\d+)?", re.ASCII)
_GROUPED_FOR_CERTAIN = re.compile(
    rf"{_SIGN}\d{{1,3}}(?:(?:['\u2019 \u00a0\u202f]\d{{3}})+(?:[.,]\d+)?|(?:\.\d{{3}})+,\d+|(?:,\d{{3}})+\.\d+"
    r"|(?:\.\d{3}){2,}|(?:,\d{3}){2,})",
    re.ASCII,
)
_ONE_MARK = re.compile(rf"({_SIGN}\d+)([.,])(\d+)", re.ASCII)
_NOTHING_BEHIND = re.compile(rf"({_SIGN}\d+)[.,]0+", re.ASCII)
_NOT_DIGITS = re.compile(r"[^0-9+-]", re.ASCII)


@dataclass
class NumberStyle:
    """The decimal mark of a file, as its own numbers show it.

    Attributes:
        first: The line of the first number that can only have that mark, by mark.
    """

    first: dict[str, int] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """The mark: a comma, if the file has one for certain and no point for certain; else a point."""
        return "," if "," in self.first and "." not in self.first else "."

    def look_at(self, line: int, cell: str) -> None:
        """Learn from one cell; three digits behind a mark say nothing."""
        found = _ONE_MARK.fullmatch(cell.strip())
        if found and not _GROUPED.fullmatch(cell.strip()):
            self.first.setdefault(found[2], line)

    def read(self, line: int, column: str, cell: str, *, is_measured: bool = False) -> str | BadRow:
        """A number as the contract has it, ``12.50``; or the bad row. What is no number stays as it is.

        Args:
            line: The line.
            column: The column's name.
            cell: The cell.
            is_measured: Whether the row says in which unit it is: 1.25 kg are whole grams.
        """
        text = cell.strip()
        if _GROUPED_FOR_CERTAIN.fullmatch(text):
            return BadRow(line, column, f"{text} has a thousands separator; write {self._plain(text)}")
        if is_measured and column in COUNTED:
            if (nothing_behind := _NOTHING_BEHIND.fullmatch(text)) and not _GROUPED.fullmatch(text):
                return nothing_behind[1]
        elif column in WHOLE:
            return self._whole(line, column, text)
        found = _ONE_MARK.fullmatch(text)
        if not found:
            return text
        if found[2] == self.mark:
            return f"{found[1]}.{found[3]}"
        if _GROUPED.fullmatch(text):
            return BadRow(line, column, f"{text} may be {found[1]}{found[3]} or {found[1]}.{found[3]}; write which")
        other = "points" if self.mark == "." else "commas"
        where = f" (line {self.first[self.mark]})" if self.mark in self.first else ""
        write = f"{found[1]}{self.mark}{found[3]}"
        return BadRow(
            line, column, f"{text} has another decimal mark than the {other} of the file{where}; write {write}"
        )

    @staticmethod
    def _whole(line: int, column: str, text: str) -> str | BadRow:
        if _GROUPED.fullmatch(text):
            return BadRow(line, column, f"{text} has a thousands separator; write {_NOT_DIGITS.sub('', text)}")
        nothing_behind = _NOTHING_BEHIND.fullmatch(text)
        return nothing_behind[1] if nothing_behind else text

    @staticmethod
    def _plain(text: str) -> str:
        """The number without its separators; a last mark after other ones, or before other than three digits, stays."""
        last = max(text.rfind("."), text.rfind(","))
        separators = set(_NOT_DIGITS.findall(text))
        if last >= 0 and len(separators) > 1:
            return f"{_NOT_DIGITS.sub('', text[:last])}{text[last:]}"
        return _NOT_DIGITS.sub("", text)


def number_columns(columns: Sequence[str]) -> dict[int, str]:
    """The columns of numbers, by their place."""
    return {place: name for place, name in enumerate(columns) if name in WHOLE | DECIMAL}


def style_of(rows: Iterable[tuple[int, Sequence[str]]], places: Mapping[int, str]) -> NumberStyle:
    """The decimal mark of a file's numbers."""
    style = NumberStyle()
    decimal = [place for place, name in places.items() if name in DECIMAL]
    if decimal:
        for line, cells in rows:
            for place in decimal:
                if place < len(cells):
                    style.look_at(line, cells[place])
    return style
