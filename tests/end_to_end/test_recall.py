"""A recall, from the block of a lot to its report or its release: by the wire, by commands, and in two databases."""

import json
from datetime import date

import pytest
from sqlalchemy import Engine

from stockkeeper import InvalidState, Line, NotPermitted
from tests.support.commands import Command, names, words
from tests.support.lots import bring_lots, lot_books, lot_item, track
from tests.support.recall import Recalling
from tests.support.reservation import Orders, request
from tests.support.several_databases import Both
from tests.support.shop import Shop, new_reference
from tests.support.steps.recall import lot_row
from tests.support.wire import eventually, refusal

LAST_DAY = date(2150, 3, 31)


async def test_a_lot_is_stopped_its_order_told_and_its_units_counted(
    recalling: Recalling, orders: Orders, shop: Shop, engine: Engine
) -> None:
    item, number = lot_item(shop, ("BAD", LAST_DAY, 9)), new_reference("rc")
    shipped, held = new_reference(), new_reference()
    await orders.reserve(shipped, (item, 4))
    await orders.fulfill(shipped)
    await orders.reserve(held, (item, 2))
    state = await recalling.block(number, item, "BAD")
    assert [(each["quantity_on_hand"], each["quantity_held"]) for each in state["stopped"]] == [(5, 2)]
    assert [each["reference_id"] for each in state["gave_way"]] == [held]
    assert (await orders.result(held))["status"] == "CANCELLED"
    told = await eventually(lambda: recalling.state(number), lambda state: state["looked_at"] is not None)
    assert (told["orders"], told["orders_total"]) == ([{"reference_id": shipped, "quantity": 4}], 1)
    assert (await refusal(recalling.block(new_reference("rc"), item, "BAD"))).type == "InvalidState"
    closed = await recalling.close(number)
    figures = {name: units for name, units in closed["figures"].items() if units}
    assert (closed["status"], figures) == ("CLOSED", {"found": 9, "sold": 4, "on_hand": 5, "orders": 1})
    assert (await recalling.result(number))["status"] == "CLOSED"
    assert lot_books(engine, item) == {"BAD": (5, 0, 0)}


async def test_an_order_that_waits_is_served_when_the_lot_is_released(
    recalling: Recalling, orders: Orders, shop: Shop
) -> None:
    item, number, waiting = lot_item(shop, ("BAD", LAST_DAY, 5)), new_reference("rc"), new_reference()
    await recalling.block(number, item, "BAD")
    await orders.start(waiting, [request(waiting, (item, 2), wait_minutes=60)])
    await eventually(lambda: orders.state(waiting), lambda state: state["status"] == "WAITING")
    assert (await refusal(recalling.release(number, "quinn"))).type == "NotPermitted"
    assert (await recalling.release(number))["status"] == "RELEASED"
    served = await eventually(lambda: orders.state(waiting), lambda state: state["status"] != "WAITING")
    assert (served["status"], served["lines"][0]["lots"][0]["lot_number"]) == ("ACTIVE", "BAD")


async def test_a_lot_by_the_command_line(command: Command, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("BAD", LAST_DAY, 5))
    sku, place = names(engine, item)
    lot = new_reference("LOT")
    bring_lots(engine, item, (lot, LAST_DAY, 3))
    blocked = await command("lot", "block", lot, "--reason", "glass", "--performed-by", "quinn")
    assert blocked.exit_code == 0, blocked.stderr
    assert f"recall {sku}-{lot}: BLOCKED, lot {lot} of {sku}" in words(blocked.stdout)
    again = json.loads(
        (await command("lot", "block", sku, lot, "--reason", "glass", "--performed-by", "quinn", "--json")).stdout
    )
    assert (again["recall"]["recall_number"], [each["status"] for each in again["lots"]]) == (
        f"{sku}-{lot}",
        ["BLOCKED"],
    )
    assert [again["lots"][0][name] for name in ("lot_number", "sku", "warehouse", "quantity_on_hand")] == [
        *(lot, sku, place, 3)
    ]
    own = await command("lot", "release", sku, lot, "--reason", "ours", "--performed-by", "Quinn")
    assert (own.exit_code, "another person has to approve it" in own.stderr) == (1, True)
    freed = json.loads(
        (await command("lot", "release", lot, "--reason", "ours", "--performed-by", "ann", "--json")).stdout
    )
    assert (freed["recall"]["status"], [each["status"] for each in freed["lots"]]) == ("RELEASED", ["AVAILABLE"])
    second = json.loads((await command("lot", "block", lot, "--reason", "glass", "--json")).stdout)
    assert second["recall"]["recall_number"] == f"{sku}-{lot}-2"
    listed = json.loads((await command("recall", "list", "--sku", sku, "--json")).stdout)
    assert [(each["recall_number"], each["status"]) for each in listed] == [
        (f"{sku}-{lot}-2", "BLOCKED"),
        (f"{sku}-{lot}", "RELEASED"),
    ]
    closed = words((await command("recall", "close", f"{sku}-{lot}-2", "--reason", "gone")).stdout)
    assert "BLOCKED → CLOSED" in closed
    unknown = await command("lot", "block", "no-such-lot", "--reason", "glass")
    assert (unknown.exit_code, "there is no lot no-such-lot" in unknown.stderr) == (1, True)


async def test_a_lot_is_traced_by_the_command_line(
    command: Command, orders: Orders, shop: Shop, engine: Engine
) -> None:
    lot, order = new_reference("LOT"), new_reference()
    item = lot_item(shop, (lot, LAST_DAY, 5))
    sku, place = names(engine, item)
    await orders.reserve(order, (item, 2))
    await orders.fulfill(order)
    traced = json.loads((await command("lot", "trace", lot, "--json")).stdout)
    assert [(each["warehouse"], each["sku"], each["quantity_on_hand"]) for each in traced["lots"]] == [(place, sku, 3)]
    assert [each["quantity"] for each in traced["backwards"]] == [5]
    assert [(each["reference_id"], each["quantity"], each["warehouse"]) for each in traced["forwards"]] == [
        (order, -2, place)
    ]
    shown = words((await command("lot", "trace", sku, lot)).stdout)
    assert f"lot {lot} of {sku}" in shown
    assert f"order {order}" in shown
    assert "3 units on hand, the sum of 2 movements" in shown


async def test_a_lot_is_blocked_and_released_in_both_databases(both: Both) -> None:
    product = both.north.shop.product()
    track(both.north.engine, product)
    home = await both.item(both.north, 0, product=product)
    away = await both.item(both.south, 0, product=product)
    bring_lots(both.south.engine, away, ("BAD", LAST_DAY, 7))
    order = new_reference()
    await both.stock.reserve(order, [Line(product, away.warehouse_id, quantity=2)], performed_by="shop")
    recall = await both.stock.block_lot(product, "BAD", reason="glass", performed_by="quinn")
    assert recall.state.databases == [both.south.queue]
    assert [(each.warehouse_id, each.quantity_held) for each in recall.state.stopped] == [(away.warehouse_id, 2)]
    assert [each.reference_id for each in recall.state.gave_way] == [order]
    for one in (both.north, both.south):
        assert lot_row(one.engine, home, "BAD") == ("BLOCKED", "glass", "quinn", recall.name)
    told = await eventually(recall.refresh, lambda state: state.figures is not None)
    assert told.figures is not None
    assert (told.figures.found, told.figures.on_hand, told.figures.difference) == (7, 7, 0)
    with pytest.raises(NotPermitted):
        await recall.release(performed_by="quinn", reason="ours")
    with pytest.raises(InvalidState):
        await both.stock.block_lot(product, "BAD", reason="again", performed_by="quinn", recall_number="another")
    assert (await recall.release(performed_by="ann", reason="ours")).status == "RELEASED"
    for one in (both.north, both.south):
        assert lot_row(one.engine, home, "BAD")[0] == "AVAILABLE"
