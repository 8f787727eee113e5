"""A recall's steps: the lot is stopped everywhere at once, its orders are told, and its report adds up."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from temporalio.testing import ActivityEnvironment

from activities.documents import DocumentQuestions
from activities.recall import RecallSteps
from database.sessions import Database
from stockkeeper.contracts.documents import ShowDocument
from stockkeeper.contracts.recall import (
    Facts,
    FindLot,
    LotFiguresState,
    RecalledOrder,
    RecalledTransit,
    StoppedState,
    StoredRecall,
)
from stockkeeper.domain.recall import LotFigures
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes
from tests.support.corrections import held_lines
from tests.support.lots import TODAY, bring_lots, lot_books, lot_item, lots_of, set_status
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON, refused
from tests.support.steps.recall import WHY, RecallCalls, lot_row, recall_stays
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls
from tests.support.told import telling

SOON, LATER = TODAY + timedelta(days=3), TODAY + timedelta(days=30)


@pytest.fixture
def recalling(database: Database) -> RecallCalls:
    return RecallCalls(database)


def _figures(**units: int) -> LotFiguresState:
    figures = LotFigures(**{name: units[name] for name in units if name != "orders"})
    return LotFiguresState.of(figures, units.get("orders", 0))


def _shown(database: Database, question: ShowDocument) -> dict[str, Any] | None:
    environment = ActivityEnvironment()
    return environment.run(DocumentQuestions(database).show_document, question).state


def _places(recall: StoredRecall) -> list[tuple[int, int, int]]:
    return [(each.warehouse_id, each.quantity_on_hand, each.quantity_held) for each in recall.stopped]


def test_a_lot_is_stopped_in_every_warehouse_and_holds_get_other_lots_or_give_way(
    recalling: RecallCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    here = lot_item(shop, ("BAD", SOON, 5), ("GOOD", LATER, 3))
    there = lot_item(shop, ("BAD", SOON, 4), product=here.product_id)
    first, second, third, number = *(new_reference() for _ in range(3)), new_reference("rc")
    steps.reserve(first, (here, 3))
    steps.reserve(second, (here, 2))
    steps.reserve(third, (there, 1))
    recall = recalling.block(number, here, "BAD")
    # Whoever was promised first gets what else there is.
    assert [(line[2], line[4]) for line in held_lines(engine, first)] == [(3, "ACTIVE")]
    assert lot_books(engine, here) == {"BAD": (5, 0, 0), "GOOD": (3, 3, 0)}
    assert lot_books(engine, there) == {"BAD": (4, 0, 0)}
    assert (level(engine, here), level(engine, there)) == ((8, 3), (4, 0))
    assert sorted(_places(recall)) == sorted([(here.warehouse_id, 5, 5), (there.warehouse_id, 4, 1)])
    assert [(each.reference_id, each.quantity) for each in recall.gave_way] == (
        [(second, 2), (third, 1)] if here < there else [(third, 1), (second, 2)]
    )
    why = f"gave way, lot BAD is recalled: {WHY}"
    for order, units, item in ((second, 2, here), (third, 1, there)):
        assert held_lines(engine, order) == [(*item, units, 0, "CANCELLED", NOON, f"recall-{number}/block", why)]
    assert lot_row(engine, here, "BAD") == ("BLOCKED", WHY, "quinn", number)
    assert (recall.status, recall.requested_by, recall.lot.lot_number, recall.figures) == (
        "BLOCKED",
        "quinn",
        "BAD",
        None,
    )
    for item, stopped in ((here, 5), (there, 4)):
        with nothing_changes(engine, item):
            assert refused(partial(steps.reserve, new_reference(), (item, 1)))[1] == [shortage(item, 1, 0, stopped)]
    # A repeat tells it again: whoever asks may be the first to hear.
    with nothing_changes(engine, here, there):
        assert recalling.block(number, here, "BAD") == recall


def test_a_transfer_that_holds_it_gives_way_and_what_arrives_stays_blocked(
    recalling: RecallCalls, moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("BAD", SOON, 5))
    load = moving.held(shop.warehouse(), (item, 2))
    recall = recalling.block(new_reference("rc"), item, "BAD")
    assert [(each.reference_type, each.reference_id) for each in recall.gave_way] == [("TRANSFER", load)]
    assert lot_books(engine, item) == {"BAD": (5, 0, 0)}
    moving.give_way(load)
    bring_lots(engine, item, ("BAD", SOON, 2))
    assert lot_books(engine, item) == {"BAD": (7, 0, 0)}
    assert lot_row(engine, item, "BAD")[0] == "BLOCKED"


def test_a_quarantined_lot_can_be_blocked(recalling: RecallCalls, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("BAD", SOON, 5))
    set_status(engine, item, "BAD", "QUARANTINED")
    assert _places(recalling.block(new_reference("rc"), item, "BAD")) == [(item.warehouse_id, 5, 0)]
    assert lot_row(engine, item, "BAD")[0] == "BLOCKED"


def test_what_cannot_be_blocked_changes_nothing(
    recalling: RecallCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, untracked = lot_item(shop, ("BAD", SOON, 5)), shop.item(3)
    number = recalling.blocked(item, "BAD")
    with recall_stays(engine, number, item, untracked):
        another = new_reference("rc")
        assert refused(lambda: recalling.block(another, item, "BAD")) == (
            "InvalidState",
            {"status": "BLOCKED", "command": "block"},
        )
        assert refused(lambda: recalling.block(another, item, "NONE"))[0] == "InvalidRequest"
        assert refused(lambda: recalling.block(another, untracked, "BAD"))[0] == "InvalidRequest"
        assert refused(lambda: recalling.block(another, item._replace(product_id=10**12), "BAD"))[0] == "UnknownProduct"
        assert refused(lambda: recalling.block(number, item, "BAD", reason="another"))[0] == "OperationConflict"
    with engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM recalls WHERE recall_number = :n"), {"n": another})
        assert found.scalar_one() == 0


def test_orders_that_have_got_units_are_told_once(
    recalling: RecallCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("BAD", SOON, 9))
    orders = [new_reference() for _ in range(2)]
    for order in orders:
        steps.reserve(order, (item, 3))
        steps.fulfill(order)
    number = recalling.blocked(item, "BAD")
    with telling(engine) as told:
        page = recalling.tell(number, item, "BAD", operation="here/0")
    assert (page.orders, page.after) == ([RecalledOrder(reference_id=order, quantity=3) for order in orders], None)
    assert [(each.kind, each.subject, each.data["quantity"], each.reason) for each in told] == [
        ("order.recalled", f"order/{order}", 3, WHY) for order in orders
    ]
    with telling(engine) as again:
        assert recalling.tell(number, item, "BAD", operation="here/0") == page
    assert again == []
    with engine.connect() as connection:
        last = connection.execute(
            text("SELECT warehouse_id, created_at, movement_id FROM stock_movements WHERE reference_id = :order"),
            {"order": orders[0]},
        ).one()
    assert recalling.tell(number, item, "BAD", after=tuple(last)).orders == page.orders[1:]


def test_the_report_follows_what_comes_back_and_adds_up(
    recalling: RecallCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, order = lot_item(shop, ("BAD", SOON, 9)), new_reference()
    steps.reserve(order, (item, 4))
    steps.fulfill(order)
    number = recalling.blocked(item, "BAD")
    sold = recalling.track(number, orders=[RecalledOrder(reference_id=order, quantity=4)])
    assert sold.figures == _figures(found=9, sold=4, on_hand=5, orders=1)
    assert (sold.orders_total, sold.orders) == (1, [RecalledOrder(reference_id=order, quantity=4)])
    with telling(engine) as told:
        assert recalling.track(number).figures == sold.figures
    assert told == []
    bring_lots(engine, item, ("BAD", SOON, -2))
    closed = recalling.close(number, operation="1")
    assert closed.figures == _figures(found=9, lost=2, sold=4, on_hand=3, orders=1)
    assert (closed.status, closed.closed_reason, closed.looked_at) == ("CLOSED", "all is back", NOON)
    assert lot_row(engine, item, "BAD")[0] == "BLOCKED"
    with recall_stays(engine, number, item):
        assert recalling.close(number, operation="1") == closed
        assert refused(lambda: recalling.close(number)) == ("InvalidState", {"status": "CLOSED", "command": "close"})
        assert refused(lambda: recalling.release(number))[0] == "InvalidState"
    assert recalling.track(number) == closed


def test_units_of_other_databases_are_in_the_report(recalling: RecallCalls, shop: Shop) -> None:
    item = lot_item(shop, ("BAD", SOON, 9))
    number = recalling.blocked(item, "BAD")
    elsewhere = _figures(received=30, sold=20, on_hand=9, orders=7)
    there = StoppedState(warehouse_id=10**6, warehouse="Lyon", quantity_on_hand=9, quantity_held=2)
    way = RecalledTransit(transfer_number="T-1", from_warehouse_id=10**6, to_warehouse_id=1, quantity=1)
    for _ in range(2):
        recall = recalling.track(number, elsewhere, stopped=[there], in_transit=[way])
        assert recall.figures == _figures(found=9, received=30, sold=20, on_hand=18, orders=7)
        assert (recall.stopped[1:], recall.in_transit) == ([there], [way])
        assert recall.warehouse_ids == [item.warehouse_id, 10**6]
    assert recall.figures is not None
    assert recall.figures.difference == 1


def test_another_person_releases_the_lot_and_it_can_be_held_again(
    recalling: RecallCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("BAD", SOON, 5))
    number = recalling.blocked(item, "BAD")
    with recall_stays(engine, number, item):
        assert refused(lambda: recalling.release(number, by="Quinn"))[0] == "NotPermitted"
    with telling(engine) as told:
        recall = recalling.release(number, operation="1")
    assert (recall.status, recall.released_by, recall.closed_reason) == ("RELEASED", "ann", "it was ours")
    assert lot_row(engine, item, "BAD") == ("AVAILABLE", "it was ours", "ann", None)
    assert [(each.kind, each.data.get("status")) for each in told] == [
        ("level.changed", None),
        ("lot.changed", "AVAILABLE"),
        ("recall.changed", "RELEASED"),
    ]
    assert told[0].level == (5, 0, 5)
    assert lots_of(steps.reserve(new_reference(), (item, 5))) == [("BAD", 5)]
    with recall_stays(engine, number, item):
        assert recalling.release(number, operation="1").status == "RELEASED"
    again = recalling.blocked(item, "BAD")
    assert lot_row(engine, item, "BAD")[3] == again


def test_a_database_that_has_not_got_the_recall_blocks_and_releases_its_lot(
    recalling: RecallCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, order, number = lot_item(shop, ("BAD", SOON, 5)), new_reference(), new_reference("rc")
    steps.reserve(order, (item, 2))
    stopped = recalling.block_elsewhere(number, item, "BAD")
    assert [(each.quantity_on_hand, each.quantity_held) for each in stopped.stopped] == [(5, 2)]
    assert [each.reference_id for each in stopped.gave_way] == [order]
    assert lot_row(engine, item, "BAD") == ("BLOCKED", WHY, "quinn", number)
    # Another recall leaves it as it is, and can't release it.
    other = new_reference("rc")
    with telling(engine) as told:
        assert recalling.block_elsewhere(other, item, "BAD").stopped == []
        recalling.release_elsewhere(other, item, "BAD")
    assert (told, lot_row(engine, item, "BAD")[3]) == ([], number)
    recalling.release_elsewhere(number, item, "BAD")
    assert lot_row(engine, item, "BAD")[0] == "AVAILABLE"


def test_a_lot_that_may_come_later_is_blocked_when_it_comes(
    recalling: RecallCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, number = lot_item(shop), new_reference("rc")
    assert refused(lambda: recalling.block_elsewhere(number, item, "BAD"))[0] == "InvalidRequest"
    assert (
        recalling.block_elsewhere(number, item, "BAD", Facts(expires_on=SOON), operation=new_reference()).stopped == []
    )
    bring_lots(engine, item, ("BAD", SOON, 5))
    assert lot_row(engine, item, "BAD") == ("BLOCKED", WHY, "quinn", number)
    with nothing_changes(engine, item):
        assert refused(lambda: steps.reserve(new_reference(), (item, 1)))[1] == [shortage(item, 1, 0, 5)]


def test_what_is_known_of_a_lot_and_where_else_to_ask(database: Database, shop: Shop) -> None:
    item, known = lot_item(shop, ("BAD", SOON, 5)), RecallSteps(database, others=["south"])
    for number, facts in (("BAD", Facts(expires_on=SOON)), ("NONE", None)):
        question = FindLot(product_id=item.product_id, lot_number=number)
        found = known.find_lot(question)
        assert (found.facts, found.others) == (facts, ["south"])


def test_a_recall_is_shown_by_its_number(recalling: RecallCalls, database: Database, shop: Shop) -> None:
    item = lot_item(shop, ("BAD", SOON, 5))
    number = recalling.blocked(item, "BAD")
    question = ShowDocument(kind="recall", number=number)
    shown = _shown(database, question)
    assert shown is not None
    assert (shown["recall_number"], shown["product_id"], shown["lot_number"], shown["status"]) == (
        *(number, item.product_id, "BAD", "BLOCKED"),
    )


def test_no_writer_stops_a_lot_that_is_held_or_lets_a_recalled_one_leave(
    recalling: RecallCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("HELD", SOON, 5), ("BAD", SOON, 5))
    recalling.blocked(item, "BAD")
    steps.reserve(new_reference(), (item, 1))
    with nothing_changes(engine, item):
        with pytest.raises(IntegrityError, match="units are still held"):
            set_status(engine, item, "HELD", "QUARANTINED")
        with pytest.raises(IntegrityError, match="is recalled, and would be AVAILABLE"):
            _free(engine, item, "BAD")


def _free(engine: Engine, item: ItemKey, lot_number: str) -> None:
    statement = text("""
        UPDATE lots SET status = 'AVAILABLE', recall_number = NULL
        WHERE (product_id, lot_number) = (:product_id, :lot_number)
    """)
    with engine.begin() as connection:
        connection.execute(statement, {"product_id": item.product_id, "lot_number": lot_number})
