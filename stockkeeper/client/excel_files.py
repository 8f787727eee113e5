"""Sheets of Excel's, by openpyxl: the first sheet, with its cells as the text that a CSV file would have."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from stockkeeper.contracts.csv_cells import as_it_was
from stockkeeper.contracts.errors import InvalidRequest, StockkeeperError

EXCEL = frozenset({".xlsx", ".xlsm"})
"""Endings of the names of such files."""


def excel_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of the first sheet, each with its number. A formula counts by its last value.

    Raises:
        InvalidRequest: It isn't such a file.
        StockkeeperError: openpyxl isn't installed.
    """
    try:
        from openpyxl import load_workbook  # noqa: PLC0415 - only for these files
        from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415
    except ImportError:
        raise StockkeeperError("files of Excel's need `pip install 'stockkeeper[cli]'` (openpyxl is missing)") from None
    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError, ValueError):
        raise InvalidRequest(f"{path}: isn't a file of Excel's, or it is damaged") from None
    try:
        for number, row in enumerate(book.worksheets[0].iter_rows(), 1):
            cells = [_text(cell.value, str(getattr(cell, "number_format", ""))) for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            yield number, cells
    finally:
        book.close()


def write_excel(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write rows as a sheet: text as text, numbers as numbers.

    Raises:
        StockkeeperError: openpyxl isn't installed.
    """
    try:
        from openpyxl import Workbook  # noqa: PLC0415 - only for these files
    except ImportError:
        raise StockkeeperError("files of Excel's need `pip install 'stockkeeper[cli]'` (openpyxl is missing)") from None
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in rows:
        sheet.append(row)
    book.save(path)


def _text(value: Any, number_format: str) -> str:
    """A value as a CSV file has it; a number with leading zeros in its format, such as ``0000``, keeps them."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return (value.date() if value.time() == datetime.min.time() else value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float):
        # Excel keeps fifteen digits; what Python shows beyond them is noise.
        text = format(Decimal(f"{value:.15g}"), "f")
        if set(number_format) == {"0"} and text.isdecimal():
            return text.zfill(len(number_format))
        return text
    return as_it_was(str(value))
