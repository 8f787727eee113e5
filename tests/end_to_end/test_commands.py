"""`stockkeeper reserve` and `stockkeeper stock`: SKUs and names where the wire has ids, and one line on an error."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from tests.support.books import level, nothing_changes
from tests.support.commands import Command, names
from tests.support.lots import bring_lots, lot_books, track
from tests.support.shop import Shop, new_reference
from tests.support.wire import eventually


async def test_an_order_is_held_shown_extended_shipped_and_listed(command: Command, shop: Shop, engine: Engine) -> None:
    item, order = shop.item(10), new_reference()
    sku, place = names(engine, item)
    held = await command("reserve", "start", order, "--line", f"{sku}@{place}=4", "--performed-by", "ada")
    assert held.exit_code == 0
    assert f"order {order}: ACTIVE until " in held.stdout
    assert f"{sku}" in held.stdout
    assert level(engine, item) == (10, 4)

    extended = await command("reserve", "extend", order, "--ttl-minutes", "90")
    assert (extended.exit_code, f"order {order}: ACTIVE until " in extended.stdout) == (0, True)

    other = order.upper()
    part_of_it = ("release", "--line", f"{sku}=1", "--reason", "slip")
    for typed in (("show",), ("extend", "--ttl-minutes", "90"), ("fulfill",), part_of_it):
        refused = await command("reserve", typed[0], other, *typed[1:])
        told = f"NotFound: reservation {other} doesn't exist; did you mean {order}?\n"
        assert (refused.exit_code, refused.stderr) == (1, told)
    assert level(engine, item) == (10, 4)

    for _ in range(2):
        part = await command("reserve", "fulfill", order, "--line", f"{sku}=1", "--fulfillment-id", "parcel", "--json")
        assert (part.exit_code, json.loads(part.stdout)["lines"][0]["quantity_fulfilled"]) == (0, 1)
    shipped = await command("reserve", "fulfill", order)
    # Nothing is held any more, so no deadline is shown.
    assert (shipped.exit_code, shipped.stdout.splitlines()[0]) == (0, f"order {order}: ACTIVE → FULFILLED")
    assert level(engine, item) == (6, 0)

    shown = await command("reserve", "show", order, "--json")
    assert json.loads(shown.stdout)["status"] == "FULFILLED"

    async def listed() -> list[tuple[str, str]]:
        result = await command("reserve", "list", "--status", "FULFILLED", "--sku", sku, "--json")
        return [(row["reference_id"], row["status"]) for row in json.loads(result.stdout)]

    assert await eventually(listed, bool) == [(order, "FULFILLED")]


async def test_a_part_of_a_hold_is_given_up_and_the_rest_is_shipped(
    command: Command, shop: Shop, engine: Engine
) -> None:
    item, order = shop.item(10), new_reference()
    sku, place = names(engine, item)
    await command("reserve", "start", order, "--line", f"{sku}@{place}=4")
    less = ("reserve", "release", order, "--line", f"{sku}=1", "--release-id", "less-1", "--reason", "one less")
    lowered = await command(*less)
    assert lowered.exit_code == 0
    assert f"order {order}: ACTIVE until " in lowered.stdout
    assert "0 → 1" in lowered.stdout
    assert level(engine, item) == (10, 3)
    with nothing_changes(engine, item):
        again = json.loads((await command(*less, "--json")).stdout)
        assert [(each["quantity"], each["quantity_released"]) for each in again["lines"]] == [(4, 1)]
        more = await command("reserve", "release", order, "--line", f"{sku}=4", "--reason", "all")
        assert (more.exit_code, more.stderr) == (
            1,
            f"InvalidRequest: {sku}: 4 to be released, but only 3 still held\n",
        )
    shipped = json.loads((await command("reserve", "fulfill", order, "--json")).stdout)
    assert (shipped["status"], shipped["lines"][0]["quantity_fulfilled"]) == ("FULFILLED", 3)
    assert level(engine, item) == (7, 0)


async def test_ids_are_taken_where_names_are(command: Command, shop: Shop, engine: Engine) -> None:
    item, order = shop.item(10), new_reference()
    held = await command("reserve", "start", order, "--line", f"id:{item.product_id}@{item.warehouse_id}=4")
    assert (held.exit_code, level(engine, item)) == (0, (10, 4))
    cancelled = await command("reserve", "cancel", order, "--reason", "no", "--json")
    assert (json.loads(cancelled.stdout)["status"], level(engine, item)) == ("CANCELLED", (10, 0))


async def test_an_error_is_one_line_and_exit_status_one(command: Command, shop: Shop, engine: Engine) -> None:
    item = shop.item(3)
    sku, place = names(engine, item)
    refusals = {
        ("start", "--line", f"{sku}@{place}=4"): (f"InsufficientStock: {sku} in {place}: requested 4, available 3"),
        ("start", "--line", f"nothing@{place}=1"): "UnknownProduct: no product is called 'nothing'",
        ("start", "--line", f"{sku}@nowhere=1"): "UnknownWarehouse: no warehouse is called 'nowhere'",
        ("start", "--line", f"{sku}=4"): f"InsufficientStock: {sku} in all warehouses: requested 4, available 3",
        ("start", "--line", f"{sku}@=1"): (
            f"InvalidRequest: --line '{sku}@=1': must be SKU@WAREHOUSE=UNITS or SKU=UNITS, such as TEA-100@Main=2"
        ),
        ("start", "--line", f"{sku}@{place}=0"): "InvalidRequest: lines.0.quantity: Input should be greater than 0",
        ("show",): "NotFound: reservation ORDER doesn't exist",
    }
    with nothing_changes(engine, item):
        for (verb, *options), message in refusals.items():
            order = new_reference()
            result = await command("reserve", verb, order, *options)
            assert (result.exit_code, result.stdout, result.stderr) == (1, "", message.replace("ORDER", order) + "\n")


async def test_levels_are_shown_by_product_and_by_warehouse(command: Command, shop: Shop, engine: Engine) -> None:
    first, second = shop.items(2, 7)
    (sku, place), (other, _) = names(engine, first), names(engine, second)
    await command("reserve", "start", new_reference(), "--line", f"{sku}@{place}=2")
    of_product = json.loads((await command("stock", "show", sku, "--json")).stdout)
    assert of_product == [
        {
            "product_id": first.product_id,
            "sku": sku,
            "name": of_product[0]["name"],
            "warehouse_id": first.warehouse_id,
            "warehouse": place,
            "quantity_on_hand": 7,
            "quantity_reserved": 2,
            "quantity_buffer": 0,
            "quantity_unavailable": 0,
            "quantity_available": 5,
            "reorder_point": None,
            "warehouse_priority": 100,
        }
    ]
    of_warehouse = json.loads((await command("stock", "show", "--warehouse", place, "--json")).stdout)
    assert [(each["sku"], each["quantity_available"]) for each in of_warehouse] == sorted([(sku, 5), (other, 7)])
    for_people = (await command("stock", "show", sku)).stdout
    assert [word for word in for_people.split() if word.isdecimal()][-3:] == ["7", "2", "5"]


async def test_levels_come_page_by_page(
    command: Command, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.stock.LEVELS_AT_ONCE", 2)
    items = shop.items(5, 1)
    _, place = names(engine, items[0])
    rows = json.loads((await command("stock", "show", "--warehouse", place, "--json")).stdout)
    assert [row["sku"] for row in rows] == sorted(names(engine, item)[0] for item in items)


async def test_lots_are_shown_asked_for_by_their_days_and_picked(command: Command, shop: Shop, engine: Engine) -> None:
    item, order = shop.item(0), new_reference()
    track(engine, item.product_id)
    day = datetime.now(UTC).date() + timedelta(days=9)
    bring_lots(engine, item, ("SOON", day, 2), ("LATER", None, 4))
    sku, place = names(engine, item)
    wanted = ("reserve", "start", order, "--line", f"{sku}@{place}=3", "--performed-by", "ada")
    held = await command(*wanted, "--minimum-days-left", "3")
    assert held.exit_code == 0
    assert " ".join(held.stdout.split()).count(f"2 of SOON ({day}), 1 of LATER") == 1
    again = ("reserve", "start", new_reference(), "--line", f"{sku}@{place}=4", "--minimum-days-left", "10")
    refused = await command(*again)
    short = f"InsufficientStock: {sku} in {place}: requested 4, available 3"
    assert (refused.exit_code, refused.stderr.splitlines()[0]) == (1, short)
    picked = ("reserve", "fulfill", order, "--performed-by", "ada", "--json")
    shipped = await command(*picked, "--line", f"{sku}=2#LATER", "--line", f"{sku}=1#SOON")
    lots = json.loads(shipped.stdout)["lines"][0]["lots"]
    assert [(lot["lot_number"], lot["quantity"]) for lot in lots] == [("SOON", 1), ("LATER", 2)]
    assert lot_books(engine, item) == {"LATER": (2, 0, 0), "SOON": (1, 0, 0)}
