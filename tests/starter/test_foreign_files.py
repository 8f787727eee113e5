"""Files of other programs, made by hand as those write them: recognised by their headers, and read as ours."""

from pathlib import Path

import openpyxl
import pytest

from stockkeeper.client.csv_files import CsvFile, read_csv
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.import_file import ImportKind, unpack_rows
from tests.support.import_file import Problem, problems_of

FILES = Path(__file__).parents[1] / "files"
STOCK, PRODUCTS = ImportKind.STOCK, ImportKind.PRODUCTS


def _rows(file: CsvFile) -> list[tuple[int, list[str]]]:
    return [row for page in file.pages for row in unpack_rows(page.packed)]


def _wrong(path: Path) -> list[Problem]:
    with pytest.raises(InvalidRequest) as caught:
        read_csv(STOCK, path)
    return problems_of(caught.value)


def test_shopifys_inventory() -> None:
    file = read_csv(STOCK, FILES / "shopify_inventory.csv")
    assert file.columns == ["sku", "warehouse", "quantity", "expected_quantity"]
    assert _rows(file) == [(2, ["TEA-100", "Hamburg", "35", "40"]), (3, ["TEA-500", "Hamburg", "12", "12"])]
    assert file.notes == [
        "recognised as Shopify's inventory",
        "2 rows left out: not stocked at the location",
        "1 row left out: without a SKU",
    ]


def test_the_stock_of_woocommerce_products_is_that_of_a_warehouse_that_is_named() -> None:
    path = FILES / "woocommerce_products.csv"
    with pytest.raises(InvalidRequest, match="have one stock and no warehouse; name it: --warehouse"):
        read_csv(STOCK, path)
    file = read_csv(STOCK, path, warehouse="Hamburg")
    assert file.columns == ["sku", "warehouse", "quantity"]
    assert _rows(file) == [(2, ["TEA-100", "Hamburg", "40"]), (4, ["MUG", "Hamburg", "9"])]
    assert file.notes == [
        "recognised as WooCommerce products",
        "1 row left out: a variation whose stock is that of its parent",
        "1 row left out: stock isn't tracked",
        "1 row left out: without a SKU",
    ]
    # Another warehouse makes it another file.
    assert file.digest != read_csv(STOCK, path, warehouse="Newark").digest


def test_the_products_of_woocommerce() -> None:
    file = read_csv(PRODUCTS, FILES / "woocommerce_products.csv")
    assert file.columns == ["sku", "name", "unit_price", "weight_kg"]
    assert _rows(file) == [
        (2, ["TEA-100", "Green tea, 100 g", "4.20", "0.1"]),
        (4, ["MUG", "Mug", "", ""]),
        (5, ["MUG-RED", "Mug, red", "7.5", "0.35"]),
        (6, ["POT", "Pot", "19", ""]),
    ]


def test_odoos_quants_count_together_by_warehouse(tmp_path: Path) -> None:
    path = FILES / "odoo_quants.csv"
    assert _wrong(path) == [(5, "quantity", "must be a whole number, such as 12")]
    whole = tmp_path / "quants.csv"
    whole.write_text(path.read_text().replace('"2.5"', '"2.0"'))
    file = read_csv(STOCK, whole)
    assert _rows(file) == [
        (2, ["TEA-100", "Hamburg", "39", ""]),
        (4, ["0001", "Hamburg", "7", ""]),
        (5, ["0001", "Newark", "2", ""]),
    ]
    assert file.notes == ["recognised as Odoo's stock.quant", "1 row left out: without a product"]


def test_odoos_counted_zero_is_no_count_unless_odoo_says_so(tmp_path: Path) -> None:
    path = tmp_path / "quants.csv"
    path.write_text("location_id,product_id,quantity,inventory_quantity\nHamburg/Stock,[A] Tea,5.0,0.0\n")
    with pytest.raises(InvalidRequest, match="a counted quantity of 0 where nothing was counted"):
        read_csv(STOCK, path)
    header = "location_id,product_id,quantity,inventory_quantity,inventory_quantity_set"
    path.write_text(f"{header}\nHamburg/Stock,[A] Tea,5.0,0.0,True\nHamburg/Stock,[B] Mug,5.0,0.0,False\n")
    assert _rows(read_csv(STOCK, path)) == [(2, ["A", "Hamburg", "0", "5"]), (3, ["B", "Hamburg", "5", ""])]
    path.write_text("location_id,product_id,inventory_quantity\nHamburg/Stock,[A] Tea,0.0\n")
    assert _rows(read_csv(STOCK, path)) == [(2, ["A", "Hamburg", "0", ""])]


def test_erpnexts_stock_reconciliation(tmp_path: Path) -> None:
    path = tmp_path / "reconciliation.csv"
    path.write_text((FILES / "erpnext_stock_reconciliation.csv").read_text().replace(",000", ".000"))
    file = read_csv(STOCK, path)
    assert _rows(file) == [(2, ["TEA-100", "Hamburg", "35", "40"]), (4, ["POT", "Newark", "4", ""])]
    assert file.notes == [
        "read with semicolons between the cells",
        "recognised as ERPNext's stock reconciliation",
        "1 row left out: without a quantity",
    ]
    # Three digits behind a comma are thousands or none, and aren't guessed at.
    assert _wrong(FILES / "erpnext_stock_reconciliation.csv") == [
        (2, "quantity", "35,000 has a thousands separator; write 35000"),
        (2, "expected_quantity", "40,000 has a thousands separator; write 40000"),
    ]


def test_our_own_levels_are_expected_as_they_were_exported() -> None:
    file = read_csv(STOCK, FILES / "our_levels.csv")
    assert _rows(file) == [(2, ["TEA-100", "Hamburg", "35", "40"]), (3, ["0001", "Hamburg", "7", "7"])]
    assert file.notes == ["recognised as our own levels"]


def test_a_row_that_is_out_of_shape_is_refused_in_every_layout(tmp_path: Path) -> None:
    path = tmp_path / "inventory.csv"
    path.write_text((FILES / "shopify_inventory.csv").read_text() + "A,B,C,D\n")
    assert _wrong(path) == [(7, None, "has 4 cells, the header has 19")]
    path.write_text("sku,colour,warehouse,size,quantity\nA,red,Hamburg,L,5\nB,Hamburg,5\n")
    assert _wrong(path) == [(3, None, "has 3 cells, the header has 5")]


def test_the_same_sheet_of_excels(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Item Code", "Warehouse", "Quantity", "Current Qty"])
    sheet.append(["TEA-100", "Hamburg", 35.0, 40.0])
    path = tmp_path / "reconciliation.xlsx"
    book.save(path)
    assert _rows(read_csv(STOCK, path)) == [(2, ["TEA-100", "Hamburg", "35", "40"])]


def test_a_warehouse_may_be_named_for_a_file_without_one(tmp_path: Path) -> None:
    path = tmp_path / "count.csv"
    path.write_text("sku,quantity\nA,5\n")
    assert _rows(read_csv(STOCK, path, warehouse="Hamburg")) == [(2, ["A", "5", "Hamburg"])]
    path.write_text("sku,warehouse,quantity\nA,Newark,5\n")
    with pytest.raises(InvalidRequest, match="column 'warehouse' comes twice"):
        read_csv(STOCK, path, warehouse="Hamburg")
