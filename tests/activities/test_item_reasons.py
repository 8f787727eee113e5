"""What is behind an item's numbers: who holds it, what was set aside, and what is on its way to it."""

import pytest
from temporalio.exceptions import ApplicationError

from activities import item_reasons
from activities.item_reasons import ItemReasons
from database.sessions import Database
from stockkeeper.contracts.item_reasons import ItemHold, ShowArrivals, ShowItemHolds, ShowSetAside
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON
from tests.support.steps.inspection import InspectionCalls
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls


@pytest.fixture
def asking(database: Database) -> ItemReasons:
    return ItemReasons(database)


def test_holds_have_the_units_that_havent_left(asking: ItemReasons, shop: Shop, steps: Steps) -> None:
    item, other = shop.items(2, 20)
    first, second = new_reference(), new_reference()
    steps.reserve(first, (item, 5), (other, 1))
    steps.reserve(second, (item, 3), ttl=60 * MINUTE)
    steps.reserve(new_reference(), (other, 2))
    asked = ShowItemHolds(product=f"id:{item.product_id}", warehouse=f"id:{item.warehouse_id}")
    found = asking.show_item_holds(asked)
    assert [(each.reference_id, each.quantity, each.expires_at) for each in found.holds] == [
        (first, 5, NOON + 30 * MINUTE),
        (second, 3, NOON + 60 * MINUTE),
    ]
    assert not found.more
    assert {(each.reference_type, each.held_since, each.performed_by) for each in found.holds} == {
        ("ORDER", NOON, "shop")
    }


def test_holds_come_page_by_page(
    asking: ItemReasons, shop: Shop, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, orders = shop.item(20), [new_reference() for _ in range(5)]
    for each in orders:
        steps.reserve(each, (item, 1))
    monkeypatch.setattr(item_reasons, "REASONS_AT_ONCE", 2)
    asked = ShowItemHolds(product=f"id:{item.product_id}", warehouse=f"id:{item.warehouse_id}")
    seen: list[list[ItemHold]] = []
    page = asking.show_item_holds(asked)
    seen.append(page.holds)
    while page.more:
        page = asking.show_item_holds(asked.model_copy(update={"after": page.holds[-1].reservation_id}))
        seen.append(page.holds)
    assert [[each.reference_id for each in holds] for holds in seen] == [orders[:2], orders[2:4], orders[4:]]


def test_what_was_set_aside_is_what_nobody_has_decided_about(
    asking: ItemReasons, shop: Shop, inspecting: InspectionCalls
) -> None:
    item, other = shop.items(2, 20)
    number = inspecting.opened((item, 5), (other, 7))
    inspecting.release(number, (item, 2))
    asked = ShowSetAside(product=f"id:{item.product_id}", warehouse=f"id:{item.warehouse_id}")
    [line] = asking.show_set_aside(asked).lines
    assert (line.inspection_number, line.quantity, line.lot_number, line.since) == (number, 3, None, NOON)
    inspecting.release(number, (item, 3))
    assert asking.show_set_aside(asked).lines == []


def test_arrivals_of_several_products_by_warehouse(
    asking: ItemReasons, shop: Shop, moving: TransferCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, destination = shop.items(3, 20), shop.warehouse()
    numbers = [moving.sent(destination, (item, 4)) for item in items]
    wanted = [item.product_id for item in items[:2]]
    found = asking.show_arrivals(ShowArrivals(product_ids=wanted))
    assert [(each.product_id, each.warehouse_id, each.document, each.quantity) for each in found.arrivals] == [
        (item.product_id, destination, number, 4) for item, number in zip(items[:2], numbers[:2], strict=True)
    ]
    elsewhere = ShowArrivals(product_ids=wanted, warehouse_ids=[items[0].warehouse_id])
    assert asking.show_arrivals(elsewhere).arrivals == []
    monkeypatch.setattr(item_reasons, "REASONS_AT_ONCE", 1)
    first = asking.show_arrivals(ShowArrivals(product_ids=wanted))
    assert (len(first.arrivals), first.more) == (1, True)
    last = first.arrivals[-1]
    after = (last.product_id, last.warehouse_id, last.document)
    rest = asking.show_arrivals(ShowArrivals(product_ids=wanted, after=after))
    assert ([each.document for each in rest.arrivals], rest.more) == ([numbers[1]], False)


def test_an_item_that_nobody_knows_is_refused(asking: ItemReasons, shop: Shop) -> None:
    place = f"id:{shop.warehouse()}"
    with pytest.raises(ApplicationError, match="no product is called 'nothing'"):
        asking.show_item_holds(ShowItemHolds(product="nothing", warehouse=place))
    with pytest.raises(ApplicationError, match="no warehouse is called"):
        asking.show_set_aside(ShowSetAside(product=f"id:{shop.product()}", warehouse=new_reference("nowhere")))
