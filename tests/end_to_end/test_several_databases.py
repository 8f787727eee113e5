"""Two databases with a worker each: every call goes to the one that keeps its warehouses, and to no other."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import insert, make_url, text
from sqlalchemy.exc import DBAPIError
from temporalio.client import Client
from temporalio.worker import Worker
from typer.testing import CliRunner, Result

from database.homes import read_several, refusal_of, warehouse_homes
from database.migrate import newest_revision
from database.tables import inventory_items
from devstack.databases import PUBLICATION, give_home, is_copied, prepare_databases
from devstack.doctor_database import judged_several
from devstack.doctor_databases import several_checks
from devstack.processes import free_port
from devstack.restore.report import after_restore_of_several
from starter.checks import Check
from starter.cli.app import app
from starter.nexus import make_endpoint
from starter.schedules import schedules, set_up_schedules
from stockkeeper import (
    Connection,
    DeliveryLine,
    InsufficientStock,
    InvalidRequest,
    Line,
    OrderLine,
    Shortage,
    Unreachable,
    WarehouseElsewhere,
)
from stockkeeper.client.databases import parts_by_database
from stockkeeper.contracts.reservation import ReservationLine
from stockkeeper.domain.stock import ItemKey
from tests.support.nexus import Asks
from tests.support.schedules import SCHEDULES
from tests.support.several_databases import Both, One
from tests.support.shop import new_reference
from tests.support.wire import at_once, eventually
from worker import WORKFLOW_RUNNER

HELD = "SELECT count(*) FROM reservations WHERE reference_id = :reference"
RESERVED = """
    SELECT coalesce(sum(quantity_reserved), 0) FROM inventory_items
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
"""


def lines(*items: ItemKey, units: int = 1) -> list[Line]:
    return [Line(item.product_id, item.warehouse_id, quantity=units) for item in items]


def reserved(one: One, item: ItemKey) -> int:
    return one.count(RESERVED, **item._asdict())


async def test_an_order_is_held_where_its_warehouse_is_kept_and_commands_find_it(both: Both) -> None:
    for home, other in ((both.north, both.south), (both.south, both.north)):
        item, order = await both.item(home, 5), new_reference()
        hold = await both.stock.reserve(order, lines(item, units=3), performed_by="shop")
        assert (home.count(HELD, reference=order), other.count(HELD, reference=order)) == (1, 0)
        assert (await both.caller().hold(order)).state == hold.state
        await hold.fulfill(performed_by="shop")
        assert reserved(home, item) == 0
        [level] = [each async for each in both.stock.levels(item.product_id)]
        assert (level.warehouse_id, level.quantity_on_hand) == (item.warehouse_id, 2)


async def test_names_lead_to_the_same_place_as_ids(both: Both) -> None:
    item, order = await both.item(both.south, 2), new_reference()
    [level] = [each async for each in both.stock.levels(warehouse=item.warehouse_id)]
    await both.stock.reserve(order, [Line(level.sku, level.warehouse, quantity=2)], performed_by="shop")
    assert reserved(both.south, item) == 2
    assert (await both.stock.set_buffer(level.sku, level.warehouse, 0, performed_by="ann")).quantity_available == 0


async def test_a_start_over_two_databases_is_refused_and_changes_nothing(both: Both) -> None:
    north, south = await both.item(both.north, 5), await both.item(both.south, 5)
    order = new_reference()
    with pytest.raises(InvalidRequest, match="doesn't wait"):
        await both.stock.reserve(order, lines(north, south), performed_by="shop", wait_minutes=5)
    with pytest.raises(InvalidRequest, match="each line names its warehouse"):
        await both.stock.reserve(order, [Line(north.product_id, quantity=1)], performed_by="shop")
    with pytest.raises(InvalidRequest, match="needs a warehouse, or one of the databases"):
        await both.stock.run_audit()
    assert (reserved(both.north, north), reserved(both.south, south)) == (0, 0)
    wanted = [
        ReservationLine(product_id=item.product_id, warehouse_id=item.warehouse_id, quantity=1)
        for item in (south, north, south)
    ]
    assert await parts_by_database(both.stock.connection, wanted) == {
        both.south.queue: [wanted[0], wanted[2]],
        both.north.queue: [wanted[1]],
    }
    assert await parts_by_database(Connection(both.client, "one"), wanted) == {"one": wanted}


async def test_a_step_refuses_a_warehouse_that_another_database_keeps(both: Both) -> None:
    south = await both.item(both.south, 5)
    wrong = both.stock.at(both.north.queue)
    refused = WarehouseElsewhere.of(south.warehouse_id, both.south.queue)
    with pytest.raises(WarehouseElsewhere) as short:
        await wrong.reserve(new_reference(), lines(south), performed_by="shop")
    supplier = both.north.shop.supplier()
    with pytest.raises(WarehouseElsewhere) as ordered:
        await wrong.draft_purchase_order(
            new_reference("po"),
            supplier_id=supplier,
            warehouse_id=south.warehouse_id,
            lines=[OrderLine(south.product_id, qty=1, unit_cost=Decimal(1))],
            requested_by="ann",
            reason="wanted",
        )
    for caught in (short, ordered):
        assert (caught.value.message, caught.value.details) == (refused.message, refused.details)
    assert both.north.count("SELECT count(*) FROM purchase_orders WHERE supplier_id = :of", of=supplier) == 0
    never = ItemKey(await both.warehouse(both.south), south.product_id)
    with pytest.raises(InsufficientStock) as caught_short:
        await both.stock.reserve(new_reference(), lines(never), performed_by="shop")
    assert caught_short.value.shortages == [Shortage(never.product_id, never.warehouse_id, 1, 0)]


async def test_a_client_with_an_old_directory_sends_the_command_again(both: Both) -> None:
    product, warehouse = both.north.shop.product(), both.north.shop.warehouse()
    caller = both.caller()
    assert [each async for each in caller.levels(warehouse=warehouse)] == []
    give_home(both.north.engine, warehouse, both.south.queue)
    item = await both.item(both.south, 1, product=product, warehouse=warehouse)
    await caller.reserve(new_reference(), lines(item), performed_by="shop")
    assert reserved(both.south, item) == 1


async def test_answers_are_merged_in_their_order_over_pages(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.stock.LEVELS_AT_ONCE", 2)
    places = [await both.warehouse(home) for home in (both.north, both.south, both.north)]
    products = [both.north.shop.product() for _ in range(4)]
    await both.told()
    for place, home in zip(places, (both.north, both.south, both.north), strict=True):
        for product in products:
            home.shop.item(2, product=product, warehouse=place)
    found = [(each.sku, each.warehouse) async for each in both.stock.levels(warehouse=places)]
    assert found == sorted(found)
    assert len(found) == 12
    only = [each.warehouse_id async for each in both.stock.levels(products, warehouse=places[1])]
    assert only == [places[1]] * 4
    assert {each.warehouse_id for each in await both.stock.warehouses()} >= set(places)
    orders = [new_reference() for _ in range(4)]
    for order, place in zip(orders, (places[0], places[1], places[1], places[2]), strict=True):
        await both.stock.reserve(order, [Line(products[0], place, quantity=1)], performed_by="shop")
    assert [each.number for each in await both.stock.holds(sku=products[0])] == orders[::-1]
    assert [each.number for each in await both.stock.holds(sku=products[0], limit=2)] == orders[:1:-1]
    assert [each.number for each in await both.stock.holds(warehouse=places[1])] == orders[2:0:-1]
    held = [each.reference_id async for each in both.stock.item_holds(f"id:{products[0]}", f"id:{places[1]}")]
    assert held == orders[1:3]
    load = new_reference("LOAD")
    sent = await both.stock.create_transfer(
        load,
        [Line(products[0], quantity=1)],
        from_warehouse_id=places[0],
        to_warehouse_id=places[1],
        requested_by="tom",
    )
    await sent.dispatch(performed_by="sid")
    coming = [(each.document, each.warehouse_id, each.quantity) async for each in both.stock.arrivals(products)]
    assert coming == [(load, places[1], 1)]
    moved = [each async for each in both.stock.history(products[1], places[1])]
    assert [(each.movement_type, each.quantity) for each in moved] == [("ADJUSTMENT", 2)]


async def test_the_catalogue_is_changed_where_it_is_kept_and_known_everywhere(both: Both, tmp_path: Path) -> None:
    sku = new_reference("SKU")
    file = tmp_path / "products.csv"
    file.write_text(f"sku,name\n{sku},Tea\n")
    assert (await both.stock.import_file("products", file, performed_by="ann")).rows == 1
    await both.told()
    for one in (both.north, both.south):
        assert one.count("SELECT count(*) FROM products WHERE sku = :sku", sku=sku) == 1
    await both.stock.rename_product(sku, f"{sku}-2", performed_by="ann")
    await both.told()
    for one in (both.north, both.south):
        names = await both.stock.at(one.queue).product_names(sku)
        assert (names.sku, [each.sku for each in names.former_skus]) == (f"{sku}-2", [sku])
        assert [each.sku for each in (await both.stock.at(one.queue).search_products(sku)).products] == [f"{sku}-2"]
    assert [each.sku for each in (await both.stock.search_products(f"{sku}-2 tea")).products] == [f"{sku}-2"]
    with pytest.raises(InvalidRequest, match=f"the catalogue is kept in the database of task queue {both.north.queue}"):
        await both.stock.at(both.south.queue).rename_product(sku, sku, performed_by="ann")


async def test_barcodes_follow_also_where_the_catalogue_was_published_before_there_were_any(
    both: Both, tmp_path: Path
) -> None:
    sku, own = new_reference("SKU"), new_reference("SHELF")
    urls = {one.queue: one.server.url for one in (both.north, both.south)}
    for one, statement in (
        (both.north, f"ALTER PUBLICATION {PUBLICATION} DROP TABLE product_barcodes"),
        (
            both.south,
            f"ALTER SUBSCRIPTION stockkeeper_{both.south.queue.lower().replace('-', '_')} REFRESH PUBLICATION",
        ),
    ):
        with one.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(statement)
    for kind, content in (
        ("products", f"sku,name\n{sku},Tea\n"),
        ("barcodes", f"sku,barcode,unit,quantity\n{sku},{own},case,24\n"),
    ):
        file = tmp_path / f"{kind}.csv"
        file.write_text(content)
        assert (await both.stock.import_file(kind, file, performed_by="ann")).inserted == 1
    await asyncio.to_thread(prepare_databases, urls)
    await eventually(partial(asyncio.to_thread, is_copied, both.south.engine), bool)
    known = "SELECT quantity FROM product_barcodes JOIN products USING (product_id) WHERE (barcode, sku) = (:own, :sku)"
    assert [one.count(known, own=own, sku=sku) for one in (both.north, both.south)] == [24, 24]
    with both.south.engine.begin() as connection, pytest.raises(DBAPIError, match="the catalogue is kept in the"):
        connection.exec_driver_sql("DELETE FROM product_barcodes")
    assert both.south.count(known, own=own, sku=sku) == 24


LAST_COST = """
    SELECT coalesce(sum(last_unit_cost), 0) FROM product_suppliers
    WHERE (product_id, supplier_id) = (:product, :supplier)
"""


async def test_what_deliveries_cost_is_kept_beside_the_terms_of_the_catalogue_and_adds_none(both: Both) -> None:
    item, supplier = await both.item(both.south, 1), both.north.shop.supplier()
    unlisted = both.north.shop.product()
    both.north.shop.supply(item.product_id, supplier, unit_cost=Decimal(2), lead_time_days=1, pack=1)
    await both.told()
    products = [item.product_id, unlisted]
    order = await both.stock.draft_purchase_order(
        new_reference("po"),
        [OrderLine(product, qty=1, unit_cost=Decimal(3)) for product in products],
        supplier_id=supplier,
        warehouse_id=item.warehouse_id,
        requested_by="ann",
        reason="wanted",
    )
    came = [DeliveryLine(product, quantity=1) for product in products]
    received = await order.receive("1", came, performed_by="bob")
    assert received.status == "RECEIVED"
    both.north.shop.supply(unlisted, supplier, unit_cost=Decimal(5), lead_time_days=1, pack=1)
    await both.told()
    found = [
        [one.count(LAST_COST, product=product, supplier=supplier) for product in products]
        for one in (both.south, both.north)
    ]
    assert found == [[3, 0], [0, 0]]
    agreed = "SELECT unit_cost FROM product_suppliers WHERE (product_id, supplier_id) = (:product, :supplier)"
    assert [both.south.count(agreed, product=each, supplier=supplier) for each in products] == [2, 5]


async def test_the_doctor_sees_whether_directory_replication_and_setting_fit(both: Both) -> None:
    await both.warehouse(both.south)
    queues = [both.north.queue, both.south.queue]
    told: list[Check] = []
    for one in (both.north, both.south):
        with one.database.engine.connect() as connection:
            told += judged_several(read_several(connection), one.queue, queues)
    assert [(each.ok, each.detail) for each in told] == [
        (True, f"{both.north.queue} of {', '.join(queues)}, which keeps the catalogue"),
        (True, f"{both.south.queue} of {', '.join(queues)}, which follows that of {both.north.queue}"),
    ]


async def test_what_concerns_one_database_asks_for_it(both: Both, tmp_path: Path) -> None:
    file = tmp_path / "stock.csv"
    file.write_text("sku,warehouse,quantity\nTEA,Hamburg,1\n")
    for asked in (
        both.stock.import_file("stock", file, performed_by="ann"),
        both.stock.plan_accuracies(),
        both.stock.decide(1, "accept", performed_by="ann", reason="looked"),
        both.stock.run_plan(),
    ):
        with pytest.raises(InvalidRequest, match="needs a warehouse, or one of the databases by itself"):
            await asked
    assert await both.stock.at(both.south.queue).plan_accuracies() == []
    assert [each async for each in both.stock.findings()] == []


async def test_the_inbox_has_what_waits_in_each(both: Both) -> None:
    waiting = {}
    for home in (both.north, both.south):
        item = await both.item(home, 1)
        count = await both.stock.open_count(
            new_reference("count"), [item.product_id], warehouse_id=item.warehouse_id, requested_by="ann"
        )
        await count.record(item.product_id, 900, performed_by="bob")
        waiting[count.name] = home
    assert waiting.keys() <= {each.number for each in await both.stock.inbox()}


async def test_each_database_guards_its_tables_against_warehouses_and_catalogues_of_others(both: Both) -> None:
    south, north = await both.item(both.south, 1), await both.item(both.north, 1)
    for one, item, keeper in ((both.north, south, both.south), (both.south, north, both.north)):
        with pytest.raises(DBAPIError) as caught, one.database.engine.begin() as connection:
            connection.execute(insert(inventory_items).values(item._asdict()))
        refusal = refusal_of(caught.value)
        assert isinstance(refusal, WarehouseElsewhere)
        assert refusal.details == {"warehouse_id": item.warehouse_id, "task_queue": keeper.queue}
    with pytest.raises(DBAPIError) as changed, both.south.engine.begin() as connection:
        connection.execute(text("UPDATE products SET name = 'mine'"))
    refusal = refusal_of(changed.value)
    assert isinstance(refusal, InvalidRequest)
    assert both.north.queue in refusal.message
    for statement, message in (
        (f"UPDATE warehouse_homes SET task_queue = 'x' WHERE warehouse_id = {south.warehouse_id}", "stays in its"),
        (f"DELETE FROM warehouse_homes WHERE warehouse_id = {south.warehouse_id}", "stays in its"),
        (f"INSERT INTO warehouse_homes VALUES ({north.warehouse_id}, 'x')", "has stock or documents here already"),
    ):
        with pytest.raises(DBAPIError, match=message), both.north.engine.begin() as connection:
            connection.execute(text(statement))


WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def test_who_stocks_a_warehouse_and_who_gives_it_a_home_wait_for_each_other_and_the_later_one_is_refused(
    both: Both,
) -> None:
    product = both.north.shop.product()
    stocked, homed = both.north.shop.warehouse(), both.north.shop.warehouse()

    def stock(connection: SqlConnection, warehouse: int) -> None:
        connection.execute(insert(inventory_items).values(warehouse_id=warehouse, product_id=product))

    def home(connection: SqlConnection, warehouse: int) -> None:
        connection.execute(insert(warehouse_homes).values(warehouse_id=warehouse, task_queue=both.south.queue))

    async def one_after_another(
        first: Callable[[SqlConnection, int], None], second: Callable[[SqlConnection, int], None], warehouse: int
    ) -> DBAPIError:
        def later() -> None:
            with both.north.engine.begin() as connection:
                second(connection, warehouse)

        async def waiting() -> int:
            return await asyncio.to_thread(both.north.count, WAITS)

        with both.north.engine.begin() as connection:
            first(connection, warehouse)
            other = asyncio.create_task(asyncio.to_thread(later))
            await eventually(waiting, bool)
        with pytest.raises(DBAPIError) as caught:
            await other
        return caught.value

    too_late = refusal_of(await one_after_another(home, stock, homed))
    assert isinstance(too_late, WarehouseElsewhere)
    assert too_late.details == {"warehouse_id": homed, "task_queue": both.south.queue}
    assert "has stock or documents here already" in str(await one_after_another(stock, home, stocked))


def settings_of(both: Both) -> dict[str, str]:
    """The settings by which programs know of both databases, as the owners of their tables."""
    urls = {one.queue: one.server.url for one in (both.north, both.south)}
    return {
        "STOCKKEEPER_DATABASES": ",".join(urls),
        "STOCKKEEPER_DATABASE_URLS": " ".join(f"{queue}={url}" for queue, url in urls.items()),
    }


async def by_command(both: Both, *arguments: str, **settings: str) -> Result:
    """What a command says, with these settings in place of others."""
    environ = settings_of(both) | settings
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env=environ)


async def test_setting_up_may_be_repeated_and_refuses_databases_that_are_others(both: Both) -> None:
    north, south = both.north.queue, both.south.queue
    revision = newest_revision()
    again = await by_command(both, "setup", "--only", "database")
    assert (again.exit_code, again.stdout) == (
        0,
        (
            f"database {north}: at revision {revision}, keeps the catalogue\n"
            f"database {south}: at revision {revision}, follows the catalogue of {north}\n"
        ),
    )
    swapped = await by_command(both, "setup", "--only", "database", STOCKKEEPER_DATABASES=f"{south},{north}")
    assert swapped.exit_code == 1
    assert f"the database given for task queue {south}, whose catalogue is to be that of {south}, is the one of" in (
        swapped.stderr
    )
    missing = await by_command(both, "setup", "--only", "database", STOCKKEEPER_DATABASES=f"{north},{south},east")
    assert (missing.exit_code, "STOCKKEEPER_DATABASE_URLS hasn't got east" in missing.stderr) == (1, True)


async def test_a_new_warehouse_is_given_to_a_database_by_a_command(both: Both) -> None:
    warehouse, product = both.north.shop.warehouse(), both.north.shop.product()
    kept = await by_command(both, "warehouse", "keep", str(warehouse), "--in", both.south.queue)
    assert (kept.exit_code, kept.stdout) == (0, f"{warehouse} is kept by {both.south.queue}\n")
    item = await both.item(both.south, 1, product=product, warehouse=warehouse)
    await both.stock.reserve(new_reference(), lines(item), performed_by="shop")
    assert reserved(both.south, item) == 1
    again = await by_command(both, "warehouse", "keep", str(warehouse), "--in", both.south.queue)
    assert (again.exit_code, "can't be kept by" in again.stderr) == (1, True)
    nowhere = await by_command(both, "warehouse", "keep", str(warehouse), "--in", "east")
    assert (nowhere.exit_code, "there is no database east" in nowhere.stderr) == (1, True)


async def test_the_doctor_looks_at_every_database_as_a_worker_does(both: Both) -> None:
    await both.item(both.south, 1)
    queues = [both.north.queue, both.south.queue]
    urls = {one.queue: one.server.url for one in (both.north, both.south)}
    checks = await several_checks(urls, "stockkeeper_worker", queues, is_ours=True)
    assert [(each.name, each.ok) for each in checks] == [
        *((f"database_{queue}", True) for queue in queues),
        ("database_names", True),
        ("key_ranges", True),
        ("warehouse_homes", True),
    ], checks
    away = make_url(both.south.server.url).set(port=free_port()).render_as_string(hide_password=False)
    found = await several_checks(urls | {both.south.queue: away}, "stockkeeper_worker", queues, is_ours=True)
    [wrong] = [each for each in found if not each.ok]
    assert wrong.name == f"database_{both.south.queue}"
    assert wrong.detail.startswith("no PostgreSQL answers at ")
    assert "STOCKKEEPER_DATABASE_URLS" in wrong.advice
    as_owner = {each.name: each for each in await several_checks(urls, None, queues)}
    assert (as_owner[f"database_{both.north.queue}"].ok, as_owner["key_ranges"].ok) == (False, True)
    [unset] = await several_checks({}, None, queues)
    assert (unset.name, unset.ok, bool(unset.advice)) == ("database_urls", True, True)
    assert await several_checks({}, None, []) == []


async def test_the_look_after_a_restore_compares_each_database_with_its_own_runs(both: Both) -> None:
    since = datetime.now(UTC)
    north, south = await both.item(both.north, 5), await both.item(both.south, 5)
    orders = [new_reference() for _ in range(2)]
    for order, item in zip(orders, (north, south), strict=True):
        await both.stock.reserve(order, lines(item), performed_by="shop")
    urls = {one.queue: one.server.url for one in (both.north, both.south)}
    forget = "DELETE FROM operations WHERE workflow_id = :workflow RETURNING to_jsonb(operations)"
    with both.south.engine.begin() as connection:
        lost = connection.execute(text(forget), {"workflow": f"reservation-{orders[1]}"}).scalars().all()

    async def gaps() -> dict[str, list[tuple[str, str]]]:
        report = await after_restore_of_several(both.stock.connection, urls, None, since)
        return {
            queue: [(gap["kind"], gap["workflow_id"]) for gap in each["gaps"]]
            for queue, each in report["databases"].items()
        }

    assert await gaps() == {both.north.queue: [], both.south.queue: [("STEP_LOST", f"reservation-{orders[1]}")]}
    with both.south.engine.begin() as connection:
        back = "INSERT INTO operations SELECT (jsonb_populate_record(NULL::operations, cast(:row AS jsonb))).*"
        for row in lost:
            connection.execute(text(back), {"row": json.dumps(row)})
    assert await gaps() == {both.north.queue: [], both.south.queue: []}


async def test_other_teams_reach_every_warehouse_by_one_endpoint(both: Both, our_client: Client) -> None:
    north, south = await both.item(both.north, 5), await both.item(both.south, 5)
    endpoint, theirs = new_reference("endpoint"), new_reference("queue")
    await make_endpoint(our_client, endpoint, both.north.queue)

    def order(*items: ItemKey) -> dict[str, object]:
        of = [{"product_id": item.product_id, "warehouse_id": item.warehouse_id, "quantity": 2} for item in items]
        return {"reference_id": new_reference(), "lines": of, "performed_by": "shop"}

    async def ask(*asked: tuple[str, object]) -> list[dict[str, Any]]:
        run = Asks.run
        return await our_client.execute_workflow(
            run, args=[endpoint, [*asked], None], id=new_reference("asks"), task_queue=theirs
        )

    one, other, over_both = order(north), order(south), order(north, south)
    async with (
        both.worked_by(our_client, nexus_endpoint=endpoint),
        Worker(our_client, task_queue=theirs, workflows=[Asks], workflow_runner=WORKFLOW_RUNNER),
    ):
        held = await ask(("reserve", one), ("reserve", other), ("reserve", over_both))
        assert [each["answer"]["status"] for each in held] == ["ACTIVE"] * 3
        shipped = await ask(
            *(("fulfil", {"reference_id": each["reference_id"], "performed_by": "shop"}) for each in (other, over_both))
        )
        assert [each["answer"]["status"] for each in shipped] == ["FULFILLED"] * 2
        places = [north.warehouse_id, south.warehouse_id]
        told, refused = await ask(("levels", {"warehouse_ids": places}), ("hold", order(north, south)))
    assert refused["refused"][-1]["type"] == "InvalidRequest"
    levels = {each["warehouse_id"]: each for each in told["answer"]["levels"]}
    assert [(levels[place]["quantity_on_hand"], levels[place]["quantity_reserved"]) for place in places] == [
        (3, 2),
        (1, 0),
    ]


async def test_while_one_database_is_dead_the_other_sells_and_nothing_is_lost(both: Both) -> None:
    north, south = await both.item(both.north, 30), await both.item(both.south, 30)
    hasty, patient = both.caller(answer_within=timedelta(seconds=2)), both.caller()
    begun = [new_reference() for _ in range(10)]
    await patient.reserve(begun[0], lines(south, units=2), performed_by="shop")
    under_way = [
        asyncio.create_task(hasty.reserve(each, lines(south, units=2), performed_by="shop")) for each in begun[1:]
    ]
    both.south.kill()

    async def everything() -> None:
        with pytest.raises(Unreachable, match=f"the database of task queue {both.south.queue}"):
            _ = [each async for each in patient.levels()]

    async def one_more() -> None:
        with pytest.raises(Unreachable):
            await hasty.reserve(new_reference(), lines(south), performed_by="shop")

    async def elsewhere() -> None:
        for _ in range(3):
            await patient.reserve(new_reference(), lines(north), performed_by="shop")
        levels = [each async for each in patient.levels(warehouse=north.warehouse_id)]
        assert [each.quantity_reserved for each in levels] == [3]

    await asyncio.gather(everything(), one_more(), elsewhere())
    lost = await asyncio.gather(*under_way, return_exceptions=True)
    assert {type(each) for each in lost if isinstance(each, BaseException)} <= {Unreachable}
    await asyncio.to_thread(both.south.come_back)
    await at_once(*(patient.reserve(each, lines(south, units=2), performed_by="shop") for each in begun))
    assert reserved(both.south, south) == 20
    with pytest.raises(InsufficientStock):
        await patient.reserve(new_reference(), lines(south, units=11), performed_by="shop")
    for one in (both.north, both.south):
        audited = await both.stock.at(one.queue).run_audit()
        assert (audited.findings, audited.notes) == ([], [])
        assert audited.runs_checked > 0
    await both.told()


async def test_each_database_has_schedules_and_reorder_runs_of_its_own(both: Both) -> None:
    names = list(SCHEDULES)
    added = await set_up_schedules(both.stock.connection)
    try:
        assert [each for each in added if both.south.queue in each] == [f"{name}-{both.south.queue}" for name in names]
        shown = await schedules(both.stock.connection)
        assert [(each.schedule_id, each.task_queue) for each in shown] == [
            *((name, both.north.queue) for name in names),
            *((f"{name}-{both.south.queue}", both.south.queue) for name in names),
        ]
    finally:
        for each in shown:
            await both.client.get_schedule_handle(each.schedule_id).delete()
    product, supplier = both.north.shop.product(), both.north.shop.supplier()
    both.north.shop.supply(product, supplier, unit_cost=Decimal(1), lead_time_days=1, pack=1)
    for home, prefix in ((both.north, "RO-"), (both.south, f"RO-{both.south.queue}-")):
        item = await both.item(home, 2, product=product)
        home.shop.set_point(item, 5, 10)
        await both.stock.run_reorder(warehouse_id=item.warehouse_id)
        [order] = await both.stock.purchase_orders(warehouse=item.warehouse_id)
        assert order.number.removeprefix(prefix).isdecimal()
        assert (await both.stock.purchase_order(order.number)).state.warehouse_id == item.warehouse_id
