"""A sheet to count by, as a file: filled in, `count record --lines` takes it back."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from starter.cli.files import whole_or_nothing
from stockkeeper.contracts.csv_cells import inert

BESIDE = ("product", "not_by")
"""Columns for people; ``not_by``: the person who counted it first and may not count it again."""


LOT = ("lot_number", "expires_on")
"""Columns of the lot that is to be counted, where products are tracked; rows for lots that are found may be added."""


class SheetRow(NamedTuple):
    """A line of a sheet.

    Attributes:
        sku: The product.
        product_id: Its id.
        name: Its name.
        lot_number: Its lot; empty: it isn't tracked, or the books have none.
        expires_on: The last day of that lot, if it is known; else empty.
        not_by: The person who counted it first and may not count it again; empty: anybody.
    """

    sku: str
    product_id: int
    name: str
    lot_number: str
    expires_on: str
    not_by: str


def has_lots(rows: Sequence[SheetRow]) -> bool:
    """Whether a sheet needs the columns of lots."""
    return any(row.lot_number for row in rows)


def write_sheet(path: Path, rows: Sequence[SheetRow]) -> None:
    """Write a sheet with an empty quantity for each product, or each lot of it.

    Args:
        path: The file; it is written whole or not at all.
        rows: Its lines.

    Raises:
        StockkeeperError: It can't be written there.
    """
    with whole_or_nothing(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file, lineterminator="\n")
        lots = has_lots(rows)
        sheet.writerow(("sku", BESIDE[0], *(LOT if lots else ()), "quantity", BESIDE[1]))
        for row in rows:
            lot = (row.lot_number, row.expires_on) if lots else ()
            sheet.writerow(map(inert, (row.sku, row.name, *lot, "", row.not_by)))
