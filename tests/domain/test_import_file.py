"""What an import may do when, and what a file must look like."""

import pytest

from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.import_file import (
    COLUMNS,
    IMPORT,
    BadRow,
    ImportEvent,
    ImportKind,
    ImportStatus,
    bad_columns,
    refusal,
)

ALLOWED = {
    (ImportStatus.LOADING, ImportEvent.ADD_PAGE): ImportStatus.LOADING,
    (ImportStatus.LOADING, ImportEvent.FINISH): ImportStatus.APPLYING,
    (ImportStatus.LOADING, ImportEvent.RECOGNIZE): ImportStatus.IMPORTED,
    (ImportStatus.LOADING, ImportEvent.ABANDON): ImportStatus.ABANDONED,
    (ImportStatus.APPLYING, ImportEvent.APPLY): ImportStatus.IMPORTED,
    (ImportStatus.APPLYING, ImportEvent.REFUSE): ImportStatus.REFUSED,
}


@pytest.mark.parametrize("status", ImportStatus)
@pytest.mark.parametrize("event", ImportEvent)
def test_only_what_the_table_has_can_happen(status: ImportStatus, event: ImportEvent) -> None:
    if (status, event) in ALLOWED:
        assert IMPORT.next(status, event) is ALLOWED[status, event]
    else:
        with pytest.raises(InvalidState):
            IMPORT.next(status, event)


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("products", ["sku", "name"]),
        ("products", ["unit_price", "sku"]),
        ("products", ["sku", "tracking", "minimum_days_left"]),
        ("warehouses", ["name", "timezone"]),
        ("suppliers", ["name", "email"]),
        (
            "product-suppliers",
            [
                *("sku", "supplier", "is_preferred", "unit_cost", "lead_time_days"),
                *("minimum_order_quantity", "pack_size"),
            ],
        ),
        ("product-suppliers", ["product_id", "supplier_id"]),
        ("barcodes", ["sku", "barcode", "unit", "quantity"]),
        ("stock", ["sku", "warehouse", "quantity"]),
        ("stock", ["quantity", "warehouse_id", "product_id"]),
        ("demand", ["sku", "warehouse", "day", "quantity"]),
        ("units", ["sku", "unit", "quantity"]),
        ("units", ["supplier", "quantity", "unit", "product_id"]),
    ],
)
def test_columns_may_come_in_any_order_and_ids_in_the_place_of_names(kind: str, columns: list[str]) -> None:
    assert bad_columns(ImportKind(kind), columns) == []


@pytest.mark.parametrize(
    ("kind", "columns", "wrong"),
    [
        (
            "suppliers",
            ["name", "phone", "fax"],
            [
                "there is no column 'phone'",
                (
                    "there is no column 'fax'; suppliers files have name, supplier_id, email, "
                    "review_days, minimum_order_value, joint_orders, line_cost"
                ),
            ],
        ),
        ("suppliers", ["email"], ["column 'name' is missing"]),
        ("suppliers", ["name", "email", "name"], ["column 'name' comes twice"]),
        ("stock", ["quantity", "warehouse"], ["column 'sku' is missing (or 'product_id')"]),
        ("stock", ["sku", "product_id", "quantity", "warehouse"], ["give sku or product_id, not both"]),
        ("demand", ["sku", "warehouse"], ["column 'day' is missing", "column 'quantity' is missing"]),
        (
            "units",
            ["sku", "unit", "quantity", "supplier", "supplier_id"],
            ["give supplier or supplier_id, not both"],
        ),
    ],
)
def test_a_wrong_column_is_named(kind: str, columns: list[str], wrong: list[str]) -> None:
    assert bad_columns(ImportKind(kind), columns) == wrong


@pytest.mark.parametrize(
    ("kind", "one", "many"),
    [
        ("products", "1 product", "1,000 products"),
        ("warehouses", "1 warehouse", "1,000 warehouses"),
        ("suppliers", "1 supplier", "1,000 suppliers"),
        ("product-suppliers", "1 product supplier", "1,000 product suppliers"),
        ("barcodes", "1 barcode", "1,000 barcodes"),
        ("stock", "1 stock item", "1,000 stock items"),
        ("demand", "1 day of demand", "1,000 days of demand"),
        ("units", "1 pack", "1,000 packs"),
    ],
)
def test_rows_in_words(kind: str, one: str, many: str) -> None:
    assert (ImportKind(kind).noun(1), ImportKind(kind).noun(1_000)) == (one, many)


@pytest.mark.parametrize("kind", ImportKind)
def test_no_column_is_known_twice(kind: ImportKind) -> None:
    assert len(set(COLUMNS[kind].known)) == len(COLUMNS[kind].known)


def test_a_refusal_says_three_names_ten_and_counts_all() -> None:
    bad = [BadRow(line, "sku" if line % 2 else None, "is bad") for line in range(2, 17)]
    error = refusal(bad, 40)
    assert error.message == "line 2: is bad; line 3, sku: is bad; line 4: is bad; and 37 more"
    assert [each["line"] for each in error.details["errors"]] == list(range(2, 12))
    assert error.details["errors"][1] == {"line": 3, "column": "sku", "message": "is bad"}
    assert error.details["errors_total"] == 40
