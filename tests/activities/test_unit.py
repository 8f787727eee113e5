"""What a product is counted in, and its packs, as files bring them into the database."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from activities.stock import StockQuestions
from database.sessions import Database
from stockkeeper.contracts.import_file import Applied
from stockkeeper.contracts.stock import FindItems
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from stockkeeper.domain.stock import ItemKey
from tests.activities.test_import_file import Loading
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import refused
from tests.support.steps.purchase_order import Buying, wanted
from workflows.purchase_order_texts import news

Pack = tuple[str, int | None, str | None]


def load(database: Database, kind: str, columns: str, *rows: Sequence[str]) -> Applied:
    """A file of these rows is imported."""
    loading = Loading(database, kind, *columns.split(","))
    loading.stage(*rows)
    return loading.apply(rows=len(rows))


def errors(call: Callable[[], object]) -> list[tuple[int, str | None, str]]:
    """The bad rows because of which a file was refused."""
    kind, details = refused(call)
    assert kind == "InvalidRequest"
    return [(each["line"], each["column"], each["message"]) for each in details["errors"]]


def base_unit(engine: Engine, sku: str) -> str:
    with engine.connect() as connection:
        query = text("SELECT base_unit FROM products WHERE sku = :sku")
        return str(connection.execute(query, {"sku": sku}).scalar_one())


def packs(engine: Engine, sku: str) -> list[Pack]:
    """Names, base units and suppliers of a product's packs."""
    query = text("""
        SELECT unit, quantity, suppliers.name
        FROM product_units JOIN products USING (product_id) LEFT JOIN suppliers USING (supplier_id)
        WHERE sku = :sku ORDER BY unit, suppliers.name NULLS FIRST
    """)
    with engine.connect() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query, {"sku": sku})]


@pytest.fixture
def sku(database: Database) -> str:
    """A new product, counted in pieces."""
    name = new_reference("TEA")
    load(database, "products", "sku,name", (name, "Tea"))
    return name


@pytest.fixture
def supplier(database: Database) -> str:
    name = new_reference("weser")
    load(database, "suppliers", "name", (name,))
    return name


def test_a_product_is_counted_in_pieces_unless_a_file_says_otherwise(
    database: Database, engine: Engine, sku: str
) -> None:
    assert base_unit(engine, sku) == "EACH"
    assert load(database, "products", "sku,base_unit", (sku, "g")).updated == 1
    assert base_unit(engine, sku) == "GRAM"
    assert load(database, "products", "sku,base_unit", (sku, "Grams")).unchanged == 1
    assert load(database, "products", "sku,base_unit", (sku, "")).updated == 1
    assert base_unit(engine, sku) == "EACH"


def test_a_unit_that_is_no_base_unit_refuses_the_page(database: Database, engine: Engine, sku: str) -> None:
    wrong = errors(lambda: load(database, "products", "sku,base_unit", (sku, "kg")))
    assert wrong == [(2, "base_unit", "must be each, gram, millilitre or millimetre")]
    assert base_unit(engine, sku) == "EACH"


def test_the_base_unit_of_what_was_moved_stays(database: Database, engine: Engine, shop: Shop, sku: str) -> None:
    with engine.connect() as connection:
        product = connection.execute(text("SELECT product_id FROM products WHERE sku = :sku"), {"sku": sku})
        shop.item(5, product=int(product.scalar_one()))
    wrong = errors(lambda: load(database, "products", "sku,base_unit", (sku, "gram")))
    message = (
        "can't change from EACH to GRAM: its stock has moved; "
        "a product that is counted in another unit is a new one, with a SKU of its own"
    )
    assert wrong == [(2, "base_unit", message)]
    change = text("UPDATE products SET base_unit = 'GRAM' WHERE sku = :sku")
    with pytest.raises(IntegrityError, match="can't change: its stock has moved"), engine.begin() as connection:
        connection.execute(change, {"sku": sku})
    assert base_unit(engine, sku) == "EACH"


def test_the_base_unit_of_what_has_packs_or_imported_demand_stays(
    database: Database, engine: Engine, shop: Shop, sku: str
) -> None:
    load(database, "units", "sku,unit,quantity", (sku, "case", "24"))
    [(_, _, message)] = errors(lambda: load(database, "products", "sku,base_unit", (sku, "gram")))
    assert "it has packs (import units with an empty quantity takes one away)" in message
    load(database, "units", "sku,unit,quantity", (sku, "case", ""))
    load(
        database,
        "demand",
        "sku,warehouse_id,day,quantity",
        (sku, str(shop.warehouse()), "2026-05-01", "3"),
    )
    [(_, _, message)] = errors(lambda: load(database, "products", "sku,base_unit", (sku, "gram")))
    assert "demand of it was imported" in message
    assert base_unit(engine, sku) == "EACH"


def test_packs_of_the_house_and_of_suppliers_are_kept_apart(
    database: Database, engine: Engine, sku: str, supplier: str
) -> None:
    columns = "sku,unit,quantity,supplier"
    rows = [(sku, "Case", "24", ""), (sku, "case", "30", supplier), (sku, "Pallet", "960", "")]
    assert load(database, "units", columns, *rows) == Applied(rows=3, inserted=3, updated=0, unchanged=0)
    assert packs(engine, sku) == [("case", 24, None), ("case", 30, supplier), ("pallet", 960, None)]
    assert load(database, "units", columns, *rows, (sku, "box", "10", "")).inserted == 1
    # Without the column, they are the house's.
    again = load(database, "units", "sku,unit,quantity", (sku, "CASE", "12"), (sku, "pallet", ""))
    assert again == Applied(rows=2, inserted=0, updated=2, unchanged=0)
    assert packs(engine, sku) == [
        ("box", 10, None),
        ("case", 12, None),
        ("case", 30, supplier),
        ("pallet", None, None),
    ]


def test_bad_packs_are_named_by_their_lines_and_nothing_changes(
    database: Database, engine: Engine, sku: str, supplier: str
) -> None:
    columns = "sku,unit,quantity,supplier"
    wrong = errors(
        lambda: load(
            database,
            "units",
            columns,
            (sku, "kg", "24", ""),
            (sku, "2 cases", "24", ""),
            (sku, "case", "0", ""),
            (sku, "case", "2.5", ""),
        )
    )
    assert [(line, column) for line, column, _ in wrong] == [(2, "unit"), (3, "unit"), (4, "quantity"), (5, "quantity")]
    assert wrong[0][2] == "kg is built in, and can't be a pack's name"
    wrong = errors(
        lambda: load(
            database,
            "units",
            columns,
            (sku, "case", "24", ""),
            (sku, "Case", "25", ""),
            (sku, "case", "30", supplier),
            (sku, "case", "31", supplier),
            (sku, "case", "31", "nobody at all"),
        )
    )
    assert wrong == [
        (3, None, "is the same as on line 2"),
        (5, None, "is the same as on line 4"),
        (6, "supplier", "there is no supplier nobody at all"),
    ]
    assert packs(engine, sku) == []


def on_hand(engine: Engine, sku: str) -> list[int]:
    query = text("SELECT quantity_on_hand FROM inventory_items JOIN products USING (product_id) WHERE sku = :sku")
    with engine.connect() as connection:
        return list(connection.execute(query, {"sku": sku}).scalars())


def test_opening_stock_may_be_counted_in_packs_and_measures(
    database: Database, engine: Engine, shop: Shop, sku: str
) -> None:
    flour = new_reference("FLOUR")
    load(database, "products", "sku,name,base_unit", (flour, "Flour", "g"))
    load(database, "units", "sku,unit,quantity", (sku, "case", "24"))
    here, there = str(shop.warehouse()), str(shop.warehouse())
    columns = "sku,warehouse_id,quantity,unit"
    rows = [(sku, here, "5", "Cases"), (sku, there, "7", ""), (flour, here, "1.250", "kg")]
    assert load(database, "stock", columns, *rows) == Applied(rows=3, inserted=3, updated=0, unchanged=0)
    assert sorted(on_hand(engine, sku)) == [7, 120]
    assert on_hand(engine, flour) == [1250]


def test_quantities_that_arent_whole_base_units_are_named_and_nothing_changes(
    database: Database, engine: Engine, shop: Shop, sku: str
) -> None:
    load(database, "units", "sku,unit,quantity", (sku, "case", "24"))
    here = str(shop.warehouse())
    columns = "sku,warehouse_id,quantity,unit,expected_quantity"
    more = str(shop.warehouse()), str(shop.warehouse()), str(shop.warehouse())
    wrong = errors(
        lambda: load(
            database,
            "stock",
            columns,
            (sku, here, "0.1", "case", ""),
            (sku, more[0], "1", "kg", ""),
            (sku, more[1], "1", "case", "0.3"),
            (sku, more[2], "90000000", "case", ""),
        )
    )
    assert wrong == [
        (2, "quantity", "0.1 case isn't whole in pieces; the nearest are 2 or 3"),
        (3, "unit", "kg is no unit of it: it is counted in pieces, and in case (24)"),
        (4, "expected_quantity", "0.3 case isn't whole in pieces; the nearest are 7 or 8"),
        (5, "quantity", "90000000 case are more than 1000000000"),
    ]
    wrong = errors(lambda: load(database, "stock", columns, (sku, here, "1.5", "", ""), (sku, here, "1.000", "pc", "")))
    assert wrong == [
        (2, "quantity", "must be a whole number, such as 12"),
        (3, "quantity", "1.000 must be whole units, without dots or commas"),
    ]
    assert on_hand(engine, sku) == []


def test_a_suppliers_terms_are_counted_in_its_own_packs(
    database: Database, engine: Engine, sku: str, supplier: str
) -> None:
    load(database, "units", "sku,unit,quantity,supplier", (sku, "case", "24", ""), (sku, "case", "30", supplier))
    columns = "sku,supplier,unit_cost,lead_time_days,pack_size,minimum_order_quantity,unit"
    applied = load(database, "product-suppliers", columns, (sku, supplier, "2.40", "7", "1", "10", "case"))
    assert applied == Applied(rows=1, inserted=1, updated=0, unchanged=0)
    query = text("""
        SELECT pack_size, minimum_order_quantity, terms.unit_cost
        FROM product_suppliers AS terms JOIN products USING (product_id) WHERE sku = :sku
    """)
    with engine.connect() as connection:
        assert tuple(connection.execute(query, {"sku": sku}).one()) == (30, 300, Decimal("2.40"))


def test_demand_may_be_counted_in_packs(database: Database, engine: Engine, shop: Shop, sku: str) -> None:
    load(database, "barcodes", "sku,barcode,unit,quantity", (sku, f"TRAY-{sku}", "tray", "6"))
    columns = "sku,warehouse_id,day,quantity,unit"
    load(database, "demand", columns, (sku, str(shop.warehouse()), "2026-05-01", "2.5", "tray"))
    query = text("SELECT quantity FROM imported_demand JOIN products USING (product_id) WHERE sku = :sku")
    with engine.connect() as connection:
        assert connection.execute(query, {"sku": sku}).scalar_one() == 15


def test_units_are_found_with_the_names_of_products_where_they_are_asked_for(
    database: Database, sku: str, supplier: str
) -> None:
    rows = [(sku, "case", "24", ""), (sku, "case", "30", supplier), (sku, "pallet", "960", "")]
    load(database, "units", "sku,unit,quantity,supplier", *rows)
    load(database, "barcodes", "sku,barcode,unit,quantity", (sku, f"TRAY-{sku}", "tray", "6"))
    questions = StockQuestions(database)
    assert questions.find_items(FindItems(products=[sku])).packs == {}
    found = questions.find_items(FindItems(products=[sku], suppliers=[supplier], units=True))
    [product_id] = found.products.values()
    assert found.base_units == {}
    assert found.units_of(product_id).packs == {"case": 24, "pallet": 960, "tray": 6}
    assert found.units_of(product_id, found.suppliers[supplier]).packs == {"case": 30, "pallet": 960, "tray": 6}
    by_id = questions.find_items(FindItems(product_ids=[product_id], units=True))
    assert by_id.packs == found.packs


def test_a_supplier_reads_an_order_in_its_own_packs(engine: Engine, shop: Shop, buying: Buying) -> None:
    item, other, supplier = shop.item(0), shop.item(0), shop.supplier()
    pack = text("INSERT INTO product_units (product_id, unit, supplier_id, quantity) VALUES (:p, :unit, :s, :quantity)")
    with engine.begin() as connection:
        for unit, of, quantity in (("case", supplier, 30), ("case", None, 24), ("box", None, 5)):
            connection.execute(pack, {"p": item.product_id, "unit": unit, "s": of, "quantity": quantity})
        for product in (item, other):
            update = text("UPDATE products SET sku = :sku WHERE product_id = :p")
            connection.execute(update, {"p": product.product_id, "sku": f"U-{product.product_id}"})
    lines = [wanted(item, 125, "2.50"), wanted(ItemKey(item.warehouse_id, other.product_id), 7)]
    order = buying.draft(new_reference("po"), supplier, item.warehouse_id, lines)
    assert [line.qty_shown for line in order.line_items] == ["125 (4 cases of 30 + 5)", ""]
    [notice] = news(PurchaseOrderStatus.DRAFT, order)
    assert notice.body.splitlines()[2:4] == [
        f"125 (4 cases of 30 + 5) x U-{item.product_id} at 2.50",
        f"7 x U-{other.product_id} at 1.00",
    ]
