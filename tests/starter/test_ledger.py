"""A Python service asks the ledger: typed answers, page by page, and errors of ours."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from stockkeeper import InvalidRequest, Line, Stockkeeper, UnknownProduct, UnknownWarehouse
from stockkeeper.client.ledger import Exported
from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_changes
from tests.support.commands import names
from tests.support.past import Past
from tests.support.shop import Shop, new_reference

OPENED = datetime(2025, 6, 1, 8, tzinfo=UTC)


async def test_the_past_is_asked_for_page_by_page(
    stock: Stockkeeper, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.ledger.LEVELS_A_PAGE", 2)
    past, warehouse = Past(shop), shop.warehouse()
    items = [past.item(OPENED + timedelta(hours=hour), units=hour + 1, warehouse=warehouse) for hour in range(5)]
    skus = {item: names(engine, item)[0] for item in items}

    async def on_hand(as_of: datetime) -> list[tuple[str, int]]:
        found = stock.stock_at(as_of, warehouse=str(warehouse))
        return [(level.sku, level.quantity_on_hand) async for level in found]

    def opened(count: int) -> list[tuple[str, int]]:
        return sorted((skus[item], number + 1) for number, item in enumerate(items[:count]))

    assert await on_hand(OPENED - timedelta(microseconds=1)) == []
    assert await on_hand(OPENED + timedelta(hours=2)) == opened(3)
    assert await on_hand(datetime.now(UTC)) == opened(5)
    [one] = [level async for level in stock.stock_at(datetime.now(UTC), product=skus[items[3]])]
    assert (one.product_id, one.warehouse_id, one.quantity_on_hand, one.moved_at) == (
        items[3].product_id,
        warehouse,
        4,
        OPENED + timedelta(hours=3),
    )


async def test_what_was_seen_at_an_instant_stays_so(stock: Stockkeeper, shop: Shop) -> None:
    item = shop.item(10)

    async def at(as_of: datetime) -> list[int]:
        return [level.quantity_on_hand async for level in stock.stock_at(as_of, product=str(item.product_id))]

    instants, seen = [], []
    for units in (1, 2, 3):
        shop.move(item, -units)
        instants.append(datetime.now(UTC))
        seen.append(await at(instants[-1]))
    assert seen == [[9], [7], [4]]
    assert [await at(instant) for instant in instants] == seen


async def test_each_movement_is_known_with_its_run(
    stock: Stockkeeper, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.ledger.MOVEMENTS_AT_ONCE", 2)
    item, reference = shop.item(10), new_reference()
    line = Line(product_id=item.product_id, warehouse_id=item.warehouse_id, quantity=6)
    hold = await stock.reserve(reference, [line], performed_by="checkout")
    for part in (1, 2, 3):
        await hold.fulfill([_part(item, part)], performed_by="packing")
    run = await stock.client.get_workflow_handle(f"reservation-{reference}").describe()
    product, warehouse = str(item.product_id), str(item.warehouse_id)
    shipped = [each async for each in stock.history(product, warehouse, since=run.start_time)]
    assert [
        (each.movement_type, each.quantity, each.balance_after, each.reference_id, each.performed_by, each.run_id)
        for each in shipped
    ] == [("SALE", -units, left, reference, "packing", run.run_id) for units, left in ((3, 4), (2, 7), (1, 9))]
    assert {each.workflow_id for each in shipped} == {run.id}
    earlier = [each.quantity async for each in stock.history(product, warehouse, until=shipped[-1].created_at)]
    assert earlier == [10]


async def test_a_file_goes_on_after_pages_that_have_none_of_its_lines(
    stock: Stockkeeper, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.item(5)
    item = shop.item(10)
    shop.move(item, -1)

    async def export() -> list[Exported]:
        exported = stock.export_movements(warehouse=str(item.warehouse_id))
        return [each async for each in exported]

    [whole] = await export()
    assert [line.split(",")[5] for line in whole.lines] == ["quantity", "10", "-1"]
    # Both are in the first of two pages, and then in none of the first.
    last = int(whole.lines[-1].partition(",")[0])
    monkeypatch.setattr("activities.ledger.MOVEMENTS_LOOKED_AT", last)
    shop.move(shop.item(5), 1)
    first, *others = await export()
    assert (first.lines, first.done) == (whole.lines, last)
    assert [(each.lines, each.done == each.expected) for each in others] == [([], True)]
    shop.move(item, -2)
    monkeypatch.setattr("activities.ledger.MOVEMENTS_LOOKED_AT", int(whole.lines[1].partition(",")[0]) - 1)
    first, *others = await export()
    assert first.lines == whole.lines[:1]
    assert [line.split(",")[5] for each in others for line in each.lines] == ["10", "-1", "-2"]


async def test_what_can_not_be_asked_is_refused(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item = shop.item(1)
    now, warehouse = datetime.now(UTC), str(item.warehouse_id)
    cases = [
        (stock.stock_at(now, product="nothing"), UnknownProduct, "no product is called 'nothing'"),
        (stock.stock_at(now, warehouse="nowhere"), UnknownWarehouse, "no warehouse is called 'nowhere'"),
        (stock.stock_at(now + timedelta(days=1)), InvalidRequest, "as_of: must not be in the future"),
        (stock.stock_at(datetime(2025, 6, 1)), InvalidRequest, "as_of: Input should have timezone info"),  # noqa: DTZ001
        (stock.history("nothing", warehouse), UnknownProduct, "no product is called 'nothing'"),
        (stock.history(str(item.product_id), "nowhere"), UnknownWarehouse, "no warehouse is called 'nowhere'"),
    ]
    with nothing_changes(engine, item):
        for asked, error, message in cases:
            with pytest.raises(error) as refused:
                await anext(asked)
            assert str(refused.value) == message


def _part(item: ItemKey, quantity: int) -> Line:
    return Line(product_id=item.product_id, quantity=quantity)
