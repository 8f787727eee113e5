"""A lot is blocked while many hold and ship units of it: afterwards nothing of it is held, and nothing leaves."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.support.lots import TODAY, bring_lots, lot_books, lot_item
from tests.support.shop import Shop, new_reference
from tests.support.steps.recall import RecallCalls, lot_row
from tests.support.steps.reservation import Steps

CALLERS = 32


def test_nothing_is_held_or_leaves_after_a_block_among_callers_who_hold_and_ship(
    steps: Steps, database: Database, shop: Shop, engine: Engine
) -> None:
    items = [lot_item(shop, ("BAD", TODAY, 300), ("GOOD", None, 20))]
    items += [lot_item(shop, ("BAD", TODAY, 300), product=items[0].product_id) for _ in range(2)]
    begun = Barrier(CALLERS + 1)

    def buy(number: int) -> int:
        begun.wait()
        shipped = 0
        for turn in range(12):
            order, item = new_reference(), items[(number + turn) % 3]
            try:
                steps.reserve(order, (item, 2))
                steps.fulfill(order)
                shipped += 1
            except ApplicationError as refusal:
                if refusal.type not in ("InsufficientStock", "InvalidState"):
                    raise
        return shipped

    def block() -> None:
        begun.wait()
        recalling.block(new_reference("rc"), items[0], "BAD")

    recalling = RecallCalls(database)
    with ThreadPoolExecutor(CALLERS + 1) as threads:
        sold, blocked = [threads.submit(buy, number) for number in range(CALLERS)], threads.submit(block)
        blocked.result()
        assert sum(each.result() for each in sold) > 0
    assert lot_row(engine, items[0], "BAD")[0] == "BLOCKED"
    on_hand = {item: lot_books(engine, item)["BAD"] for item in items}
    assert [reserved for _, reserved, _ in on_hand.values()] == [0, 0, 0]
    assert _held(engine, items[0]) == 0
    assert _left_after(engine, items[0], _blocked_at(engine, items[0])) == 0


def test_a_lot_that_arrives_while_it_is_being_blocked_is_blocked_where_it_arrives(
    database: Database, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("BAD", TODAY, 5))
    places = [lot_item(shop, product=item.product_id) for _ in range(12)]
    recalling, begun = RecallCalls(database), Barrier(len(places) + 1)

    def arrive(place: ItemKey) -> None:
        begun.wait()
        bring_lots(engine, place, ("BAD", TODAY, 3))

    def block() -> list[int]:
        begun.wait()
        return [each.quantity_on_hand for each in recalling.block(new_reference("rc"), item, "BAD").stopped]

    with ThreadPoolExecutor(len(places) + 1) as threads:
        arriving, blocking = [threads.submit(arrive, place) for place in places], threads.submit(block)
        for each in arriving:
            each.result()
        assert max(blocking.result()) == 5
    assert [lot_books(engine, place) for place in places] == [{"BAD": (3, 0, 0)}] * len(places)
    assert _held(engine, item) == 0
    for place in places:
        assert refused_to_hold(Steps(database), place)


def refused_to_hold(steps: Steps, item: ItemKey) -> bool:
    """Whether nothing of the item can be held."""
    try:
        steps.reserve(new_reference(), (item, 1))
    except ApplicationError as refusal:
        return refusal.type == "InsufficientStock"
    return False


def _held(engine: Engine, item: ItemKey) -> int:
    statement = text("""
        SELECT coalesce(sum(quantity_held), 0) FROM reservation_lots
        WHERE product_id = :product_id AND lot_number = 'BAD'
    """)
    with engine.connect() as connection:
        return int(connection.execute(statement, {"product_id": item.product_id}).scalar_one())


def _blocked_at(engine: Engine, item: ItemKey) -> datetime:
    """When the block was told, by the database's clock."""
    statement = text("""
        SELECT happened_at FROM (SELECT * FROM outbox UNION ALL SELECT * FROM events) AS told (n, kind, subject,
            warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
        WHERE kind = 'lot.changed' AND product_id = :product_id AND data ->> 'status' = 'BLOCKED'
    """)
    with engine.connect() as connection:
        at: datetime = connection.execute(statement, {"product_id": item.product_id}).scalar_one()
        return at


def _left_after(engine: Engine, item: ItemKey, at: datetime) -> int:
    statement = text("""
        SELECT count(*) FROM stock_movements
        WHERE product_id = :product_id AND lot_number = 'BAD' AND quantity < 0 AND created_at > :at
    """)
    with engine.connect() as connection:
        return int(connection.execute(statement, {"product_id": item.product_id, "at": at}).scalar_one())
