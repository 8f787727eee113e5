"""`stockkeeper promise`, and the day that an order which waits names."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Engine
from temporalio.client import Client

from devstack.stack import StackInfo
from stockkeeper import Connection, Line, OrderLine, Stockkeeper
from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_changes
from tests.support.commands import Command, names, words
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference


async def test_a_day_is_promised_and_an_order_that_waits_names_it(
    command: Command,
    our_client: Client,
    plain_client: Client,
    stack: StackInfo,
    shop: Shop,
    item: ItemKey,
    orders: Orders,
    engine: Engine,
) -> None:
    stock = Stockkeeper(Connection(our_client, stack.task_queue))
    (sku, place), supplier, number = names(engine, item), shop.supplier(), new_reference("po")
    day = datetime.now(UTC).date() + timedelta(days=20)
    lines = [OrderLine(sku, qty=6, unit_cost=Decimal(1))]
    bought = await stock.draft_purchase_order(
        number, lines, supplier_id=supplier, warehouse_id=place, requested_by="rita", reason="more is wanted"
    )
    wanted = [Line(sku, place, quantity=5), Line(item.product_id, quantity=5)]
    with nothing_changes(engine, item):
        promised = await stock.promise(wanted)
        assert (promised.available_on, [each.reason for each in promised.not_counted]) == (None, ["NO_DAY"])
        told = words((await command("promise", f"{sku}=5", "--warehouse", place)).stdout)
        assert told == (
            "not foreseeable at 95 % confidence: not enough is on its way product warehouse units there by counts on "
            f"{sku} {place} 5 not foreseeable 1 unit of {sku} missing now: nobody supplies it"
        )
    await bought.confirm(performed_by="sam", expected_delivery_date=day)
    shop.supply(item.product_id, supplier, unit_cost=Decimal(1), lead_time_days=3, pack=1)

    promised = await stock.promise(wanted, confidence=0.9)
    assert [(each.available_on, each.warehouse, each.missing) for each in promised.lines] == [
        (day, place, 1),
        (day, place, 5),
    ]
    done = await command("promise", f"{sku}@{place}=5", f"{sku}=5", "--confidence", "0.9", "--json")
    answered = json.loads(done.stdout)
    assert (done.exit_code, answered["available_on"], answered["confidence"]) == (0, str(day), 0.9)
    in_stock = {"source": "STOCK", "number": None, "quantity": 4, "available_on": _today(answered), "basis": None}
    on_order = {
        "source": "PURCHASE_ORDER",
        "number": number,
        "quantity": 1,
        "available_on": str(day),
        "basis": "CONFIRMED",
    }
    assert [each["from"] for each in answered["lines"]] == [[in_stock, on_order], [on_order | {"quantity": 5}]]
    answer = await plain_client.execute_activity(
        "promise",
        {"lines": [{"product": sku, "warehouse": None, "quantity": 5}], "confidence": 0.9},
        id=new_reference("asked"),
        task_queue=stack.task_queue,
        schedule_to_close_timeout=timedelta(seconds=15),
    )
    assert answer["lines"] == [answered["lines"][0]]
    told = (await command("promise", f"{sku}=10")).stdout
    assert told.startswith(f"there by {day} at 95 % confidence\n")
    assert f"4 in stock; 6 with {number}, {day} (confirmed)" in words(told)
    assert f"6 units of {sku} missing now: ordered today from {promised.lines[0].supplier}, there by " in told

    reference = new_reference()
    placed = await command("reserve", "start", reference, "--line", f"{sku}@{place}=9", "--wait-minutes", "60")
    expected = f"its turn is expected by {day}, with {number}, after the end of its wait"
    assert expected in placed.stdout
    assert expected in (await command("reserve", "show", reference)).stdout
    details = (await orders.metadata(reference)).current_details
    assert f". Its turn is expected by {day}, with {number}, after the end of its wait. Next: it is held " in details
    state = (await stock.hold(reference)).state
    assert (state.available_on, state.counts_on) == (day, [number])
    await stock.cancel(reference, performed_by="shop", reason="enough seen")
    refused = await command("promise", f"{sku}=1", "--confidence", "1")
    assert (refused.exit_code, refused.stderr) == (
        1,
        "InvalidRequest: confidence: Input should be less than or equal to 0.999\n",
    )


def _today(answered: dict[str, object]) -> str:
    """The day of the answer, which may be over by now."""
    lines = answered["lines"]
    assert isinstance(lines, list)
    today = str(lines[0]["from"][0]["available_on"])
    assert datetime.now(UTC).date() - date.fromisoformat(today) in (timedelta(), timedelta(days=1))
    return today
