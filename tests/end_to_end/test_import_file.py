"""A file from the person who has it into the tables, and each way in which it is refused."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, insert, text
from temporalio.client import WorkflowExecutionStatus

from database import tables
from stockkeeper import Connection, Stockkeeper
from stockkeeper.client.csv_files import read_csv
from stockkeeper.contracts.adjustment import AdjustmentStatus
from stockkeeper.contracts.errors import InvalidRequest, NotPermitted
from stockkeeper.contracts.import_file import ImportKind, workflow_id
from stockkeeper.domain.stock import ItemKey
from tests.support.import_file import Imports, new_name, outcome, problems_of
from tests.support.shop import Shop


def _catalogue(imports: Imports, *, products: int = 2, warehouses: int = 1) -> tuple[list[str], list[str]]:
    """SKUs and warehouse names that are known."""
    skus = [new_name("sku") for _ in range(products)]
    places = [new_name("warehouse") for _ in range(warehouses)]
    with imports.engine.begin() as connection:
        connection.execute(insert(tables.products), [{"sku": sku, "name": "Product"} for sku in skus])
        connection.execute(insert(tables.warehouses), [{"name": place} for place in places])
    return skus, places


async def test_products(imports: Imports) -> None:
    first, second, third = (new_name("sku") for _ in range(3))
    state = await imports.send(
        "products",
        "sku,name,description,category_id,unit_cost,unit_price,weight_kg,dimensions_cm,is_active",
        f'{first},Tea,"Green, loose",7,1.10,2.999999,0.1,"{{""length"": 10.5, ""width"": 4}}",yes',
        f"{second},Mug,,,,,,,0",
    )
    assert outcome(state) == ("IMPORTED", 2, 2, 0, 0)
    query = """
        SELECT name, description, category_id, unit_cost, unit_price, weight_kg, dimensions_cm, is_active
        FROM products WHERE sku = ANY(:skus) ORDER BY name DESC
    """
    money = (Decimal("1.10"), Decimal("2.999999"), Decimal("0.1"))
    tea = ("Tea", "Green, loose", 7, *money, {"length": 10.5, "width": 4}, True)
    mug = ("Mug", None, None, None, None, None, None, False)
    assert imports.rows(query, skus=[first, second]) == [tea, mug]
    # A price list: other columns keep what they have, and what is the same is not written.
    state = await imports.send("products", "unit_cost,sku,name", f"1.2,{first},Tea", f",{second},Mug", f"3,{third},Pot")
    assert outcome(state) == ("IMPORTED", 3, 1, 1, 1)
    tea = ("Tea", "Green, loose", 7, Decimal("1.2"), *money[1:], {"length": 10.5, "width": 4}, True)
    pot = ("Pot", None, None, Decimal(3), None, None, None, True)
    assert imports.rows(query, skus=[first, second, third]) == [tea, pot, mug]


async def test_a_price_list_needs_no_names_but_for_what_is_new(imports: Imports) -> None:
    [known], _ = _catalogue(imports, products=1)
    new = new_name("sku")
    assert await imports.refused("products", "sku,unit_price", f"{known},2", f"{new},3") == [
        (3, None, "is new, and needs name")
    ]
    assert outcome(await imports.send("products", "sku,unit_price", f"{known},2")) == ("IMPORTED", 1, 0, 1, 0)
    assert imports.rows("SELECT name, unit_price FROM products WHERE sku = :sku", sku=known) == [("Product", 2)]


async def test_warehouses(imports: Imports) -> None:
    north, south = new_name("north"), new_name("south")
    state = await imports.send(
        "warehouses",
        "name,address,timezone,capacity_sqft,priority",
        f"{north},Hafen 1,Europe/Berlin,1200.50,20",
        f"{south},,America/New_York,,0",
    )
    assert outcome(state) == ("IMPORTED", 2, 2, 0, 0)
    assert imports.rows(
        "SELECT address, timezone, capacity_sqft, priority FROM warehouses WHERE name IN (:north, :south) "
        "ORDER BY name",
        north=north,
        south=south,
    ) == [("Hafen 1", "Europe/Berlin", Decimal("1200.50"), 20), (None, "America/New_York", None, 0)]
    assert await imports.refused("warehouses", "name,priority", f"{north},-1", f"{south},1.5") == [
        (2, "priority", "input should be greater than or equal to 0"),
        (3, "priority", "must be a whole number, such as 12"),
    ]


async def test_suppliers(imports: Imports) -> None:
    acme, best = new_name("acme"), new_name("best")
    await imports.send("suppliers", "name,email", f"{acme},a@x.at", f"{best},")
    state = await imports.send("suppliers", "name,email", f"{acme},a@x.at", f"{best},b@x.at")
    assert outcome(state) == ("IMPORTED", 2, 0, 1, 1)
    assert imports.rows("SELECT email FROM suppliers WHERE name IN (:a, :b) ORDER BY name", a=acme, b=best) == [
        ("a@x.at",),
        ("b@x.at",),
    ]


async def test_product_suppliers_and_the_preferred_one_gives_way(imports: Imports) -> None:
    [sku], _ = _catalogue(imports, products=1)
    acme, best = new_name("acme"), new_name("best")
    await imports.send("suppliers", "name", acme, best)
    header = "sku,supplier,is_preferred,unit_cost,lead_time_days,minimum_order_quantity,pack_size"
    state = await imports.send("product-suppliers", header, f"{sku},{acme},yes,1.5,7,10,5")
    assert outcome(state) == ("IMPORTED", 1, 1, 0, 0)
    state = await imports.send(
        "product-suppliers", "sku,supplier,is_preferred,unit_cost,lead_time_days", f"{sku},{best},yes,1.4,2.5"
    )
    assert outcome(state) == ("IMPORTED", 1, 1, 0, 0)
    query = """
        SELECT suppliers.name, is_preferred, product_suppliers.unit_cost, lead_time_days, minimum_order_quantity,
            pack_size
        FROM product_suppliers JOIN products USING (product_id) JOIN suppliers USING (supplier_id)
        WHERE sku = :sku ORDER BY suppliers.name
    """
    assert imports.rows(query, sku=sku) == [
        (acme, False, Decimal("1.5"), Decimal(7), 10, 5),
        (best, True, Decimal("1.4"), Decimal("2.5"), 1, 1),
    ]
    # And back, both named in one file, the old one first.
    state = await imports.send("product-suppliers", "supplier,sku,is_preferred", f"{best},{sku},no", f"{acme},{sku},1")
    assert outcome(state) == ("IMPORTED", 2, 0, 2, 0)
    assert [row[:2] for row in imports.rows(query, sku=sku)] == [(acme, True), (best, False)]


async def test_stock_is_an_adjustment_with_its_reason(imports: Imports) -> None:
    [tea, mug], [place] = _catalogue(imports)
    path = imports.file("sku,warehouse,quantity", f"{tea},{place},40", f"{mug},{place},0")
    state = await imports.send_file("stock", path)
    assert outcome(state) == ("IMPORTED", 2, 2, 0, 0)
    levels = """
        SELECT sku, quantity_on_hand, quantity_reserved FROM inventory_items
        JOIN products USING (product_id) WHERE sku = ANY(:skus) ORDER BY quantity_on_hand DESC
    """
    assert imports.rows(levels, skus=[tea, mug]) == [(tea, 40, 0), (mug, 0, 0)]
    import_id = workflow_id(ImportKind.STOCK, read_csv(ImportKind.STOCK, path).digest)
    assert imports.rows(
        """
        SELECT sku, movement_type, quantity, balance_after, reference_id, performed_by, reason, operation_id
        FROM stock_movements JOIN products USING (product_id) WHERE sku = ANY(:skus)
        """,
        skus=[tea, mug],
    ) == [(tea, "ADJUSTMENT", 40, 40, import_id, "importer", "opening stock", f"{import_id}/apply")]


async def test_opening_stock_is_for_items_without_a_movement(imports: Imports, shop: Shop) -> None:
    [tea, mug, pot], [place] = _catalogue(imports, products=3)
    header = "sku,warehouse,quantity"
    await imports.send("stock", header, f"{tea},{place},40", f"{mug},{place},0")
    # Another file with the same quantities, and one more item: what is there is left as it is.
    state = await imports.send("stock", header, f"{tea},{place},40", f"{mug},{place},0", f"{pot},{place},5")
    assert outcome(state) == ("IMPORTED", 3, 1, 0, 2)
    # An item that was empty gets its opening stock; from then on it has one.
    assert outcome(await imports.send("stock", header, f"{mug},{place},7")) == ("IMPORTED", 1, 1, 0, 0)
    # Items that have stock get the difference by an adjustment.
    state = await imports.send("stock", header, f"{pot},{place},5", f"{tea},{place},41", f"{mug},{place},0")
    assert outcome(state) == ("IMPORTED", 3, 0, 2, 1)
    assert _on_hand(imports, tea, mug, pot) == [41, 0, 5]


def _on_hand(imports: Imports, *skus: str) -> list[object]:
    query = "SELECT quantity_on_hand FROM inventory_items JOIN products USING (product_id) WHERE sku = :sku"
    return [imports.rows(query, sku=sku)[0][0] for sku in skus]


async def test_a_stock_file_keeps_to_the_limit_of_adjustments(imports: Imports, shop: Shop) -> None:
    [dear, cheap, new], [place] = _catalogue(imports, products=3)
    await imports.send("products", "sku,unit_cost", f"{dear},600.00", f"{cheap},1.00", f"{new},600.00")
    header = "sku,warehouse,quantity"
    await imports.send("stock", header, f"{dear},{place},5", f"{cheap},{place},5")
    counted = imports.file(header, f"{dear},{place},6", f"{cheap},{place},6")
    state = await imports.send_file("stock", counted)
    # Worth 601.00 together, which one person may not decide.
    [adjustment] = state.adjustments
    assert (outcome(state), adjustment.lines) == (("IMPORTED", 2, 0, 2, 0), 2)
    assert _on_hand(imports, dear, cheap) == [5, 5]
    stock = Stockkeeper(Connection(imports.client, imports.task_queue))
    waiting = await stock.adjustment(adjustment.adjustment_number)
    assert (waiting.state.status, waiting.state.requested_by) == (AdjustmentStatus.PENDING, "importer")
    with pytest.raises(NotPermitted):
        await waiting.approve(approver="importer")
    # The same file again, before and after the approval, begins nothing else; and neither does another one.
    assert (await imports.send_file("stock", counted)).already_imported
    another = imports.file(header, f"{dear},{place},7")
    skipped = await imports.send_file("stock", another)
    assert (outcome(skipped), skipped.adjustments, skipped.skipped_total) == (("IMPORTED", 1, 0, 0, 0), [], 1)
    number = adjustment.adjustment_number
    assert [row.message for row in skipped.skipped] == [
        f"skipped: adjustment {number} of it waits for approval; decide it, and send the file again"
    ]
    await waiting.approve(approver="ann")
    assert _on_hand(imports, dear, cheap) == [6, 6]
    assert (await imports.send_file("stock", counted)).adjustments == []
    assert _on_hand(imports, dear, cheap) == [6, 6]
    # Sent again, the other file is applied to the row that was skipped.
    again = await imports.send_file("stock", another)
    assert (outcome(again), [each.lines for each in again.adjustments]) == (("IMPORTED", 1, 0, 1, 0), [1])
    # The warehouse is in use now: stock of an item that never moved is made by one person no more than any other.
    state = await imports.send("stock", header, f"{new},{place},2")
    assert (outcome(state), _on_hand(imports, new)) == (("IMPORTED", 1, 0, 1, 0), [0])
    assert [each.lines for each in state.adjustments] == [1]


async def test_a_stock_file_again_undoes_no_sale_and_another_one_counts(imports: Imports, shop: Shop) -> None:
    [tea], [place, elsewhere] = _catalogue(imports, products=1, warehouses=2)
    header = "sku,warehouse,quantity"
    monday = imports.file(header, f"{tea},{place},9")
    await imports.send_file("stock", monday)
    [(product, warehouse)] = imports.rows(
        "SELECT product_id, warehouse_id FROM inventory_items JOIN products USING (product_id) WHERE sku = :sku",
        sku=tea,
    )
    shop.move(ItemKey(warehouse, product), -2)
    await imports.send("stock", header, f"{tea},{elsewhere},1")
    # A file of another warehouse came meanwhile, so this one is read again; its item was last stated by itself.
    state = await imports.send_file("stock", monday)
    assert (outcome(state), state.already_imported, state.adjustments) == (("IMPORTED", 1, 0, 0, 1), False, [])
    # Another file with the same quantity states it anew.
    state = await imports.send("stock", header, f"{tea},{place},9", "")
    assert (outcome(state), [each.lines for each in state.adjustments]) == (("IMPORTED", 1, 0, 1, 0), [1])
    assert imports.rows(
        "SELECT quantity_on_hand FROM inventory_items WHERE product_id = :id ORDER BY 1", id=product
    ) == [
        (1,),
        (9,),
    ]


async def test_a_row_that_changed_since_its_export_is_skipped_and_named(imports: Imports) -> None:
    [tea, mug, pot], [place] = _catalogue(imports, products=3)
    await imports.send("stock", "sku,warehouse,quantity", f"{tea},{place},9", f"{mug},{place},9", f"{pot},{place},9")
    state = await imports.send(
        "stock",
        "sku,warehouse,quantity,expected_quantity",
        f"{tea},{place},7,8",
        f"{mug},{place},7,9",
        f"{pot},{place},4,4",
    )
    assert outcome(state) == ("IMPORTED", 3, 0, 1, 1)
    assert [(row.line, row.column, row.message) for row in state.skipped] == [
        (2, "quantity", "skipped: 8 on hand when the file was made, 9 now")
    ]
    assert (state.skipped_total, _on_hand(imports, tea, mug, pot)) == (1, [9, 7, 9])


async def test_ids_stand_for_names(imports: Imports, shop: Shop) -> None:
    product, warehouse = shop.product(is_active=False), shop.warehouse()
    state = await imports.send("stock", "product_id,warehouse_id,quantity", f"{product},{warehouse},3")
    assert outcome(state) == ("IMPORTED", 1, 1, 0, 0)
    assert imports.rows("SELECT quantity_on_hand FROM inventory_items WHERE product_id = :id", id=product) == [(3,)]
    assert await imports.refused("stock", "product_id,warehouse_id,quantity", f"{10**15},{10**15},3") == [
        (2, "product_id", "there is no product with id 1000000000000000"),
        (2, "warehouse_id", "there is no warehouse with id 1000000000000000"),
    ]


async def test_demand(imports: Imports) -> None:
    [sku], [place] = _catalogue(imports, products=1)
    header = "sku,warehouse,day,quantity"
    await imports.send("demand", header, f"{sku},{place},2026-01-31,5", f"{sku},{place},2026-02-01,0")
    state = await imports.send("demand", header, f"{sku},{place},2026-01-31,6", f"{sku},{place},2026-02-02,1")
    assert outcome(state) == ("IMPORTED", 2, 1, 1, 0)
    query = """
        SELECT day::text, quantity FROM imported_demand JOIN products USING (product_id) WHERE sku = :sku ORDER BY day
    """
    assert imports.rows(query, sku=sku) == [("2026-01-31", 6), ("2026-02-01", 0), ("2026-02-02", 1)]


async def test_a_day_of_demand_may_be_left_out_of_planning(imports: Imports) -> None:
    [sku], [place] = _catalogue(imports, products=1)
    rows = (f"{sku},{place},2026-01-31,500,yes", f"{sku},{place},2026-02-01,4,no")
    assert outcome(await imports.send("demand", "sku,warehouse,day,quantity,exclude", *rows)) == (
        "IMPORTED",
        2,
        2,
        0,
        0,
    )
    # A file without the column leaves that as it is.
    await imports.send("demand", "sku,warehouse,day,quantity", f"{sku},{place},2026-01-31,501")
    query = (
        "SELECT quantity, exclude FROM imported_demand JOIN products USING (product_id) WHERE sku = :sku ORDER BY day"
    )
    assert imports.rows(query, sku=sku) == [(501, True), (4, False)]


async def test_demand_of_a_day_in_the_future_is_refused(imports: Imports, engine: Engine) -> None:
    """Today is the warehouse's own: east of Greenwich it may be tomorrow already."""
    [sku], [place] = _catalogue(imports, products=1)
    with engine.begin() as connection:
        of = {"name": place, "timezone": "Pacific/Kiritimati"}
        connection.execute(text("UPDATE warehouses SET timezone = :timezone WHERE name = :name"), of)
    today = datetime.now(ZoneInfo("Pacific/Kiritimati")).date()
    header, row = "sku,warehouse,day,quantity", f"{sku},{place}"
    refused = await imports.refused(
        "demand", header, f"{row},{today},1", f"{row},{today + timedelta(days=2)},5", f"{row},2996-01-31,5"
    )
    [(line, name, message), last] = refused
    assert (line, name, message[: len("must not be in the future: today is 2")], last[0]) == (
        *(3, "day", "must not be in the future: today is 2"),
        4,
    )
    query = "SELECT quantity FROM imported_demand JOIN products USING (product_id) WHERE sku = :sku"
    assert imports.rows(query, sku=sku) == []
    assert outcome(await imports.send("demand", header, f"{row},{today},1")) == ("IMPORTED", 1, 1, 0, 0)


async def test_what_is_not_there_is_named(imports: Imports) -> None:
    [sku], [place] = _catalogue(imports, products=1)
    assert await imports.refused(
        "demand", "sku,warehouse,day,quantity", f"{sku},{place},2026-01-31,5", f"no-sku,{place},2026-01-31,5", ""
    ) == [(3, "sku", "there is no product no-sku")]
    assert await imports.refused("product-suppliers", "sku,supplier,is_preferred", f"{sku},nobody,1") == [
        (2, "supplier", "there is no supplier nobody")
    ]
    assert await imports.refused("stock", "sku,warehouse,quantity", f"{sku},nowhere,1") == [
        (2, "warehouse", "there is no warehouse nowhere")
    ]


async def test_the_same_thing_twice_in_a_file_is_refused(imports: Imports) -> None:
    [sku], [place] = _catalogue(imports, products=1)
    acme, best = new_name("acme"), new_name("best")
    await imports.send("suppliers", "name", acme, best)
    assert await imports.refused("warehouses", "name", "A", "B", "A", "A") == [
        (4, "name", "is the same as on line 2"),
        (5, "name", "is the same as on line 2"),
    ]
    assert await imports.refused("stock", "sku,warehouse,quantity", f"{sku},{place},1", f"{sku},{place},1") == [
        (3, None, "is the same as on line 2")
    ]
    assert await imports.refused(
        "product-suppliers",
        "sku,supplier,is_preferred,unit_cost,lead_time_days",
        f"{sku},{acme},1,1,1",
        f"{sku},{best},1,1,1",
    ) == [(3, "is_preferred", "another supplier is preferred on line 2")]


async def test_an_id_must_be_the_one_that_is_known(imports: Imports, shop: Shop) -> None:
    known = shop.product()
    [(sku,)] = imports.rows("SELECT sku FROM products WHERE product_id = :id", id=known)
    free = known + 10_000_000
    assert await imports.refused("products", "sku,product_id,name", f"{sku},{free},x", f"new-sku,{known},x") == [
        (2, "product_id", f"this sku has the id {known}"),
        (3, "product_id", f"this id is that of {sku}"),
    ]
    assert await imports.refused("products", "sku,product_id,name", f"a,{free},x", f"b,{free},x") == [
        (3, "product_id", "is the same as on line 2")
    ]


async def test_of_many_bad_rows_ten_are_named_and_all_are_counted(imports: Imports) -> None:
    path = imports.file("sku,warehouse,quantity", *(f"none-{number},nowhere,1" for number in range(30)))
    with pytest.raises(InvalidRequest) as caught:
        await imports.send_file("stock", path)
    assert [line for line, _, _ in problems_of(caught.value)] == [2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert caught.value.details["errors_total"] == 60
    handle = imports.client.get_workflow_handle(_id_of("stock", path))
    state = await handle.query("state")
    assert (state["status"], state["errors"], state["errors_total"]) == ("REFUSED", caught.value.details["errors"], 60)
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    assert await handle.result() == state


async def test_the_same_file_again_changes_nothing(imports: Imports) -> None:
    [sku], [place] = _catalogue(imports, products=1)
    path = imports.file("sku,warehouse,quantity", f"{sku},{place},9")
    first = await imports.send_file("stock", path)
    before = imports.everything()
    again = await imports.send_file("stock", path)
    assert imports.everything() == before
    assert not first.already_imported
    assert again.already_imported
    assert outcome(again) == outcome(first)


async def test_a_file_sent_again_after_another_counts_again(imports: Imports) -> None:
    [sku], _ = _catalogue(imports, products=1)
    spring = imports.file("sku,unit_price", f"{sku},10.00")
    summer = imports.file("sku,unit_price", f"{sku},12.00")

    def price() -> object:
        return imports.rows("SELECT unit_price::numeric(9, 2)::text FROM products WHERE sku = :sku", sku=sku)[0][0]

    for file, expected in ((spring, "10.00"), (summer, "12.00"), (spring, "10.00"), (summer, "12.00")):
        state = await imports.send_file("products", file)
        assert (outcome(state), state.already_imported, price()) == (("IMPORTED", 1, 0, 1, 0), False, expected)
    before = imports.everything()
    again = await imports.send_file("products", summer)
    assert (outcome(again), again.already_imported) == (("IMPORTED", 1, 0, 1, 0), True)
    assert imports.everything() == before


async def test_two_who_send_the_same_file_at_once_import_it_once(imports: Imports) -> None:
    skus, [place] = _catalogue(imports, products=20)
    path = imports.file("sku,warehouse,quantity", *(f"{sku},{place},9" for sku in skus))
    states = await asyncio.gather(*(imports.send_file("stock", path) for _ in range(4)))
    assert {outcome(state) for state in states} == {("IMPORTED", 20, 20, 0, 0)}
    query = "SELECT count(*) FROM stock_movements JOIN products USING (product_id) WHERE sku = ANY(:skus)"
    assert imports.rows(query, skus=skus) == [(20,)]


async def test_two_who_send_the_same_bad_file_at_once_are_both_told(imports: Imports) -> None:
    path = imports.file("sku,warehouse,quantity", "none,nowhere,9")
    answers = await asyncio.gather(*(imports.send_file("stock", path) for _ in range(4)), return_exceptions=True)
    told = [problems_of(refused) for refused in answers if isinstance(refused, InvalidRequest)]
    assert told == [[(2, "sku", "there is no product none"), (2, "warehouse", "there is no warehouse nowhere")]] * len(
        answers
    )


async def test_a_refused_file_may_be_sent_again_once_the_cause_is_gone(imports: Imports) -> None:
    [known], [place] = _catalogue(imports, products=1)
    missing = new_name("sku")
    path = imports.file("sku,warehouse,quantity", f"{known},{place},1", f"{missing},{place},2")
    with pytest.raises(InvalidRequest):
        await imports.send_file("stock", path)
    await imports.send("products", "sku,name", f"{missing},Late")
    assert outcome(await imports.send_file("stock", path)) == ("IMPORTED", 2, 2, 0, 0)


async def test_twelve_thousand_rows(imports: Imports) -> None:
    skus, places = _catalogue(imports, products=3_000, warehouses=4)
    seen: list[tuple[int, int]] = []
    state = await imports.send(
        "stock",
        "sku,warehouse,quantity",
        *(f"{sku},{place},{number % 7}" for place in places for number, sku in enumerate(skus)),
        progress=lambda sent, rows: seen.append((sent, rows)),
    )
    assert outcome(state) == ("IMPORTED", 12_000, 12_000, 0, 0)
    assert state.pages > 1
    assert (seen[0], seen[-1]) == ((0, 12_000), (12_000, 12_000))
    assert seen == sorted(seen)
    assert imports.rows(
        """
        SELECT count(*), sum(quantity_on_hand) FROM inventory_items JOIN warehouses USING (warehouse_id)
        WHERE name = ANY(:places)
        """,
        places=places,
    ) == [(12_000, 4 * sum(number % 7 for number in range(3_000)))]


def _id_of(kind: str, path: Path) -> str:
    return workflow_id(ImportKind(kind), read_csv(ImportKind(kind), path).digest)


async def test_shopifys_inventory_becomes_stock_and_a_row_that_changed_is_skipped(imports: Imports) -> None:
    skus, [place] = _catalogue(imports, products=3)
    tea, box, mug = skus
    exported = (Path(__file__).parents[1] / "files" / "shopify_inventory.csv").read_text()
    for theirs, ours in (("TEA-100", tea), ("TEA-500", box), ("0001", mug), ("Hamburg", place), ("Newark", place)):
        exported = exported.replace(f",{theirs},", f",{ours},")
    first = imports.directory / f"{place}.csv"
    first.write_text(exported, encoding="utf-8")
    # Into an empty warehouse: what the person wrote, or else what Shopify had.
    assert outcome(await imports.send_file("stock", first)) == ("IMPORTED", 2, 2, 0, 0)
    assert _on_hand(imports, tea, box) == [35, 12]
    edited = imports.directory / f"{place}-edited.csv"
    edited.write_text(exported.replace(",40,35\n", ",40,30\n").replace(",12,12,\n", ",12,12,10\n"), encoding="utf-8")
    state = await imports.send_file("stock", edited)
    assert (outcome(state), state.skipped_total) == (("IMPORTED", 2, 0, 1, 0), 1)
    assert [(row.line, row.message) for row in state.skipped] == [
        (2, "skipped: 40 on hand when the file was made, 35 now")
    ]
    assert _on_hand(imports, tea, box) == [35, 10]
