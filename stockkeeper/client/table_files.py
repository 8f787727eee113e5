"""A file as people have it: its header, and its rows as text, whatever program wrote it.

CSV in UTF-8, UTF-16 or Windows-1252, with commas, semicolons or tabs; or a sheet of Excel's (`.xlsx`). The standard
library's `csv.Sniffer` isn't used: it takes letters for delimiters in files of one column.
"""

import codecs
import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stockkeeper.client.excel_files import EXCEL, excel_rows
from stockkeeper.contracts.csv_cells import as_it_was
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.import_rows import BadRow, refusal

HEADER_LINE = 1

NumberedRow = tuple[int, list[str]]
"""A row with the line that it begins on."""

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # The mark of UTF-32 begins like that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LOOKED_AT = 1 << 20
_WINDOWS = "cp1252"


@dataclass(frozen=True)
class TableFile:
    """A file with a header.

    Attributes:
        name: The file's name.
        columns: The header, as it stands there without spaces around.
        rows: Read the rows below it, again and again.
        digest: SHA-256 over the content, to which more may be added.
        notes: What was recognised, a line each for the person.
    """

    name: str
    columns: list[str]
    rows: Callable[[], Iterator[NumberedRow]]
    content: bytes
    notes: list[str] = field(default_factory=list)


def open_table(path: Path, *, encoding: str | None = None) -> TableFile:
    """Recognise a file's form, and read its header; blank lines don't count.

    Args:
        path: The file.
        encoding: Its encoding, if it isn't to be recognised.

    Raises:
        InvalidRequest: It can't be read as a table. The details have ``errors``, the bad rows by line.
    """
    with _readable(path):
        if path.suffix.lower() in EXCEL:
            return _table(path, lambda: excel_rows(path), [], pad=True)
        used, notes = (encoding, list[str]()) if encoding else _encoding_of(path)
        delimiter = _delimiter_of(path, used)
        if delimiter != ",":
            notes.append(f"read with {_DELIMITERS[delimiter]} between the cells")
        return _table(path, lambda: _csv_rows(path, used, delimiter), notes)


def _table(path: Path, read: Callable[[], Iterator[NumberedRow]], notes: list[str], *, pad: bool = False) -> TableFile:
    """The table; ``pad``: empty cells at the end of a row aren't in the file."""

    def rows() -> Iterator[NumberedRow]:
        with _readable(path):
            found = _not_blank(read())
            next(found, None)
            for line, cells in found:
                yield line, cells + [""] * (len(columns) - len(cells) if pad else 0)

    header = next(_not_blank(read()), (HEADER_LINE, list[str]()))[1]
    columns = [cell.strip() for cell in header]
    while columns and not columns[-1]:
        columns.pop()
    if not columns:
        raise refusal([BadRow(HEADER_LINE, None, "the file is empty: it needs a header and rows")], 1)
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").digest()
    return TableFile(path.name, columns, rows, digest, notes)


def _not_blank(rows: Iterator[NumberedRow]) -> Iterator[NumberedRow]:
    return ((line, cells) for line, cells in rows if any(cell.strip() for cell in cells))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror}") from None
    except LookupError:
        raise InvalidRequest(f"{path}: there is no such encoding") from None
    except UnicodeError as error:
        line = _line_of(path, error)
        message = "isn't text in UTF-8, UTF-16 or Windows-1252: save the file as CSV in UTF-8"
        raise refusal([BadRow(line, None, message)], 1) from None


def _encoding_of(path: Path) -> tuple[str, list[str]]:
    """The encoding by its mark, by its zeros, or by trial; what isn't UTF-8 is Windows-1252, and is said to be."""
    with path.open("rb") as raw:
        begin = raw.read(4_096)
        for mark, encoding in _MARKS:
            if begin.startswith(mark):
                return encoding, []
        for encoding, odd in (("utf-16-le", 1), ("utf-16-be", 0)):
            # Western letters have a zero in every second byte.
            if len(begin) >= 8 and begin[odd::2].count(0) * 5 > len(begin[odd::2]) * 3:
                return encoding, []
        raw.seek(0)
        decode = codecs.getincrementaldecoder("utf-8")().decode
        try:
            while chunk := raw.read(_LOOKED_AT):
                decode(chunk)
            decode(b"", final=True)
        except UnicodeDecodeError:
            return _WINDOWS, ["read as Windows-1252, because it isn't UTF-8; look at the letters with accents"]
    return "utf-8", []


def _line_of(path: Path, error: UnicodeError) -> int:
    """The first line that can't be read; of a text in two bytes the header's."""
    if getattr(error, "encoding", "") in {"charmap", _WINDOWS, "utf-8"}:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    line.decode(_WINDOWS)
                except UnicodeDecodeError:
                    return number
    return HEADER_LINE


def _delimiter_of(path: Path, encoding: str) -> str:
    """The delimiter that makes most cells of the first row that isn't blank; a comma if none makes any."""

    def cells_by(mark: str) -> int:
        try:
            return len(next(_not_blank(_csv_rows(path, encoding, mark)), (0, []))[1])
        except InvalidRequest:
            return 0  # Cells in quotes end at the right delimiter alone.

    return max(_DELIMITERS, key=cells_by)


def _csv_rows(path: Path, encoding: str, delimiter: str) -> Iterator[NumberedRow]:
    """Each row with the line it begins on; a quoted cell may have line breaks in it.

    Raises:
        InvalidRequest: Quotes that don't match, or a cell that is longer than any cell.
    """
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        begins = 1
        try:
            for cells in reader:
                # Excel's own line for itself.
                if not (begins == 1 and len(cells) <= 2 and cells[:1] and cells[0].startswith("sep=")):
                    yield begins, [as_it_was(cell) for cell in cells]
                begins = reader.line_num + 1
        except csv.Error as error:
            raise refusal([BadRow(begins, None, f"isn't CSV: {error}")], 1) from None
