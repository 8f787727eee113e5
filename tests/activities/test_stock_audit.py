"""The audit of items: what somebody has tampered with is found and named, and what only moves meanwhile is not."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from activities import stock_audit
from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.support.audit_tampering import tampering
from tests.support.books import nothing_changes
from tests.support.meetings import WAIT_SECONDS
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import refused
from tests.support.steps.reservation import Steps
from tests.support.steps.stock_audit import Auditing, Off, nothing_is_found, off

SUM, BALANCE = "ON_HAND_IS_NOT_THE_SUM", "ON_HAND_IS_NOT_THE_LAST_BALANCE"
CHAIN, RESERVED = "BALANCES_DO_NOT_FOLLOW", "RESERVED_IS_NOT_THE_HOLDS"

_OF_ITEM = "(warehouse_id, product_id) = (:warehouse_id, :product_id)"
_FIRST = f"movement_id = (SELECT min(movement_id) FROM stock_movements WHERE {_OF_ITEM})"
_LAST = f"movement_id = (SELECT max(movement_id) FROM stock_movements WHERE {_OF_ITEM})"

_ENDS = text(f"SELECT min(movement_id), max(movement_id) FROM stock_movements WHERE {_OF_ITEM}")

# Of an item that began with ten units and got two more, of which an order holds three: kind, expected, actual, and of
# which movement.
TAMPERED: dict[str, tuple[str, list[tuple[str, int, int, str]]]] = {
    "on hand": (
        f"UPDATE inventory_items SET quantity_on_hand = 13 WHERE {_OF_ITEM}",
        [(SUM, 12, 13, ""), (BALANCE, 12, 13, "")],
    ),
    "reserved": (
        f"UPDATE inventory_items SET quantity_reserved = 1 WHERE {_OF_ITEM}",
        [(RESERVED, 3, 1, "")],
    ),
    "reserved for nobody": (
        f"UPDATE inventory_items SET quantity_reserved = 12 WHERE {_OF_ITEM}",
        [(RESERVED, 3, 12, "")],
    ),
    "on hand and reserved": (
        f"UPDATE inventory_items SET quantity_on_hand = 2, quantity_reserved = 0 WHERE {_OF_ITEM}",
        [(SUM, 12, 2, ""), (BALANCE, 12, 2, ""), (RESERVED, 3, 0, "")],
    ),
    "a hold's units": (
        f"UPDATE reservations SET quantity = 4 WHERE {_OF_ITEM}",
        [(RESERVED, 4, 3, "")],
    ),
    "units that were never shipped": (
        f"UPDATE reservations SET quantity_fulfilled = 1 WHERE {_OF_ITEM}",
        [(RESERVED, 2, 3, "")],
    ),
    "a hold that was ended": (
        f"UPDATE reservations SET status = 'EXPIRED', closed_at = created_at, closed_by = 'x' WHERE {_OF_ITEM}",
        [(RESERVED, 0, 3, "")],
    ),
    "a lost hold": (f"DELETE FROM reservations WHERE {_OF_ITEM}", [(RESERVED, 0, 3, "")]),
    "a movement's units": (
        f"UPDATE stock_movements SET quantity = 3 WHERE {_LAST}",
        [(SUM, 13, 12, ""), (CHAIN, 13, 12, "last")],
    ),
    "a balance": (
        f"UPDATE stock_movements SET balance_after = 11 WHERE {_LAST}",
        [(BALANCE, 11, 12, ""), (CHAIN, 12, 11, "last")],
    ),
    "the first movement's units and balance": (
        f"UPDATE stock_movements SET quantity = 9, balance_after = 9 WHERE {_FIRST}",
        [(SUM, 11, 12, ""), (CHAIN, 11, 12, "last")],
    ),
    "the first balance": (
        f"UPDATE stock_movements SET balance_after = 11 WHERE {_FIRST}",
        [(CHAIN, 10, 11, "first"), (CHAIN, 13, 12, "last")],
    ),
    "an instant": (
        f"UPDATE stock_movements SET created_at = created_at - interval '1 day' WHERE {_LAST}",
        [(BALANCE, 10, 12, ""), (CHAIN, 22, 10, "first"), (CHAIN, 2, 12, "last")],
    ),
    "a lost last movement": (
        f"DELETE FROM stock_movements WHERE {_LAST}",
        [(SUM, 10, 12, ""), (BALANCE, 10, 12, "")],
    ),
    "a lost first movement": (
        f"DELETE FROM stock_movements WHERE {_FIRST}",
        [(SUM, 2, 12, ""), (CHAIN, 2, 12, "last")],
    ),
    "a lost history": (
        f"DELETE FROM stock_movements WHERE {_OF_ITEM}",
        [(SUM, 0, 12, ""), (BALANCE, 0, 12, "")],
    ),
    "a movement from nowhere": (
        f"""
            INSERT INTO stock_movements (warehouse_id, product_id, movement_type, quantity, balance_after,
                reference_id, performed_by, reason, operation_id, workflow_id, run_id, created_at)
            SELECT warehouse_id, product_id, 'SALE', -1, 11, 'x', 'x', 'x', 'x', 'x', 'x', created_at + interval '1 s'
            FROM stock_movements WHERE {_LAST}
        """,
        [(SUM, 11, 12, ""), (BALANCE, 11, 12, "")],
    ),
    "movements of another order": (
        # The numbers still follow each other, but what was written later is said to have been earlier.
        f"""
            UPDATE stock_movements SET quantity = CASE WHEN {_LAST} THEN 10 ELSE 2 END,
                balance_after = CASE WHEN {_LAST} THEN 10 ELSE 12 END,
                created_at = CASE WHEN {_LAST} THEN created_at - interval '1 day' ELSE created_at END
            WHERE {_OF_ITEM}
        """,
        [(CHAIN, 12, 12, "first")],
    ),
}


def stocked(shop: Shop, database: Database) -> tuple[ItemKey, str]:
    """An item with twelve units, and the order that holds three of them; others beside it."""
    item = shop.item(10)
    shop.item(5, warehouse=item.warehouse_id)
    shop.item(0, warehouse=item.warehouse_id)
    order = new_reference()
    Steps(database).reserve(order, (item, 3))
    shop.move(item, 2)
    return item, order


@pytest.mark.parametrize(("change", "found"), TAMPERED.values(), ids=TAMPERED)
def test_the_audit_finds(
    engine: Engine, database: Database, shop: Shop, change: str, found: list[tuple[str, int, int, str]]
) -> None:
    item, _ = stocked(shop, database)
    with tampering(engine) as tampered:
        named = dict(zip(("first", "last"), tampered.connection.execute(_ENDS, item._asdict()).one(), strict=True))
        tampered.tamper(change, **item._asdict())
        told = Auditing(tampered, item.warehouse_id).found()
        assert [off(finding) for finding in told] == [
            Off(kind, item, expected, actual, f"movement {named[of]}" if of else "")
            for kind, expected, actual, of in found
        ]
        assert all(finding.is_new for finding in told)


def test_the_first_ten_movements_that_do_not_follow_are_found_each(engine: Engine, shop: Shop) -> None:
    item, beside = shop.items(2, units=10)
    shop.move(item, *[1] * 11)
    with tampering(engine) as tampered:
        tampered.tamper(f"UPDATE stock_movements SET quantity = 2 WHERE {_OF_ITEM} AND NOT {_FIRST}", **item._asdict())
        tampered.tamper(f"UPDATE stock_movements SET balance_after = 11 WHERE {_OF_ITEM}", **beside._asdict())
        query = text(f"SELECT movement_id FROM stock_movements WHERE {_OF_ITEM} ORDER BY movement_id")
        ids = tampered.connection.execute(query, item._asdict()).scalars().all()
        [other] = tampered.connection.execute(query, beside._asdict()).scalars().all()
        assert [off(finding) for finding in Auditing(tampered, item.warehouse_id).found()] == [
            Off(SUM, item, 32, 21),
            *(Off(CHAIN, item, 11 + at, 10 + at, f"movement {ids[at]}") for at in range(1, 11)),
            Off(BALANCE, beside, 11, 10),
            Off(CHAIN, beside, 10, 11, f"movement {other}"),
        ]


def test_nothing_is_found_where_everything_agrees(engine: Engine, database: Database, shop: Shop) -> None:
    item, order = stocked(shop, database)
    auditing = Auditing(database, item.warehouse_id)
    with nothing_changes(engine, item), nothing_is_found(engine, item.warehouse_id):
        assert [(page.checked, page.findings) for page in auditing.all_items()] == [(3, [])]
    Steps(database).fulfill(order)
    assert auditing.found() == []


def test_everywhere_is_everywhere_and_a_warehouse_is_only_that(engine: Engine, database: Database, shop: Shop) -> None:
    here, there = stocked(shop, database)[0], stocked(shop, database)[0]
    with tampering(engine) as tampered:
        for item in (here, there):
            tampered.tamper(f"UPDATE inventory_items SET quantity_reserved = 1 WHERE {_OF_ITEM}", **item._asdict())
        assert [off(finding) for finding in Auditing(tampered, here.warehouse_id).found()] == [
            Off(RESERVED, here, 3, 1)
        ]
        everywhere = [off(finding) for finding in Auditing(tampered, None).found()]
        assert [each for each in everywhere if each.item in (here, there)] == [
            Off(RESERVED, here, 3, 1),
            Off(RESERVED, there, 3, 1),
        ]


def test_a_warehouse_that_is_not_there_is_refused(database: Database) -> None:
    assert refused(Auditing(database, 2**62).items) == ("UnknownWarehouse", {"warehouse_ids": [2**62]})


@pytest.mark.parametrize(("size", "pages"), [(1, [1, 1, 1, 0]), (2, [2, 1]), (3, [3, 0]), (4, [3])])
def test_pages_go_over_every_item_once(
    engine: Engine,
    database: Database,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    pages: list[int],
) -> None:
    items = shop.items(3, units=10)
    shop.item(10)  # It comes after them, elsewhere.
    monkeypatch.setattr(stock_audit, "ITEMS_A_PAGE", size)
    with tampering(engine) as tampered:
        change = "UPDATE inventory_items SET quantity_reserved = 1 WHERE warehouse_id = :warehouse_id"
        tampered.tamper(change, warehouse_id=items[0].warehouse_id)
        found = Auditing(tampered, items[0].warehouse_id).all_items()
        assert [page.checked for page in found] == pages
        assert [off(finding) for page in found for finding in page.findings] == [
            Off(RESERVED, item, 0, 1) for item in items
        ]


def test_what_moves_while_it_is_audited_is_no_finding(
    engine: Engine, database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody who writes waits for the audit either: they go on until it is over."""
    monkeypatch.setattr(stock_audit, "ITEMS_A_PAGE", 2)
    items, over, steps = shop.items(5, units=1_000_000), threading.Event(), Steps(database)
    auditing, rounds = Auditing(database, items[0].warehouse_id), [0, 0, 0]

    def write(number: int) -> None:
        while not over.is_set():
            order = new_reference()
            steps.reserve(order, (items[number], 2), (items[number + 1], 1))
            shop.move(items[number], 3, -2)
            if rounds[number] % 2:
                steps.fulfill(order)
            else:
                steps.cancel(order)
            rounds[number] += 1

    with ThreadPoolExecutor(3) as threads, nothing_is_found(engine, items[0].warehouse_id):
        try:
            writers = [threads.submit(write, number) for number in range(3)]
            while min(rounds) < 6 and not any(each.done() for each in writers):
                pages = auditing.all_items()
                assert [(page.checked, page.findings) for page in pages] == [(2, []), (2, []), (1, [])]
        finally:
            over.set()
        for each in writers:
            each.result(WAIT_SECONDS)
