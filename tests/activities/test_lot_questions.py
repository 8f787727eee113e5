"""Questions about lots: what is on hand of each, until when it may leave, and who holds it."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from activities.lot_questions import LotQuestions
from database.clock import clock
from database.lot_reading import EXPIRING
from database.sessions import Database
from stockkeeper.contracts.lot_questions import NEVER, LotShown, LotStatus, ShowExpiringLots, ShowLotHolds, ShowLots
from stockkeeper.contracts.question import SHOW_EXPIRING_LOTS, SHOW_LOTS
from stockkeeper.domain.stock import ItemKey
from tests.support.lots import TODAY, bring_lots, lot_item, set_aside, set_status
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON, refused
from tests.support.steps.reservation import Steps

SOON, LATER, YESTERDAY = TODAY + timedelta(days=3), TODAY + timedelta(days=30), TODAY - timedelta(days=1)


@pytest.fixture
def questions(database: Database) -> LotQuestions:
    return LotQuestions(database)


def _asked(questions: LotQuestions, item: ItemKey, **only: object) -> list[LotShown]:
    asked = ShowLots.model_validate({"product": f"id:{item.product_id}", "as_of": NOON} | only)
    page = questions.show_lots(asked)
    assert page.more is False
    return page.lots


def _numbers(lots: list[LotShown]) -> list[str]:
    return [lot.lot_number for lot in lots]


def test_lots_come_first_expired_first_with_what_is_free_and_the_days_left(
    questions: LotQuestions, steps: Steps, shop: Shop
) -> None:
    item = lot_item(shop, ("LATER", LATER, 5), ("NEVER", None, 4), ("SOON", SOON, 2), ("OVER", YESTERDAY, 3))
    steps.reserve(new_reference(), (item, 3))
    set_status(shop.engine, item, "LATER", "AVAILABLE")
    found = _asked(questions, item)
    assert [
        (lot.lot_number, lot.quantity_on_hand, lot.quantity_reserved, lot.quantity_free, lot.days_left, lot.may_leave)
        for lot in found
    ] == [
        ("OVER", 3, 0, 3, -1, False),
        ("SOON", 2, 2, 0, 3, True),
        ("LATER", 5, 1, 4, 30, True),
        ("NEVER", 4, 0, 4, None, True),
    ]
    assert (found[1].expires_on, found[1].status, found[1].warehouse_id) == (SOON, "AVAILABLE", item.warehouse_id)
    assert (found[2].status_reason, found[2].status_by) == ("test", "tests")
    # From the midnight that ends its day.
    [over] = _asked(questions, item, lot_number="SOON", as_of=NOON + timedelta(days=4))
    assert (over.days_left, over.may_leave) == (-1, False)


def test_a_product_may_ask_for_days_left(questions: LotQuestions, shop: Shop) -> None:
    item = lot_item(shop, ("SOON", SOON, 2), ("LATER", LATER, 2), minimum_days_left=4)
    assert [lot.may_leave for lot in _asked(questions, item)] == [False, True]


def test_lots_are_found_by_status_number_warehouse_and_last_day(questions: LotQuestions, shop: Shop) -> None:
    item = lot_item(shop, ("SOON", SOON, 2), ("LATER", LATER, 5), ("NEVER", None, 1))
    elsewhere = shop.item(0, product=item.product_id)
    bring_lots(shop.engine, elsewhere, ("SOON", None, 4))
    set_status(shop.engine, item, "LATER", "BLOCKED")
    assert _numbers(_asked(questions, item, status=LotStatus.BLOCKED)) == ["LATER"]
    assert {lot.warehouse_id: lot.quantity_on_hand for lot in _asked(questions, item, lot_number="SOON")} == {
        item.warehouse_id: 2,
        elsewhere.warehouse_id: 4,
    }
    assert _numbers(_asked(questions, item, warehouse=f"id:{elsewhere.warehouse_id}")) == ["SOON"]
    assert _numbers(_asked(questions, item, expiring_before=SOON)) == []
    assert _numbers(_asked(questions, item, expiring_before=SOON + timedelta(days=1))) == ["SOON", "SOON"]
    assert _asked(questions, item, lot_number="soon") == []


def test_a_lot_that_is_gone_is_shown_only_if_asked_for(questions: LotQuestions, shop: Shop) -> None:
    item = lot_item(shop, ("SOON", SOON, 2))
    bring_lots(shop.engine, item, ("SOON", None, -2))
    assert _asked(questions, item) == []
    [gone] = _asked(questions, item, with_those_gone=True)
    assert (gone.lot_number, gone.quantity_on_hand, gone.came_at <= (gone.last_moved_at or gone.came_at)) == (
        "SOON",
        0,
        True,
    )


def test_lots_come_page_by_page(questions: LotQuestions, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.lot_questions.LOTS_AT_ONCE", 2)
    item = lot_item(shop, ("A", SOON, 1), ("B", SOON, 1), ("C", LATER, 1), ("E", None, 1), ("D", None, 1))
    asked, pages = ShowLots(product=f"id:{item.product_id}"), []
    while True:
        page = questions.show_lots(asked)
        pages.append(_numbers(page.lots))
        if not page.more:
            break
        asked = asked.model_copy(update={"after": SHOW_LOTS.place(page.lots[-1])})
        asked = ShowLots.model_validate_json(asked.model_dump_json())
    assert pages == [["A", "B"], ["C", "D"], ["E"]]
    assert asked.after is not None
    assert asked.after[1] == NEVER


def _expiring(questions: LotQuestions, **asked: object) -> list[LotShown]:
    page = questions.show_expiring_lots(ShowExpiringLots.model_validate({"as_of": NOON} | asked))
    assert page.more is False
    return page.lots


def test_lots_that_have_expired_or_will_soon_come_by_warehouse_the_first_first(
    questions: LotQuestions, steps: Steps, shop: Shop, engine: Engine
) -> None:
    here, there = shop.warehouse(timezone="Pacific/Auckland"), shop.warehouse(timezone="America/New_York")
    item = lot_item(shop, ("OVER", YESTERDAY, 3), ("SOON", SOON, 5), ("LATER", LATER, 2), warehouse=here)
    elsewhere = lot_item(shop, ("SOON", SOON, 4), ("NEVER", None, 1), ("GONE", SOON, 1), warehouse=there)
    bring_lots(engine, elsewhere, ("GONE", None, -1))
    steps.reserve(new_reference(), (item, 2))
    set_aside(engine, item, "SOON", 1)

    def asked(place: int, **more: object) -> list[tuple[object, ...]]:
        return [
            (
                *(lot.lot_number, lot.days_left, lot.quantity_on_hand, lot.quantity_reserved),
                *(lot.quantity_unavailable, lot.may_leave),
            )
            for lot in _expiring(questions, warehouse=f"id:{place}", **more)
        ]

    # At noon in UTC the next day has begun in Auckland.
    assert asked(here) == [("OVER", -2, 3, 0, 0, False), ("SOON", 2, 5, 2, 1, True), ("LATER", 29, 2, 0, 0, True)]
    assert asked(here, within_days=2) == [("OVER", -2, 3, 0, 0, False), ("SOON", 2, 5, 2, 1, True)]
    assert asked(there, within_days=3) == [("SOON", 3, 4, 0, 0, True)]
    assert asked(there, within_days=2) == []
    found = [lot for lot in _expiring(questions) if lot.warehouse_id in (here, there)]
    assert found == sorted(found, key=lambda lot: (lot.warehouse, lot.last_day, lot.sku, lot.lot_number))
    assert [(lot.warehouse_id, lot.lot_number) for lot in found if lot.product_id == item.product_id] == [
        (here, "OVER"),
        (here, "SOON"),
        (here, "LATER"),
    ]
    assert refused(lambda: _expiring(questions, warehouse="nowhere"))[0] == "UnknownWarehouse"


def test_lots_that_expire_come_page_by_page(
    questions: LotQuestions, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.lot_questions.LOTS_AT_ONCE", 2)
    item = lot_item(shop, ("B", SOON, 1), ("A", SOON, 1), ("C", LATER, 1), ("D", YESTERDAY, 1), ("E", None, 1))
    asked, pages = ShowExpiringLots(warehouse=f"id:{item.warehouse_id}", as_of=NOON), []
    while True:
        page = questions.show_expiring_lots(asked)
        pages.append(_numbers(page.lots))
        if not page.more:
            break
        asked = asked.model_copy(update={"after": SHOW_EXPIRING_LOTS.place(page.lots[-1])})
        asked = ShowExpiringLots.model_validate_json(asked.model_dump_json())
    assert pages == [["D", "A"], ["B", "C"]]


_MANY_LOTS = (
    # Rows alone, which go with the transaction: no trigger has to agree.
    "SET LOCAL session_replication_role = replica",
    """
    INSERT INTO lots (product_id, lot_number, expires_on, created_at, created_by, operation_id)
    SELECT :product_id, 'F' || number, DATE '2030-01-01' + number, now(), 'tests', 'test'
    FROM generate_series(1, 10000) AS number
    """,
    """
    INSERT INTO lot_items (warehouse_id, product_id, lot_number, quantity_on_hand)
    SELECT :warehouse_id, :product_id, 'F' || number, (number > 9800)::int FROM generate_series(1, 10000) AS number
    """,
    "ANALYZE lots",
    "ANALYZE lot_items",
)


def test_lots_that_expire_are_looked_up_among_those_on_hand(shop: Shop, engine: Engine) -> None:
    """Most lots that there ever were are gone: they aren't read."""
    item = lot_item(shop, ("SOON", SOON, 1))
    with engine.connect() as connection:
        for statement in _MANY_LOTS:
            connection.execute(text(statement), item._asdict() if ":" in statement else {})
        plan = _plan_of_expiring(connection, item.warehouse_id)
    assert "lot_items_on_hand" in plan
    assert re.search("Index Scan using [a-z_]+ on lots", plan), plan
    assert [line for line in plan.splitlines() if "Seq Scan on lot" in line] == []


def _plan_of_expiring(connection: Connection, warehouse_id: int) -> str:
    explained = text(f"EXPLAIN (COSTS OFF) {EXPIRING.text}").bindparams(*EXPIRING._bindparams.values())
    asked = {"as_of": NOON, "within_days": 30, "warehouse_id": warehouse_id, "most": 1_001}
    nowhere = dict.fromkeys(("after_warehouse", "after_day", "after_sku", "after_number"))
    return "\n".join(connection.execute(explained, asked | nowhere | clock(connection, NOON, NOON)).scalars())


def test_who_holds_a_lot(questions: LotQuestions, steps: Steps, shop: Shop) -> None:
    item, orders = lot_item(shop, ("SOON", SOON, 3), ("LATER", LATER, 3)), [new_reference() for _ in range(3)]
    for order in orders:
        steps.reserve(order, (item, 2))
    product = f"id:{item.product_id}"

    def holders(lot_number: str) -> list[tuple[str, int]]:
        asked = ShowLotHolds(product=product, lot_number=lot_number)
        return [(hold.reference_id, hold.quantity) for hold in questions.show_lot_holds(asked).holds]

    assert holders("SOON") == [(orders[0], 2), (orders[1], 1)]
    assert holders("LATER") == [(orders[1], 1), (orders[2], 2)]
    steps.fulfill(orders[0])
    assert holders("SOON") == [(orders[1], 1)]
    assert holders("OTHER") == []


def test_an_unknown_product_is_refused(questions: LotQuestions) -> None:
    assert refused(lambda: questions.show_lots(ShowLots(product="nothing")))[0] == "UnknownProduct"
    asked = ShowLotHolds(product="nothing", lot_number="L1")
    assert refused(lambda: questions.show_lot_holds(asked))[0] == "UnknownProduct"
