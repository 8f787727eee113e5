"""Which columns of a file are which of ours: our own files first, those of other programs by their headers."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stockkeeper.client.table_files import HEADER_LINE, NumberedRow, TableFile
from stockkeeper.contracts.import_rows import BadRow, Columns, nearest, refusal, wrong_columns

_NOT_IN_A_NAME = re.compile(r"[\W_]+")


def folded(header: str) -> str:
    """A column's name without case, spaces and punctuation: ``Unit Cost`` is ``unit_cost``."""
    return _NOT_IN_A_NAME.sub("_", header.casefold()).strip("_")


class Misshapen(list[str]):
    """The cells of a row that hasn't as many as the header."""


@dataclass
class Layout:
    """A way to read a file as one of ours.

    Attributes:
        columns: The columns of ours that the rows have.
        places: For each of them its place in the file.
        width: Cells of a row of the file.
        notes: What the person should know, a line each.
        constants: Cells that every row has without being in the file, by column.
    """

    columns: list[str]
    places: list[int]
    width: int
    notes: list[str] = field(default_factory=list)
    constants: Mapping[str, str] = field(default_factory=dict)

    def rows(self, rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
        """The rows with the cells of our columns. One with too few or too many cells stays as it is, and is refused."""
        for line, cells in rows:
            whole = len(cells) == self.width or (len(cells) > self.width and not any(cells[self.width :]))
            if whole:
                yield line, [*(cells[place] for place in self.places), *self.constants.values()]
            else:
                yield line, Misshapen(cells)

    def told(self) -> list[str]:
        """The notes, once the rows were read."""
        return self.notes


def layout_by(allowed: Columns, table: TableFile, what: str, constants: Mapping[str, str] | None = None) -> Layout:
    """Our own columns, in any case and order; others are ignored, and named.

    Args:
        allowed: The columns.
        table: The file.
        what: The file's kind, as a message names it.
        constants: Cells of columns that the file doesn't have.

    Raises:
        InvalidRequest: A column is missing, or comes twice.
    """
    known = allowed.known
    names = [name if (name := folded(header)) in known else None for header in table.columns]
    constants = constants or {}
    columns = [*(name for name in names if name is not None), *constants]
    if wrong := wrong_columns(allowed, columns, what):
        raise refusal([BadRow(HEADER_LINE, None, each) for each in wrong], len(wrong))
    layout = Layout(columns, [place for place, name in enumerate(names) if name is not None], len(table.columns))
    layout.constants = constants
    ignored = [header for header, name in zip(table.columns, names, strict=True) if name is None and header]
    if ignored:
        near = {header: nearest(folded(header), set(known) - set(columns)) for header in ignored}
        meant = "".join(f"; {header} may be meant as {name}" for header, name in near.items() if name)
        layout.notes.append(f"ignored columns: {', '.join(ignored)}{meant}")
    return layout


def places_of(header: Sequence[str]) -> Mapping[str, int]:
    """The place of each column by its folded name; of twins the first."""
    places: dict[str, int] = {}
    for place, name in enumerate(header):
        places.setdefault(folded(name), place)
    return places
