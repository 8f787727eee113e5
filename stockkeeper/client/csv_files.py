"""Reads a CSV file before its import: every cell is checked before the first row is sent."""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.import_file import (
    MAX_PAGE_BYTES,
    MAX_PAGE_ROWS,
    MAX_PAGES,
    ImportKind,
    encode_row,
    pack_rows,
)
from stockkeeper.contracts.import_rows import PROBLEMS_NAMED, BadRow, bad_columns, read_rows, refusal

_ROWS_AT_ONCE = 1_000
_HEADER_LINE = 1
_NO_ROWS = "there are no rows below the header"

NumberedRow = tuple[int, list[str]]
"""A row with the line that it begins on."""


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
    """

    kind: ImportKind
    name: str
    digest: str
    columns: list[str]
    pages: list[Page]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(page.rows for page in self.pages)


class _Digesting(io.RawIOBase):
    """A file that is digested as it is read."""

    def __init__(self, file: BinaryIO, kind: ImportKind) -> None:
        self._file = file
        self.sha256 = hashlib.sha256(f"{kind}\n".encode())

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        self.sha256.update(content)
        return len(content)


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


def read_csv(kind: ImportKind, path: Path) -> CsvFile:
    """Read a file: UTF-8, commas, a header; blank lines don't count.

    Raises:
        InvalidRequest: It can't be read as that. The details have ``errors``, the first bad rows by line.
    """
    with _opened(path) as raw:
        return _read(kind, path.name, raw)


def read_table(path: Path) -> tuple[list[str], list[NumberedRow]]:
    """The header of a small file, and its rows as they are, each with its line.

    Raises:
        InvalidRequest: It can't be read as CSV, or there is nothing in it.
    """
    with _opened(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        columns, lines = _header_and_lines(text)
        rows = list(lines)
    if not rows:
        raise refusal([BadRow(_HEADER_LINE, None, _NO_ROWS)], 1)
    return columns, rows


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as raw:
            yield raw
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        line = _first_line_that_is_not_utf8(path)
        raise refusal([BadRow(line, None, "isn't UTF-8: save the file as CSV in UTF-8")], 1) from None


def _header_and_lines(text: io.TextIOWrapper) -> tuple[list[str], Iterator[NumberedRow]]:
    lines = _lines(text)
    columns = [cell.strip() for cell in next(lines, (_HEADER_LINE, []))[1]]
    if not columns:
        raise refusal([BadRow(_HEADER_LINE, None, "the file is empty: it needs a header and rows")], 1)
    return columns, lines


def _read(kind: ImportKind, name: str, raw: BinaryIO) -> CsvFile:
    digesting = _Digesting(raw, kind)
    buffered = io.BufferedReader(digesting, 1 << 20)  # type: ignore[type-var]
    columns, lines = _header_and_lines(io.TextIOWrapper(buffered, encoding="utf-8-sig", newline=""))
    if wrong := bad_columns(kind, columns):
        raise refusal([BadRow(_HEADER_LINE, None, each) for each in wrong], len(wrong))
    pages, bad, total = _Pages(), list[BadRow](), 0
    while chunk := list(islice(lines, _ROWS_AT_ONCE)):
        found = read_rows(kind, columns, chunk)[1]
        total += len(found)
        bad += found[: PROBLEMS_NAMED - len(bad)]
        if not total:
            pages.add(chunk)
    if bad:
        raise refusal(bad, total)
    pages.close()
    if not pages.pages:
        raise refusal([BadRow(_HEADER_LINE, None, _NO_ROWS)], 1)
    if len(pages.pages) > MAX_PAGES:
        raise InvalidRequest(f"the file is too large: {len(pages.pages)} pages, {MAX_PAGES} at most; split it")
    return CsvFile(kind, name, digesting.sha256.hexdigest()[:16], columns, pages.pages)


def _lines(text: io.TextIOWrapper) -> Iterator[NumberedRow]:
    """Each row with the line it begins on; a quoted cell may have line breaks in it.

    Raises:
        InvalidRequest: Quotes that don't match, or a cell that is longer than any cell.
    """
    reader = csv.reader(text, strict=True)
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        raise refusal([BadRow(begins, None, f"isn't CSV: {error}")], 1) from None


def _first_line_that_is_not_utf8(path: Path) -> int:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return _HEADER_LINE
