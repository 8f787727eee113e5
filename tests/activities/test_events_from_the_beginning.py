"""A log from which all that is there can be folded: after an upgrade, after a restore, and where it is told again."""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Connection, Engine, text

from database import events
from database.migrate import upgrade
from database.sessions import Database
from stockkeeper.contracts.event import DATA
from stockkeeper.domain.event import EventKind
from stockkeeper.domain.stock import ItemKey
from tests.activities.test_older_workers import upgrade_to
from tests.support.database_apart import database_apart
from tests.support.events import happen, level
from tests.support.folding import Fold, differences, fold_all, read_outbox
from tests.support.lots import TODAY, bring_lots, lot_item, of_lots
from tests.support.shop import Shop
from tests.support.steps.activity import MINUTE, NOON
from tests.support.steps.adjustment import AdjustmentCalls, dear_item
from tests.support.steps.customer_return import ReturnCalls
from tests.support.steps.cycle_count import CountCalls
from tests.support.steps.purchase_order import Buying
from tests.support.steps.recall import WHY, RecallCalls
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls
from worker import Settings, build_database

_FINDING = text("""
    INSERT INTO audit_findings (
        kind, warehouse_id, product_id, document, expected, actual, first_seen_at, last_seen_at, workflow_id, run_id)
    VALUES ('x', :warehouse_id, :product_id, 'y', 1, 2, now(), now(), 'stock-audit', 'run')
""")
_EMPTY_ITEM = text("INSERT INTO inventory_items (warehouse_id, product_id) VALUES (:warehouse_id, :product_id)")
_STOCK_OF_AN_OLDER_VERSION = text("""
    WITH product AS (INSERT INTO products (sku, name) VALUES ('A', 'a') RETURNING product_id),
    warehouse AS (INSERT INTO warehouses (name) VALUES ('W') RETURNING warehouse_id),
    item AS (
        INSERT INTO inventory_items (product_id, warehouse_id, quantity_on_hand)
        SELECT product_id, warehouse_id, 7 FROM product, warehouse)
    INSERT INTO stock_movements (product_id, warehouse_id, movement_type, quantity, balance_after, reference_id,
        performed_by, reason, operation_id, workflow_id, run_id, created_at)
    SELECT product_id, warehouse_id, 'PURCHASE', 7, 7, 'PO-1', 'x', 'x', 'x', 'x', 'x', now() FROM product, warehouse
""")


@pytest.fixture(scope="module")
def apart(engine: Engine, settings: Settings) -> Iterator[tuple[Engine, Database]]:
    """A database in which something of every kind is open, and something is over."""
    with database_apart(engine, settings) as (owner, of):
        database = build_database(of)
        _live(Shop(owner), database)
        yield owner, database
        database.engine.dispose()


def _live(shop: Shop, database: Database) -> None:
    selling = Steps(database)
    item, beside = shop.item(20), shop.item(5)
    for order in ("held", "shipped", "forgotten"):
        selling.reserve(order, (item, 2), (beside, 1))
    selling.fulfill("shipped")
    selling.expire("forgotten", as_of=NOON + 31 * MINUTE)
    selling.reserve("waits", (beside, 5), (item.product_id, 1), wait=timedelta(hours=1))
    Buying(database).order(shop, (item, 3), approvals=1)
    transferring = TransferCalls(database)
    there = shop.warehouse()
    transferring.held(there, (item, 3))
    transferring.cancel(transferring.held(there, (item, 1)))
    AdjustmentCalls(database).submitted((dear_item(shop), -9))
    ReturnCalls(database).expected((item, 1))
    CountCalls(database).opened(item)
    shop.set_point(item, 30, 10)
    _live_by_lot(shop, database)
    with shop.engine.begin() as connection:
        connection.execute(_FINDING, item._asdict())
        connection.execute(_EMPTY_ITEM, ItemKey(there, item.product_id)._asdict())


def _live_by_lot(shop: Shop, database: Database) -> None:
    """A lot has expired, one is recalled, and of two that may leave an order has got some and holds some."""
    years = timedelta(days=900)
    selling, item = (
        Steps(database),
        lot_item(shop, ("OVER", TODAY - years, 4), ("BAD", None, 5), ("FIRST", TODAY + years, 3)),
    )
    bring_lots(shop.engine, item, ("LAST", None, 2), ("GONE", None, 1))
    bring_lots(shop.engine, item, ("GONE", None, -1))
    RecallCalls(database).block("recalled", item, "BAD")
    selling.reserve("of-lots", (item, 4))
    selling.fulfill("of-lots", of_lots(item, FIRST=2))


def _begin_anew(connection: Connection) -> int:
    return events.begin_anew(connection, occasion="test", person="olga", reason="restored")


def test_what_is_told_is_all_that_is_there_and_has_the_form_of_every_other_event(
    apart: tuple[Engine, Database],
) -> None:
    owner, _ = apart
    with owner.connect() as connection:
        _begin_anew(connection)
        told = read_outbox(connection)
        fold = fold_all(connection)
        assert [*differences(connection, fold), *fold.problems] == []
        connection.rollback()
    assert Counter(event.kind for event in told) == {
        "level.changed": 5,
        "reorder_point.changed": 1,
        "lot.changed": 4,
        "hold.made": 3,
        "hold.waiting": 1,
        "purchase_order.changed": 1,
        "transfer.changed": 1,
        "adjustment.changed": 1,
        "customer_return.changed": 1,
        "cycle_count.changed": 1,
        "recall.changed": 1,
        "finding.changed": 1,
    }
    for event in told:
        model = DATA[EventKind(event.kind)]
        assert set(event.data) <= set(model.model_fields)
        model.model_validate(event.data)


def test_lots_are_told_with_what_is_on_hand_and_held_of_each_and_a_level_without_those_that_may_not_leave(
    apart: tuple[Engine, Database],
) -> None:
    owner, _ = apart
    with owner.connect() as connection:
        _begin_anew(connection)
        told = read_outbox(connection)
        connection.rollback()
    lots = {each.data["lot_number"]: each.data for each in told if each.kind == "lot.changed"}
    [place] = lots["OVER"]["warehouse_ids"]
    assert {number: (each["status"], each["on_hand"]) for number, each in lots.items()} == {
        number: (status, [{"warehouse_id": place, "quantity_on_hand": units}])
        for number, status, units in (
            ("OVER", "AVAILABLE", 4),
            ("BAD", "BLOCKED", 5),
            ("FIRST", "AVAILABLE", 1),
            ("LAST", "AVAILABLE", 2),
        )
    }
    over = (TODAY - timedelta(days=900)).isoformat()
    assert (lots["OVER"]["expires_on"], lots["BAD"]["reason"]) == (over, WHY)
    [level] = [each.data for each in told if each.kind == "level.changed" and each.data["warehouse_id"] == place]
    names = ("quantity_on_hand", "quantity_reserved", "quantity_unavailable", "quantity_available")
    assert [level[name] for name in names] == [12, 2, 9, 1]
    [line] = [each.data["lines"][0] for each in told if each.subject == "order/of-lots"]
    assert [(lot["lot_number"], lot["quantity"], lot["fulfilled"]) for lot in line["lots"]] == [
        ("FIRST", 1, 2),
        ("LAST", 1, 0),
    ]


def test_a_log_that_begins_anew_gives_no_number_twice_and_refuses_whoever_has_read_it(
    apart: tuple[Engine, Database],
) -> None:
    owner, database = apart
    with owner.begin() as connection:
        events.tell_what_is_there(connection, occasion="before", person="olga", reason="a backup")
        while events.number_events(connection):
            pass
        backup = events.span(connection)
        events.tell_what_is_there(connection, occasion="lost", person="olga", reason="after the backup")
    lives = []
    for _ in range(2):
        # Each time, from the same backup; by a worker, which has no other right to the log.
        with owner.begin() as connection:
            connection.execute(text("UPDATE event_log SET forgotten_number = 0, last_number = :last"), backup._asdict())
        with database.transaction() as connection:
            begun = _begin_anew(connection)
        with owner.begin() as connection:
            while events.number_events(connection):
                pass
            kept = events.span(connection)
            numbers = connection.execute(text("SELECT min(number), max(number), count(*) FROM events")).one()
            fold = fold_all(connection)
            assert [*differences(connection, fold), *fold.problems] == []
        assert kept.forgotten == begun
        assert numbers == (begun + 1, kept.last, kept.last - begun)
        lives.append(kept)
    first, second = lives
    assert backup.last < first.forgotten < first.last < second.forgotten
    now = datetime.now(UTC).timestamp() * 1_000_000
    assert now - 60_000_000 < second.forgotten <= now < 2**53


def test_what_is_told_again_comes_after_what_was_under_way(apart: tuple[Engine, Database]) -> None:
    owner, database = apart
    shop, selling = Shop(owner), Steps(database)
    item = shop.item(10)
    begun = threading.Event()
    with owner.connect() as connection:
        events.tell_what_is_there(connection, occasion="again", person="olga", reason="older workers have stopped")

        def hold() -> None:
            begun.set()
            selling.reserve("meanwhile", (item, 4))

        thread = threading.Thread(target=hold)
        thread.start()
        begun.wait()
        connection.commit()
        thread.join()
    with owner.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        fold = fold_all(connection)
        assert [*differences(connection, fold)] == []
        assert fold.levels[item].reserved == 4


def test_an_upgraded_database_tells_what_it_has_and_the_balance_with_which_movements_go_on(empty: Engine) -> None:
    upgrade_to(empty, "0038")
    with empty.begin() as connection:
        connection.execute(_STOCK_OF_AN_OLDER_VERSION)
    upgrade(empty)
    with empty.begin() as connection:
        [event] = read_outbox(connection)
        assert (event.kind, event.subject, event.operation_id) == (
            "level.changed",
            "item/1/1",
            "baseline/migration/0040",
        )
        assert (event.data["quantity_on_hand"], event.data["sku"], event.data["warehouse"]) == (7, "A", "W")
        fold = fold_all(connection)
        assert fold.ledgers[1, 1].begun == 7
        assert [*differences(connection, fold), *fold.problems] == []


def test_a_fold_that_misses_what_was_told_differs_from_the_tables(apart: tuple[Engine, Database]) -> None:
    owner, _ = apart
    with owner.connect() as connection:
        _begin_anew(connection)
        told = read_outbox(connection)
        for missing in told:
            fold = Fold()
            for event in told:
                if event is not missing:
                    fold.take(event)
            # An item that has nothing is the same untold.
            is_nothing = missing.kind == "level.changed" and not missing.data["quantity_on_hand"]
            assert ([*differences(connection, fold)] == []) is is_nothing, missing
        connection.rollback()


class Told(NamedTuple):
    """An event that `Fold` takes."""

    kind: str
    subject: str
    data: dict[str, Any]
    operation_id: str


def _moved(quantity: int, balance: int, operation: str) -> Told:
    data = {"warehouse_id": 1, "product_id": 2, "quantity": quantity, "balance_after": balance}
    return Told("stock.moved", "item/1/2", data, operation)


def test_a_fold_finds_a_movement_that_is_missing_or_told_twice_and_an_event_of_one_operation_told_twice() -> None:
    moved = [_moved(5, 5, "a"), _moved(-2, 3, "b"), _moved(4, 7, "c")]
    status = {"number": "7", "status": "DRAFT", "warehouse_ids": [1]}
    document = Told("adjustment.changed", "adjustment/7", status, "adjustment-7/post")
    for told, problems in (
        (moved, []),
        (moved[:1] + moved[2:], ["item (1, 2): a movement of 4 makes 7, those that were told make 9"]),
        (moved + moved[2:], ["item (1, 2): a movement of 4 makes 7, those that were told make 11"]),
        ([document, document], ["adjustment-7/post has told adjustment.changed of adjustment/7 2 times"]),
    ):
        fold = Fold()
        for event in told:
            fold.take(event)
        assert fold.problems == problems


def test_a_fold_finds_a_number_that_is_missing(apart: tuple[Engine, Database]) -> None:
    owner, _ = apart
    before, missing, after = happen(owner, *(level() for _ in range(3)))
    with owner.connect() as connection:
        whole = fold_all(connection)
        connection.execute(text("DELETE FROM events WHERE number = :missing"), {"missing": missing})
        holed = fold_all(connection)
        connection.rollback()
    gap = f"event {missing} is missing: {after} follows {before}"
    assert ([each for each in whole.problems if "is missing" in each], holed.cursor) == ([], after)
    assert [each for each in holed.problems if "is missing" in each] == [gap]
