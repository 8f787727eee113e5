"""`stockkeeper lot list` and `lot show`: lots as people and programs read them."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import Engine

from tests.support.commands import Command, names, words
from tests.support.lot_expiry import expire
from tests.support.lots import lot_books, lot_item
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference

LAST_DAY = date(2150, 3, 31)


async def test_lots_are_listed_and_shown_with_who_holds_them(command: Command, shop: Shop, engine: Engine) -> None:
    item, order = lot_item(shop, ("LATER", LAST_DAY, 5), ("OVER", date(2020, 1, 31), 2)), new_reference()
    sku, place = names(engine, item)
    held = await command("reserve", "start", order, "--line", f"{sku}@{place}=3", "--json")
    assert held.exit_code == 0
    listed = json.loads((await command("lot", "list", sku, "--json")).stdout)
    columns = ("lot_number", "sku", "warehouse", "expires_on", "status", "quantity_on_hand", "quantity_reserved")
    assert [[lot[column] for column in columns] for lot in listed] == [
        ["OVER", sku, place, "2020-01-31", "AVAILABLE", 2, 0],
        ["LATER", sku, place, "2150-03-31", "AVAILABLE", 5, 3],
    ]
    printed = words((await command("lot", "list", sku, "--expiring-before", "2020-02-01")).stdout)
    over = (datetime.now(UTC).date() - date(2020, 1, 31)).days
    assert f"OVER {sku} {place} 2020-01-31 over for {over} days 2 0 2, may not leave" in printed
    assert "LATER" not in printed
    expiring = ("lot", "expiring", "--warehouse", place)
    assert [[lot[column] for column in columns] for lot in json.loads((await command(*expiring, "--json")).stdout)] == [
        ["OVER", sku, place, "2020-01-31", "AVAILABLE", 2, 0]
    ]
    printed = words((await command(*expiring, "--within", "0")).stdout)
    assert f"{place} 2020-01-31 over for {over} days OVER {sku} Product {sku.split('-')[-1]} 2 0 0" in printed
    [shown] = json.loads((await command("lot", "show", "LATER", "--sku", sku, "--json")).stdout)
    assert (shown["lot_number"], shown["warehouse"], shown["quantity_reserved"]) == ("LATER", place, 3)
    assert [(hold["reference_type"], hold["reference_id"], hold["quantity"]) for hold in shown["held_by"]] == [
        ("ORDER", order, 3)
    ]
    people = words((await command("lot", "show", "LATER", "--sku", sku)).stdout)
    assert "expires on 2150-03-31" in people
    assert f"held by order {order} in {place}: 3 units, until" in people


async def test_what_is_read_of_the_past_has_lots(command: Command, shop: Shop, engine: Engine, tmp_path: Path) -> None:
    """And a file of stock is what an import takes: as no change, or as differences of each lot."""
    item = lot_item(shop, ("B", None, 5), ("A", LAST_DAY, 2))
    untracked = shop.item(4, warehouse=item.warehouse_id)
    (sku, place), (other, _) = names(engine, item), names(engine, untracked)
    file = (await command("stock", "export", "stock", "-", "--warehouse", place)).stdout.splitlines()
    lines = [f"{sku},{place},2,A,2150-03-31", f"{sku},{place},5,B,", f"{other},{place},4,,"]
    assert file == ["sku,warehouse,quantity,lot_number,expires_on", *sorted(lines)]
    path = tmp_path / "stock.csv"
    path.write_text("\n".join(file))
    imported = await command("import", "stock", str(path))
    assert (imported.exit_code, imported.stdout) == (0, "imported 3 stock items: 0 new, 0 updated, 3 unchanged\n")
    path.write_text("\n".join(file).replace(f"{sku},{place},5,B,", f"{sku},{place},4,B,"))
    changed = json.loads((await command("import", "stock", str(path), "--json")).stdout)
    [number] = [each["adjustment_number"] for each in changed["adjustments"]]
    adjusted = json.loads((await command("adjust", "show", number, "--json")).stdout)
    lines_of = [(line["lot_number"], line["quantity"]) for line in adjusted["lines"]]
    assert (adjusted["status"], lines_of, lot_books(engine, item)["B"]) == ("POSTED", [("B", -1)], (4, 0, 0))
    then = json.loads((await command("stock", "at", "now", sku, "--lots", "--json")).stdout)
    assert [(each["lot_number"], each["quantity_on_hand"], each.get("expires_on")) for each in then] == [
        ("A", 2, "2150-03-31"),
        ("B", 4, None),
    ]
    moved = json.loads((await command("stock", "history", sku, "--warehouse", place, "--json")).stdout)
    assert [(each["lot_number"], each["lot_balance_after"], each["balance_after"]) for each in moved] == [
        ("B", 4, 6),
        ("A", 2, 7),
        ("B", 5, 5),
    ]
    people = words((await command("stock", "history", sku, "--warehouse", place)).stdout)
    assert "on hand lot of lot of by why" in people


async def test_a_lot_that_there_is_not_is_an_error(command: Command, shop: Shop, engine: Engine) -> None:
    sku, _ = names(engine, lot_item(shop, ("LATER", LAST_DAY, 5)))
    wrong = await command("lot", "show", "later", "--sku", sku)
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert f"there is no lot later of {sku}: write it exactly as printed" in wrong.stderr


async def test_holds_on_an_expired_lot_get_another_one_or_give_way(
    command: Command, orders: Orders, shop: Shop, engine: Engine
) -> None:
    """By the run that the schedule starts every hour: here by hand."""
    item = lot_item(shop, ("OVER", LAST_DAY, 5), ("LATER", None, 2))
    first, second = new_reference(), new_reference()
    for order, units in ((first, 2), (second, 3)):
        await orders.reserve(order, (item, units))
    expire(engine, item, "OVER")
    place = names(engine, item)[1]
    done = words((await command("lot", "expire", "--warehouse", place)).stdout)
    assert done == (
        "1 lot expired and 0 lots near the last day since the last run; 5 held units given up "
        f"gave way: order {second}, 3 units"
    )
    told = await orders.result(second)
    assert (told["status"], told["lines"][0]["quantity_fulfilled"]) == ("CANCELLED", 0)
    assert lot_books(engine, item) == {"LATER": (2, 2, 0), "OVER": (5, 0, 0)}
    shown = json.loads((await command("reserve", "show", first, "--json")).stdout)
    assert [(lot["lot_number"], lot["quantity"]) for lot in shown["lines"][0]["lots"]] == [("LATER", 2)]
    again = json.loads((await command("lot", "expire", "--warehouse", place, "--json")).stdout)
    assert (again["status"], again["lots_expired"], again["units_given_up"], again["gave_way"]) == ("DONE", 0, 0, [])
