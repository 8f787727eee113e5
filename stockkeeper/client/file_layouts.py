"""Which columns of a file are which of ours: our own files first, those of other programs by their headers."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stockkeeper.client.table_files import HEADER_LINE, NumberedRow, TableFile
from stockkeeper.contracts.import_file import ImportKind
from stockkeeper.contracts.import_rows import COLUMNS, BadRow, Columns, nearest, refusal, wrong_columns

_NOT_IN_A_NAME = re.compile(r"[\W_]+")


def folded(header: str) -> str:
    """A column's name without case, spaces and punctuation: ``Unit Cost`` is ``unit_cost``."""
    return _NOT_IN_A_NAME.sub("_", header.casefold()).strip("_")


@dataclass
class Layout:
    """A way to read a file as one of ours.

    Attributes:
        columns: The columns of ours that the rows have.
        places: For each of them its place in the file.
        width: Cells of a row of the file.
        notes: What the person should know, a line each.
    """

    columns: list[str]
    places: list[int]
    width: int
    notes: list[str] = field(default_factory=list)

    def rows(self, rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
        """The rows with the cells of our columns. One with too few or too many cells stays as it is, and is refused."""
        for line, cells in rows:
            whole = len(cells) == self.width or (len(cells) > self.width and not any(cells[self.width :]))
            yield line, [cells[place] for place in self.places] if whole else cells

    def told(self) -> list[str]:
        """The notes, once the rows were read."""
        return self.notes


@dataclass
class Picked(Layout):
    """Rows of another program: some of them say nothing about our stock, and are counted by the reason.

    Attributes:
        program: The program's name.
        left_out: Rows that were left out, by reason.
    """

    program: str = ""
    left_out: Counter[str] = field(default_factory=Counter)

    def rows(self, rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
        """The rows that say something, as ours."""
        self.left_out.clear()
        yield from self.picked(super().rows(rows))

    def picked(self, rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
        """The program's own rules."""
        yield from rows

    def told(self) -> list[str]:
        """The notes, and the rows that were left out."""
        rows = (f"{count:,} {'row' if count == 1 else 'rows'} left out: {why}" for why, count in self.left_out.items())
        return [f"recognised as {self.program}", *self.notes, *rows]


def layout_of(kind: ImportKind, table: TableFile) -> Layout:
    """The way to read a file of this kind: by another program's columns if it has them, or by ours.

    Raises:
        InvalidRequest: A column is missing, or comes twice.
    """
    return layout_by(COLUMNS[kind], table, f"{kind} files")


def layout_by(allowed: Columns, table: TableFile, what: str) -> Layout:
    """Our own columns, in any case and order; others are ignored, and named.

    Args:
        allowed: The columns.
        table: The file.
        what: The file's kind, as a message names it.

    Raises:
        InvalidRequest: A column is missing, or comes twice.
    """
    known = allowed.known
    names = [name if (name := folded(header)) in known else None for header in table.columns]
    if wrong := wrong_columns(allowed, [name for name in names if name is not None], what):
        raise refusal([BadRow(HEADER_LINE, None, each) for each in wrong], len(wrong))
    columns = [name for name in names if name is not None]
    layout = Layout(columns, [place for place, name in enumerate(names) if name is not None], len(table.columns))
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
