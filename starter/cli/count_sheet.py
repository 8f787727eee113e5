"""A sheet to count by, as a file: filled in, `count record --lines` takes it back."""

import csv
from collections.abc import Sequence
from pathlib import Path

from starter.cli.files import whole_or_nothing
from stockkeeper.contracts.csv_cells import inert

BESIDE = ("product", "not_by")
"""Columns for people; ``not_by``: the person who counted it first and may not count it again."""


def write_sheet(path: Path, rows: Sequence[tuple[str, str, str]]) -> None:
    """Write a sheet with an empty quantity for each product.

    Args:
        path: The file; it is written whole or not at all.
        rows: SKU, name, and the person who may not count it; empty: anybody.

    Raises:
        StockkeeperError: It can't be written there.
    """
    with whole_or_nothing(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file, lineterminator="\n")
        sheet.writerow(("sku", BESIDE[0], "quantity", BESIDE[1]))
        sheet.writerows(map(inert, (sku, name, "", by)) for sku, name, by in rows)
