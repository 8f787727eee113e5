"""Lots that expire: their holders get other lots or give way, and people are told once, ahead and afterwards."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, event

from database.sessions import Database
from stockkeeper.contracts.lot_expiry import Expiry, ItemPlace, LotsPassed
from stockkeeper.domain.event import EventKind
from tests.support.books import level, nothing_changes
from tests.support.corrections import held_lines
from tests.support.lots import TODAY, bring_lots, lot_books, lot_item, lots_of, set_aside
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.lot_expiry import LotExpiryCalls
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls
from tests.support.told import Told, telling

SOON, LATER = TODAY + timedelta(days=3), TODAY + timedelta(days=300)
DAY = timedelta(days=1)
OVER = NOON + 4 * DAY
"""The first noon after `SOON`."""


@pytest.fixture
def expiring(database: Database) -> LotExpiryCalls:
    return LotExpiryCalls(database)


def _lots(passed: LotsPassed) -> list[tuple[str, str, int, int]]:
    return [(lot.lot_number, lot.expiry, lot.days_left, lot.quantity_on_hand) for lot in passed.lots]


def _of(told: list[Told], *kinds: EventKind) -> list[Told]:
    return [each for each in told if each.kind in kinds]


def test_who_holds_units_of_an_expired_lot_gets_another_one_or_gives_way(
    expiring: LotExpiryCalls, steps: Steps, moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("OVER", SOON, 8), ("GOOD", LATER, 3))
    first, second, short = (new_reference() for _ in range(3))
    steps.reserve(first, (item, 3), ttl=30 * DAY)
    steps.reserve(second, (item, 2), ttl=30 * DAY)
    load = moving.held(shop.warehouse(), (item, 1))
    steps.reserve(short, (item, 1))
    with nothing_changes(engine, item, kept=1):
        # On its last day it may still leave.
        assert expiring.pass_lots(item.warehouse_id, OVER - DAY, within_days=0).units_given_up == 0
    run = new_reference("expiry")
    with telling(engine) as told:
        passed = expiring.pass_lots(item.warehouse_id, OVER, run=run)
    assert (passed.units_given_up, passed.after) == (7, None)
    assert [(each.reference_type, each.reference_id, each.quantity) for each in passed.gave_way] == [
        ("ORDER", second, 2),
        ("TRANSFER", load, 1),
    ]
    assert lot_books(engine, item) == {"OVER": (8, 0, 0), "GOOD": (3, 3, 0)}
    assert level(engine, item) == (11, 3)
    why = f"gave way, lot OVER of {told[0].data['sku']} expired on {SOON}"
    operation = f"{run}/pass/0"
    assert held_lines(engine, second) == [(*item, 2, 0, "CANCELLED", OVER, operation, why)]
    # That hold's own deadline came first.
    assert [(line[4], line[6]) for line in held_lines(engine, short)] == [("EXPIRED", operation)]
    assert [line[4] for line in held_lines(engine, first)] == ["ACTIVE"]
    [changed] = _of(told, EventKind.HOLD_CHANGED)
    assert (changed.data["reference_id"], changed.performed_by) == (first, "lot-expiry")
    assert [(lot["lot_number"], lot["quantity"]) for lot in changed.data["lines"][0]["lots"] if lot["quantity"]] == [
        ("GOOD", 3)
    ]
    assert sorted(each.data["reference_id"] for each in _of(told, EventKind.HOLD_GAVE_WAY)) == sorted([second, load])
    assert [each.level for each in _of(told, EventKind.LEVEL_CHANGED)] == [(11, 3, 0)]
    # A lost answer is given again, and the next run finds nothing.
    with nothing_changes(engine, item):
        assert expiring.pass_lots(item.warehouse_id, OVER, run=run) == passed
    assert expiring.pass_lots(item.warehouse_id, OVER + MINUTE) == LotsPassed()
    assert moving.give_way(load).status == "CANCELLED"


def test_a_hold_keeps_its_lot_as_long_as_it_may_leave(
    expiring: LotExpiryCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    """The days left that an order asked for were those of the day on which it was promised the units."""
    item = lot_item(shop, ("SOON", SOON, 2), ("LATER", LATER, 2))
    steps.reserve(new_reference(), (item, 2), minimum_days_left=3, ttl=30 * DAY)
    assert expiring.pass_lots(item.warehouse_id, OVER - DAY).units_given_up == 0
    assert lot_books(engine, item) == {"LATER": (2, 0, 0), "SOON": (2, 2, 0)}


def test_other_lots_have_the_days_left_that_the_order_asked_for(
    expiring: LotExpiryCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("OVER", SOON, 1), ("SHORT", SOON + 2 * DAY, 1))
    order = new_reference()
    steps.reserve(order, (item, 1), minimum_days_left=3, ttl=30 * DAY)
    assert [each.reference_id for each in expiring.pass_lots(item.warehouse_id, OVER).gave_way] == [order]
    assert lot_books(engine, item) == {"OVER": (1, 0, 0), "SHORT": (1, 0, 0)}


def test_a_lot_is_told_once_ahead_and_once_when_it_has_expired(
    expiring: LotExpiryCalls, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("SOON", SOON, 5), ("LATER", LATER, 5), ("NEVER", None, 5))
    set_aside(engine, item, "SOON", 1)
    early = NOON - 30 * DAY
    assert expiring.pass_lots(item.warehouse_id, early) == LotsPassed()
    with telling(engine) as told:
        ahead = expiring.pass_lots(item.warehouse_id, NOON)
    assert _lots(ahead) == [("SOON", Expiry.EXPIRING, 3, 5)]
    [event] = told
    assert (event.kind, event.subject) == ("lot.expiring", f"lot/{item.product_id}/SOON")
    assert {name: event.data[name] for name in event.data if name not in ("sku", "warehouse")} == {
        "product_id": item.product_id,
        "warehouse_id": item.warehouse_id,
        "lot_number": "SOON",
        "expires_on": SOON.isoformat(),
        "best_before": None,
        "days_left": 3,
        "quantity_on_hand": 5,
    }
    with telling(engine) as told:
        assert expiring.pass_lots(item.warehouse_id, NOON + DAY) == LotsPassed()
    assert told == []
    with telling(engine) as told:
        assert _lots(expiring.pass_lots(item.warehouse_id, OVER)) == [("SOON", Expiry.EXPIRED, -1, 5)]
    # Whoever follows levels hears of it as well.
    assert [(each.kind, each.data["quantity_on_hand"]) for each in told] == [("level.changed", 15), ("lot.expired", 5)]
    assert (told[0].level, told[0].data["quantity_unavailable"]) == ((15, 0, 10), 5)
    assert expiring.pass_lots(item.warehouse_id, OVER + DAY) == LotsPassed()
    # What comes of it later is no news.
    bring_lots(engine, item, ("SOON", None, 1))
    assert expiring.pass_lots(item.warehouse_id, OVER + 2 * DAY) == LotsPassed()


def test_a_lot_is_told_in_each_warehouse_by_its_own_calendar(expiring: LotExpiryCalls, shop: Shop) -> None:
    """At noon in UTC the next day has begun in Auckland."""
    here = lot_item(shop, ("TODAY", TODAY, 3), warehouse=shop.warehouse("UTC"))
    there = lot_item(shop, ("TODAY", TODAY, 3), product=here.product_id, warehouse=shop.warehouse("Pacific/Auckland"))
    for item, before, after in ((here, Expiry.EXPIRING, Expiry.EXPIRING), (there, Expiry.EXPIRING, Expiry.EXPIRED)):
        assert [lot.expiry for lot in expiring.pass_lots(item.warehouse_id, NOON - MINUTE).lots] == [before]
        told = expiring.pass_lots(item.warehouse_id, NOON).lots
        assert [lot.expiry for lot in told] == ([] if after is before else [after])


def test_a_run_goes_through_the_items_page_by_page(
    expiring: LotExpiryCalls, steps: Steps, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.lot_expiry.ITEMS_A_PAGE", 2)
    here, run, after, pages = shop.warehouse(), new_reference("expiry"), None, []
    items = [lot_item(shop, ("OVER", SOON, 1), ("GOOD", LATER, 1), warehouse=here) for _ in range(3)]
    steps.reserve(new_reference(), *((item, 1) for item in items), ttl=30 * DAY)
    while True:
        passed = expiring.pass_lots(here, OVER, run=run, after=after)
        pages.append([lot.product_id for lot in passed.lots])
        if (after := passed.after) is None:
            break
    assert pages == [[items[0].product_id, items[1].product_id], [items[2].product_id]]
    assert expiring.pass_lots(here, OVER, after=ItemPlace(warehouse_id=here, product_id=0)) == LotsPassed()


def test_a_page_is_of_one_warehouse(expiring: LotExpiryCalls, shop: Shop) -> None:
    here, there = shop.warehouse(), shop.warehouse()
    items = [lot_item(shop, ("OVER", SOON, 1), warehouse=each) for each in (here, there)]
    before = ItemPlace(warehouse_id=here, product_id=0)
    passed = expiring.pass_lots(None, OVER, after=before)
    assert [(lot.warehouse_id, lot.product_id) for lot in passed.lots] == [items[0]]
    assert passed.after == ItemPlace(**items[0]._asdict())
    assert (there, items[1].product_id) in [
        (lot.warehouse_id, lot.product_id) for lot in expiring.pass_lots(None, OVER, after=passed.after).lots
    ]


def test_an_answer_counts_all_lots_and_names_the_first(
    expiring: LotExpiryCalls, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.lot_expiry.LOTS_TOLD", 2)
    over, soon = ([(f"{end}{number}", day, 1) for number in range(3)] for end, day in (("O", SOON), ("S", OVER.date())))
    item = lot_item(shop, *over, *soon)
    passed = expiring.pass_lots(item.warehouse_id, OVER)
    assert (passed.lots_expired, passed.lots_expiring) == (3, 3)
    assert [lot.lot_number for lot in passed.lots] == ["O0", "O1", "S0", "S1"]
    assert expiring.pass_lots(item.warehouse_id, OVER + MINUTE) == LotsPassed()


def test_the_holds_of_an_item_are_read_once_for_all_of_its_lots(
    database: Database, expiring: LotExpiryCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    """One order holds two of the lots; it loses both, and has all of its units still."""
    item = lot_item(shop, *((f"OVER-{number}", SOON, 1) for number in range(4)), ("GOOD", LATER, 4))
    for units in (2, 1, 1):
        steps.reserve(new_reference(), (item, units), ttl=30 * DAY)
    read: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "FROM reservations" in statement and "status = 'ACTIVE'" in statement:
            read.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        passed = expiring.pass_lots(item.warehouse_id, OVER)
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    assert (len(read), passed.units_given_up, passed.gave_way) == (1, 4, [])
    assert lot_books(engine, item) == {"GOOD": (4, 4, 0)} | {f"OVER-{number}": (1, 0, 0) for number in range(4)}


def test_units_are_shipped_or_exchanged_whoever_comes_first(
    database: Database, steps: Steps, shop: Shop, engine: Engine
) -> None:
    """Runs at the same instant, and shipments of the lots that they exchange: nothing is given up twice."""
    item = lot_item(shop, ("OVER", SOON, 8), ("GOOD", LATER, 8))
    orders = [new_reference() for _ in range(8)]
    for order in orders:
        steps.reserve(order, (item, 1), ttl=30 * DAY)
    runs = [partial(LotExpiryCalls(database).pass_lots, item.warehouse_id, OVER) for _ in range(4)]
    shipments = [partial(Steps(database).fulfill, order, as_of=OVER) for order in orders]
    with ThreadPoolExecutor(12) as pool:
        shipped = [pool.submit(call) for call in shipments]
        passed = [pool.submit(call) for call in runs]
    assert {lots_of(each.result())[-1] for each in shipped} == {("GOOD", 1)}
    assert [each.result().gave_way for each in passed] == [[]] * 4
    assert sum(len(each.result().lots) for each in passed) == 1
    assert lot_books(engine, item) == {"OVER": (8, 0, 0)}


def test_an_unknown_warehouse_is_refused(expiring: LotExpiryCalls) -> None:
    assert refused(lambda: expiring.pass_lots(10**12, NOON))[0] == "UnknownWarehouse"
