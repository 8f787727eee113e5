"""Lines of CSV that no spreadsheet runs: a text that begins like a formula begins with an apostrophe instead.

That is what OWASP recommends against CSV injection. Our own reader takes the apostrophe off again, so that a file that
was exported comes back as it was.
"""

import csv
from collections.abc import Iterable

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_INERT = "'"


class _Line(list[str]):
    """What the writer writes to: this module is within a workflow's reach, and so without files."""

    def write(self, text: str) -> None:
        self.append(text)


def inert(cell: object) -> object:
    """A cell for a file that people open in a spreadsheet. Numbers stay numbers, also negative ones."""
    return f"{_INERT}{cell}" if isinstance(cell, str) and cell.startswith(_BEGINS_A_FORMULA) else cell


def as_it_was(cell: str) -> str:
    """A cell of a file without the apostrophe that `inert` has put before it."""
    return cell[1:] if cell.startswith(_INERT) and cell[1:].startswith(_BEGINS_A_FORMULA) else cell


def csv_line(cells: Iterable[object]) -> str:
    """A line of CSV, without the line break."""
    line = _Line()
    csv.writer(line, lineterminator="").writerow(map(inert, cells))
    return "".join(line)
