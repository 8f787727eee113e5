"""Barcodes: as a file, in the table itself, and what a scan says of their products."""

import random

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from temporalio.testing import ActivityEnvironment

from activities.barcode import BarcodeQuestions
from activities.import_preview import ImportPreviews
from database.sessions import Database
from stockkeeper.contracts import barcode as contract
from stockkeeper.contracts.barcode import ExportBarcodes, ForgetBarcodeStep, ReadScan
from stockkeeper.contracts.import_file import ImportKind, encode_row, pack_rows
from stockkeeper.contracts.import_preview import PreviewPage
from stockkeeper.domain.barcode import check_digit
from tests.activities.test_import_file import NOON, Loading
from tests.support.import_file import new_name
from tests.support.shop import Shop
from tests.support.steps.activity import refused, run_activity

COLUMNS = ["sku", "barcode", "unit", "quantity"]


def _gtin() -> str:
    """A GTIN-13 that no other test has, without its check digit."""
    digits = f"2{random.randrange(10**11):011}"
    return digits + check_digit(digits)


def _sku(engine: Engine, product_id: int) -> str:
    with engine.connect() as connection:
        query = text("SELECT sku FROM products WHERE product_id = :product_id")
        return str(connection.execute(query, {"product_id": product_id}).scalar_one())


def _stored(engine: Engine, *product_ids: int) -> list[tuple[str, int, str, int]]:
    query = text("SELECT * FROM product_barcodes WHERE product_id = ANY (:ids) ORDER BY product_id, quantity")
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query, {"ids": list(product_ids)})]


def _take(database: Database, *rows: list[str], columns: list[str] = COLUMNS) -> tuple[int, int, int]:
    loading = Loading(database, "barcodes", *columns)
    loading.stage(*rows)
    applied = loading.apply(len(rows))
    return applied.inserted, applied.updated, applied.unchanged


def _refusal(loading: Loading, rows: int) -> list[tuple[int, str, str]]:
    kind, details = refused(lambda: loading.apply(rows))
    assert kind == "InvalidRequest"
    return [(bad["line"], bad["column"], bad["message"]) for bad in details["errors"]]


def test_a_gtin_is_one_barcode_in_all_of_its_lengths(database: Database, shop: Shop, engine: Engine) -> None:
    product = shop.product()
    sku, gtin, own = _sku(engine, product), _gtin(), new_name("SHELF")
    assert _take(database, [sku, gtin, "Each", "1"], [sku, own, "case", "24"]) == (2, 0, 0)
    assert _stored(engine, product) == [(f"0{gtin}", product, "each", 1), (own, product, "case", 24)]
    assert _take(database, [sku, f"0{gtin}", "each", "1"]) == (0, 0, 1)
    # The pack has another size now; a product may be given by its id.
    columns = ["product_id", *COLUMNS[1:]]
    assert _take(database, [str(product), own, "case", "12"], columns=columns) == (0, 1, 0)
    assert _stored(engine, product)[1] == (own, product, "case", 12)
    twice = Loading(database, "barcodes", *COLUMNS)
    twice.stage([sku, gtin, "each", "1"], [sku, f"0{gtin}", "case", "6"])
    assert _refusal(twice, 2) == [(3, "barcode", "is the same as on line 2")]
    assert _stored(engine, product)[0] == (f"0{gtin}", product, "each", 1)


def test_a_barcode_of_another_product_refuses_the_file_and_a_look_at_it_says_so(
    database: Database, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.product(), shop.product()
    skus, gtin, own = [_sku(engine, each) for each in (tea, mug)], _gtin(), new_name("shelf")
    _take(database, [skus[0], gtin, "each", "1"], [skus[0], own, "each", "2"])
    before = _stored(engine, tea, mug)
    of_another = f"is a barcode of {skus[0]}; take it away there first, by `stockkeeper product forget-barcode`"
    wrong = Loading(database, "barcodes", *COLUMNS)
    rows = [[skus[1], gtin, "each", "1"], [skus[1], own.upper(), "each", "1"], [skus[0], own, "each", "3"]]
    wrong.stage(*rows)
    assert _refusal(wrong, 3) == [
        (2, "barcode", of_another),
        (3, "barcode", f"differs by upper and lower case alone from {own}"),
        (4, "barcode", "differs by upper and lower case alone from line 3"),
    ]
    question = PreviewPage(
        kind=ImportKind.BARCODES,
        digest="0" * 16,
        columns=COLUMNS,
        rows=pack_rows([encode_row(line, cells) for line, cells in enumerate([rows[0], rows[2]], 2)]),
        as_of=NOON,
    )
    seen = ActivityEnvironment().run(ImportPreviews(database).preview_import, question)
    assert [(each.line, each.message) for each in seen.problems] == [(2, of_another)]
    [change] = seen.changes
    assert (change.line, change.what, change.key) == (3, "updated", f"{skus[0]}, {own}")
    assert (change.column, change.before, change.after) == ("quantity", "2", "3")
    assert _stored(engine, tea, mug) == before


@pytest.mark.parametrize(
    ("barcode", "unit", "quantity", "check"),
    [
        ("04006381333930", "each", 1, "product_barcodes_gtin"),
        ("4006381333931", "each", 1, "product_barcodes_gtin"),
        ("", "each", 1, "product_barcodes_barcode_check"),
        ("A\x1dB", "each", 1, "product_barcodes_barcode_check"),
        ("A", "Each", 1, "product_barcodes_unit_check"),
        ("A", "each", 0, "product_barcodes_quantity_check"),
    ],
)
def test_the_table_itself_takes_only_what_an_import_would_write(
    engine: Engine, shop: Shop, barcode: str, unit: str, quantity: int, check: str
) -> None:
    product = shop.product()
    row = {"barcode": barcode, "product_id": product, "unit": unit, "quantity": quantity}
    query = text("INSERT INTO product_barcodes VALUES (:barcode, :product_id, :unit, :quantity)")
    with pytest.raises(IntegrityError, match=check), engine.begin() as connection:
        connection.execute(query, row)
    assert _stored(engine, product) == []


def _scan(database: Database, text: str) -> tuple[bool, list[dict[str, object]]]:
    """Whether a scan is certain, and its readings without their elements."""
    answer = ActivityEnvironment().run(BarcodeQuestions(database).read_scan, ReadScan(text=text, as_of=NOON))
    return answer.certain, [each.model_dump(mode="json", exclude={"elements"}) for each in answer.readings]


NOTHING = dict.fromkeys(["gtin", "product_id", "sku", "lot_number", "expires_on", "serial", "quantity", "unit"])


def test_a_scan_names_the_product_and_the_units_of_its_pack(database: Database, shop: Shop, engine: Engine) -> None:
    product = shop.product()
    sku, each, own = _sku(engine, product), _gtin(), new_name("SHELF")
    coffee = shop.product()
    with engine.begin() as connection:
        connection.execute(text("UPDATE products SET base_unit = 'GRAM' WHERE product_id = :id"), {"id": coffee})
    case = "1" + each[:-1]
    case += check_digit(case)
    weighed = "9" + each[:-1]
    weighed += check_digit(weighed)
    _take(
        database,
        [sku, each, "each", "1"],
        [sku, case, "case", "24"],
        [sku, own, "pallet", "960"],
        [_sku(engine, coffee), weighed, "bag", "500"],
    )
    of_product = NOTHING | {"product_id": product, "sku": sku}
    one = of_product | {"gtin": f"0{each}", "quantity": 1, "unit": "each"}
    assert _scan(database, f"]E0{each}\r") == (True, [one])
    # The case, with a lot and an expiry.
    found = of_product | {
        "gtin": case,
        "quantity": 24,
        "unit": "case",
        "lot_number": "AB-7",
        "expires_on": "2026-12-31",
    }
    assert _scan(database, f"]C101{case}10AB-7\x1d17261200") == (True, [found])
    # A pallet with thirty cases on it.
    found = of_product | {"gtin": case, "quantity": 720, "unit": "case"}
    assert _scan(database, f"0010614141234567890802{case}3730") == (True, [found])
    # An own code is looked up as it is, and in no other case of letters.
    assert _scan(database, own) == (True, [of_product | {"quantity": 960, "unit": "pallet"}])
    assert _scan(database, own.lower()) == (False, [])
    # A plain label has a SKU, which says nothing of how many.
    assert _scan(database, sku) == (True, [of_product])
    assert _take(database, [sku, sku, "each", "1"]) == (1, 0, 0)
    assert _scan(database, sku) == (True, [of_product | {"quantity": 1, "unit": "each"}])
    # A weight counts where the product goes by weight, and pieces where it goes by pieces.
    found = NOTHING | {"product_id": coffee, "sku": _sku(engine, coffee), "gtin": weighed, "unit": "bag"}
    assert _scan(database, f"01{weighed}3103001250") == (True, [found | {"quantity": 1250}])
    assert _scan(database, f"01{weighed}3012") == (True, [found | {"quantity": 6000}])
    assert _scan(database, f"01{case}3103001250")[1][0]["quantity"] == 24


def test_what_is_not_certain_comes_with_all_that_it_may_mean(database: Database, shop: Shop, engine: Engine) -> None:
    product, lot = shop.product(), new_name("L").removeprefix("L-")
    sku, gtin, own = _sku(engine, product), _gtin(), f"10{lot}"
    _take(database, [sku, gtin, "each", "1"], [sku, own, "each", "6"])
    one = NOTHING | {"gtin": f"0{gtin}", "product_id": product, "sku": sku, "quantity": 1, "unit": "each"}
    swallowed = [one | {"lot_number": "X17261231"}, one | {"lot_number": "X", "expires_on": "2026-12-31"}]
    assert _scan(database, f"]C1010{gtin}10X17261231") == (False, swallowed)
    # A code of one's own that reads as a lot as well.
    shelf = NOTHING | {"product_id": product, "sku": sku, "quantity": 6, "unit": "each"}
    certain, readings = _scan(database, own)
    assert (certain, shelf in readings, NOTHING | {"lot_number": lot} in readings) == (False, True, True)
    # A code of one's own that is the SKU of another product.
    other = shop.product()
    _take(database, [sku, _sku(engine, other), "box", "3"])
    of_other = NOTHING | {"product_id": other, "sku": _sku(engine, other)}
    boxed = NOTHING | {"product_id": product, "sku": sku, "quantity": 3, "unit": "box"}
    assert _scan(database, _sku(engine, other)) == (False, [boxed, of_other])
    # A GTIN that nobody has is understood, and has no product.
    unknown = _gtin()
    assert _scan(database, f"]E0{unknown}") == (True, [NOTHING | {"gtin": f"0{unknown}"}])
    # A wrong check digit, with the element that has it.
    wrong = gtin[:-1] + str((int(gtin[-1]) + 1) % 10)
    answer = ActivityEnvironment().run(BarcodeQuestions(database).read_scan, ReadScan(text=f"010{wrong}", as_of=NOON))
    problem = f"the last digit of (01) 0{wrong} would be {gtin[-1]}"
    assert answer.model_dump(mode="json") == {
        "certain": False,
        "readings": [
            NOTHING
            | {"elements": [{"ai": "01", "value": f"0{wrong}", "title": "GTIN", "day": None, "problem": problem}]}
        ],
    }
    # Nothing of it reaches the database that can't be text there.
    assert _scan(database, "SHELF\x00") == (False, [])


def test_barcodes_go_by_a_file_page_after_page(
    database: Database, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.barcode.BARCODES_AT_ONCE", 2)
    assert contract.BARCODES_AT_ONCE == 2_000
    product = shop.product()
    sku, codes = _sku(engine, product), [new_name("SHELF") for _ in range(5)]
    _take(database, *([sku, code, "each", str(place)] for place, code in enumerate(codes, 1)))
    asked, lines = ExportBarcodes(), list[str]()
    while True:
        page = ActivityEnvironment().run(BarcodeQuestions(database).export_barcodes, asked)
        lines += page.rows
        if not page.more:
            break
        asked = ExportBarcodes(after=page.after)
    assert page.columns == COLUMNS
    ours = [line.strip().split(",") for line in lines if line.startswith(f"{sku},")]
    assert ours == [[sku, code, "each", str(codes.index(code) + 1)] for code in sorted(codes)]
    assert _take(database, *ours) == (0, 0, 5)


def test_a_barcode_is_taken_away_once_and_may_be_given_to_another_product(
    database: Database, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.product(), shop.product()
    skus, gtin = [_sku(engine, each) for each in (tea, mug)], _gtin()
    _take(database, [skus[0], gtin, "case", "24"])

    def forget(barcode: str, name: str) -> object:
        step = ForgetBarcodeStep(operation_id=name, performed_by="olga", as_of=NOON, barcode=barcode)
        return run_activity("forget_barcode", BarcodeQuestions(database).forget_barcode, step)

    operation = new_name("barcode/")
    gone = forget(gtin, operation)
    assert gone == forget(gtin, operation)
    assert gone == contract.ForgottenBarcode(barcode=f"0{gtin}", product_id=tea, sku=skus[0], unit="case", quantity=24)
    assert _stored(engine, tea) == []
    assert refused(lambda: forget(gtin, new_name("barcode/")))[0] == "InvalidRequest"
    assert _take(database, [skus[1], gtin, "case", "12"]) == (1, 0, 0)
    # The first operation again changes nothing of what has come since.
    assert forget(gtin, operation) == gone
    assert _stored(engine, mug) == [(f"0{gtin}", mug, "case", 12)]
