"""Reads a file before its import: every cell is checked before the first row is sent."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from stockkeeper.client.file_layouts import Layout, Misshapen, layout_by
from stockkeeper.client.file_numbers import DECIMAL, NumberStyle, number_columns, style_of
from stockkeeper.client.foreign_files import foreign_layout
from stockkeeper.client.table_files import HEADER_LINE, NumberedRow, TableFile, open_table
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.import_file import (
    MAX_PAGE_BYTES,
    MAX_PAGE_ROWS,
    MAX_PAGES,
    ImportKind,
    encode_row,
    pack_rows,
)
from stockkeeper.contracts.import_rows import COLUMNS, MEASURED, PRODUCT, BadRow, Columns, read_rows, refusal

_ROWS_AT_ONCE = 1_000
_BAD_ROWS_KEPT = 10_000
_NO_ROWS = "there are no rows below the header"


@dataclass(frozen=True)
class Page:
    """Some rows, packed for the wire."""

    packed: str
    rows: int


@dataclass(frozen=True)
class CsvFile:
    """A file in which each row by itself is right.

    Attributes:
        digest: The first 16 hexadecimal digits of SHA-256 over kind and content: the same file again.
        columns: The header.
        pages: All rows, packed while they were read: the rows that were checked are the rows that are sent.
        notes: What was recognised and what was ignored, a line each for the person.
    """

    kind: ImportKind
    name: str
    digest: str
    columns: list[str]
    pages: list[Page]
    notes: list[str]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(page.rows for page in self.pages)


class _Pages:
    """Packs rows into pages."""

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self._rows: list[bytes] = []
        self._bytes = 0

    def add(self, rows: Sequence[NumberedRow]) -> None:
        for line, cells in rows:
            row = encode_row(line, [cell.strip() for cell in cells])
            if self._bytes + len(row) + 3 > MAX_PAGE_BYTES or len(self._rows) == MAX_PAGE_ROWS:
                self.close()
            self._rows.append(row)
            self._bytes += len(row) + 1

    def close(self) -> None:
        if self._rows:
            self.pages.append(Page(pack_rows(self._rows), len(self._rows)))
        self._rows, self._bytes = [], 0


class Reading(NamedTuple):
    """A file, and its rows that can't be read.

    Attributes:
        file: The file; of a row that can't be read it has the other cells, unless the row is out of shape.
        bad: The first bad rows by line.
        bad_lines: Lines of all of them.
        total: How many faults there are.
    """

    file: CsvFile
    bad: list[BadRow]
    bad_lines: set[int]
    total: int

    @property
    def refusal(self) -> InvalidRequest:
        """The error for its bad rows."""
        return refusal(self.bad, self.total)


def read_csv(kind: ImportKind, path: Path, *, encoding: str | None = None, warehouse: str | None = None) -> CsvFile:
    """Read a file in which each row by itself is right; see `read_file`.

    Raises:
        InvalidRequest: It can't be read as that. The details have ``errors``, the first bad rows by line.
    """
    reading = read_file(kind, path, encoding=encoding, warehouse=warehouse)
    if reading.total:
        raise reading.refusal
    return reading.file


def read_file(kind: ImportKind, path: Path, *, encoding: str | None = None, warehouse: str | None = None) -> Reading:
    """Read a file of ours or of another program, as `stockkeeper.client.table_files` recognises it.

    Args:
        kind: The kind of its rows.
        path: The file.
        encoding: Its encoding, if it isn't to be recognised.
        warehouse: The warehouse of all rows, if the file doesn't name it.

    Raises:
        InvalidRequest: It isn't a table, or its columns aren't those of its kind.
    """
    table = open_table(path, encoding=encoding)
    layout = foreign_layout(kind, table, warehouse)
    if layout is None:
        constants = {} if warehouse is None else {"warehouse": warehouse}
        layout = layout_by(COLUMNS[kind], table, f"{kind} files", constants)
    style = _style(layout, table)
    pages, bad, total = _Pages(), list[BadRow](), 0
    bad_lines: set[int] = set()
    rows = layout.rows(table.rows())
    while chunk := list(islice(rows, _ROWS_AT_ONCE)):
        found = _checked(kind, layout, style, chunk)
        total += len(found)
        bad += found[: _BAD_ROWS_KEPT - len(bad)]
        bad_lines.update(each.line for each in found)
        pages.add([row for row in chunk if not isinstance(row[1], Misshapen)])
    pages.close()
    if not (pages.pages or bad):
        raise refusal([BadRow(HEADER_LINE, None, _NO_ROWS)], 1)
    if len(pages.pages) > MAX_PAGES:
        raise InvalidRequest(f"the file is too large: {len(pages.pages)} pages, {MAX_PAGES} at most; split it")
    digest = hashlib.sha256(f"{kind}\n".encode())
    digest.update(table.content)
    if warehouse is not None:
        digest.update(f"\n{warehouse}".encode())
    notes = [*table.notes, *layout.told()]
    file = CsvFile(kind, table.name, digest.hexdigest()[:16], layout.columns, pages.pages, notes)
    return Reading(file, bad, bad_lines, total)


def _style(layout: Layout, table: TableFile) -> NumberStyle:
    places = number_columns(layout.columns)
    return style_of(layout.rows(table.rows()), places) if set(places.values()) & DECIMAL else NumberStyle()


def _checked(kind: ImportKind, layout: Layout, style: NumberStyle, chunk: list[NumberedRow]) -> list[BadRow]:
    """The bad rows of a chunk, by line. Its numbers are rewritten as the contract has them."""
    misread = _rewritten(layout, style, chunk, has_units=kind in MEASURED)
    found = [
        BadRow(line, None, f"has {len(cells)} cells, the header has {layout.width}")
        for line, cells in chunk
        if isinstance(cells, Misshapen)
    ]
    found += read_rows(kind, layout.columns, [row for row in chunk if not isinstance(row[1], Misshapen)])[1]
    others = [bad for bad in found if (bad.line, bad.column) not in misread]
    return sorted([*misread.values(), *others], key=lambda bad: bad.line)


def _rewritten(
    layout: Layout, style: NumberStyle, chunk: Sequence[NumberedRow], *, has_units: bool
) -> dict[tuple[int, str | None], BadRow]:
    """Rewrite the numbers of rows as the contract has them; those that can't be are bad rows, by line and column."""
    places = number_columns(layout.columns)
    unit = layout.columns.index("unit") if has_units and "unit" in layout.columns else None
    misread: dict[tuple[int, str | None], BadRow] = {}
    for line, cells in chunk:
        for place, name in places.items():
            if not isinstance(cells, Misshapen) and cells[place]:
                is_measured = unit is not None and bool(cells[unit].strip())
                read = style.read(line, name, cells[place], is_measured=is_measured)
                if isinstance(read, BadRow):
                    misread[line, name] = read
                else:
                    cells[place] = read
    return misread


class Lines(NamedTuple):
    """The lines of a document, read from a file.

    Attributes:
        columns: The columns that it has of the wanted ones.
        rows: The rows with their lines; numbers as the contract has them.
        bad: Rows with a number that may be another.
        notes: What was recognised and what was ignored, a line each for the person.
    """

    columns: list[str]
    rows: list[NumberedRow]
    bad: list[BadRow]
    notes: list[str]


def read_lines(path: Path, *, needed: Sequence[str], more: Sequence[str], described: str) -> Lines:
    """The lines of a document in a small file: a product by ``sku`` or ``product_id`` in each, and other columns.

    Args:
        path: The file.
        needed: Columns that it must have beside the product.
        more: Columns that it may have.
        described: The columns in words.

    Raises:
        InvalidRequest: It can't be read as that, or there is nothing in it.
    """
    table = open_table(path)
    allowed = Columns((PRODUCT,), tuple(needed), tuple(more))
    try:
        layout = layout_by(allowed, table, "such files")
    except InvalidRequest:
        raise InvalidRequest(f"{path}: the columns have to be {described}") from None
    style = _style(layout, table)
    rows: list[NumberedRow] = [
        (line, Misshapen(cells) if isinstance(cells, Misshapen) else [cell.strip() for cell in cells])
        for line, cells in layout.rows(table.rows())
    ]
    if not rows:
        raise refusal([BadRow(HEADER_LINE, None, _NO_ROWS)], 1)
    bad = list(_rewritten(layout, style, rows, has_units=True).values())
    return Lines(layout.columns, rows, bad, [*table.notes, *layout.told()])
