"""A supplier's terms on the command line: review days, price breaks, and the files that have them."""

import csv
import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from stockkeeper.domain.review_days import WEEKDAYS
from tests.support.books import nothing_is_stored
from tests.support.commands import Command, names
from tests.support.order_terms_rows import set_breaks, take_orders
from tests.support.purchase_order_rows import supplier_name
from tests.support.replenishment_rows import nothing_else_to_order, set_point, supply
from tests.support.shop import Shop, new_reference


async def test_the_terms_of_a_supplier_are_said_and_kept(command: Command, shop: Shop, engine: Engine) -> None:
    item, supplier = shop.item(4), shop.supplier()
    (sku, place), name = names(engine, item), supplier_name(engine, supplier)
    supply(engine, item, supplier, unit_cost="3.10")
    set_breaks(engine, item, supplier, (100, "2.90"))
    # Five days from now, so that midnight may come meanwhile.
    order_on = datetime.now(UTC).date() + timedelta(days=5)
    days = WEEKDAYS[order_on.weekday()]
    take_orders(engine, supplier, review_days=days)
    with nothing_else_to_order(engine):
        set_point(engine, item, 10, 20)
        told = await command("reorder", "--warehouse", place)
        with nothing_is_stored(engine):
            state = json.loads((await command("reorder", "--warehouse", place, "--json")).stdout)
    assert told.stdout == "1 item below the reorder point, 0 of them covered; 0 purchase orders drafted\n"
    assert told.stderr.splitlines() == [
        f"waiting: 1 item from {name} to {place}, ordered on {order_on} (orders go out on {days})"
    ]
    assert (state["items_below"], state["items_waiting"], state["orders_drafted"]) == (1, 1, 0)
    assert state["waiting"] == [
        {
            "supplier_id": supplier,
            "supplier": name,
            "warehouse_id": item.warehouse_id,
            "warehouse": place,
            "items": 1,
            "review_days": days,
            "order_on": str(order_on),
        }
    ]

    made = await command(
        *("po", "create", new_reference("po"), "--supplier", name, "--warehouse", place),
        *("--line", f"{sku}=60", "--line", f"{sku}=40", "--reason", "a wedding", "--json"),
    )
    assert [(line["qty"], line["unit_cost"]) for line in json.loads(made.stdout)["line_items"]] == [
        (60, "2.90"),
        (40, "2.90"),
    ]

    suppliers, sold = [
        list(csv.DictReader((await command("stock", "export", file, "-")).stdout.splitlines()))
        for file in ("suppliers", "product-suppliers")
    ]
    assert [row["review_days"] for row in suppliers if row["name"] == name] == [days]
    assert [(row["sku"], row["price_breaks"]) for row in sold if row["supplier"] == name] == [(sku, "100:2.9")]
