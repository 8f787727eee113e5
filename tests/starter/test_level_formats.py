"""Levels as files that other programs take, which our own reader takes back."""

from pathlib import Path

import pytest

from stockkeeper.client.csv_files import read_csv
from stockkeeper.client.excel_files import excel_rows, write_excel
from stockkeeper.client.level_formats import FORMATS, LevelFormat
from stockkeeper.contracts.csv_cells import csv_line
from stockkeeper.contracts.import_file import ImportKind, unpack_rows
from stockkeeper.contracts.stock import StockLevel

LEVELS = [
    StockLevel(
        product_id=product,
        sku=sku,
        name=name,
        warehouse_id=1,
        warehouse="Hamburg",
        quantity_on_hand=9,
        quantity_reserved=2,
        quantity_available=7,
        reorder_point=None,
    )
    for product, (sku, name) in enumerate([("0001", 'Mug, "red"'), ("=TEA", "@home")], 1)
]


@pytest.mark.parametrize(
    ("program", "header", "line", "read"),
    [
        (
            "own",
            "sku,warehouse,quantity_on_hand,quantity_reserved,quantity_available,reorder_point",
            "0001,Hamburg,9,2,7,",
            ["Hamburg", "9", "9"],
        ),
        (
            "shopify",
            (
                "Handle,Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Option3 Name,Option3 Value,SKU,"
                "HS Code,COO,Location,Bin name,Incoming (not editable),Unavailable (not editable),"
                "Committed (not editable),Available (not editable),On hand (current),On hand (new)"
            ),
            ',"Mug, ""red""",,,,,,,0001,,,Hamburg,,,,2,7,,9',
            ["Hamburg", "9", ""],
        ),
        ("woocommerce", "SKU,Name,In stock?,Stock", '0001,"Mug, ""red""",1,7', ["Hamburg", "7"]),
        (
            "odoo",
            "location_id,product_id,inventory_quantity",
            'Hamburg/Stock,"[0001] Mug, ""red""",9',
            ["Hamburg", "9", ""],
        ),
        ("erpnext", "Item Code,Warehouse,Quantity", "0001,Hamburg,9", ["Hamburg", "9", ""]),
    ],
)
def test_a_program_gets_its_columns_and_we_read_them_back(
    tmp_path: Path, program: str, header: str, line: str, read: list[str]
) -> None:
    layout = FORMATS[LevelFormat(program)]
    lines = [csv_line(layout.columns), *(csv_line(layout.cells(level)) for level in LEVELS)]
    assert lines[:2] == [header, line]
    path = tmp_path / "levels.csv"
    path.write_text("\n".join(lines))
    file = read_csv(ImportKind.STOCK, path, warehouse="Hamburg" if layout.of_one_warehouse else None)
    rows = [cells for page in file.pages for _, cells in unpack_rows(page.packed)]
    assert rows == [["0001", *read], ["=TEA", *read]]


def test_a_sheet_keeps_text_and_numbers_apart(tmp_path: Path) -> None:
    path = tmp_path / "levels.xlsx"
    write_excel(path, [["sku", "units"], ["0001", 9], ["'=TEA", -3]])
    assert list(excel_rows(path)) == [(1, ["sku", "units"]), (2, ["0001", "9"]), (3, ["=TEA", "-3"])]
