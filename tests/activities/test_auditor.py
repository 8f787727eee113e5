"""The tests' own auditor finds what is off, and so does the product's audit: a check that can't fail proves nothing."""

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.support.auditor import findings
from tests.support.lots import lot_item, set_aside
from tests.support.shop import Shop, new_reference
from tests.support.steps.purchase_order import Buying, came
from tests.support.steps.reorder import reordered_in_two_places
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived
from tests.support.tampering import kinds_found, tampering, told_of

_OF_ITEM = "WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"
_LAST = f"WHERE movement_id = (SELECT max(movement_id) FROM stock_movements {_OF_ITEM})"

SUM = "ON_HAND_IS_NOT_THE_SUM"
BALANCE = "ON_HAND_IS_NOT_THE_LAST_BALANCE"
RESERVED = "RESERVED_IS_NOT_THE_HOLDS"
CHAIN = "BALANCES_DO_NOT_FOLLOW"
ALONE = "MOVEMENT_WITHOUT_DOCUMENT"
ENTRY = "LINE_IS_NOT_ITS_ENTRIES"

TAMPERED = {
    "on hand": (
        f"UPDATE inventory_items SET quantity_on_hand = 13 {_OF_ITEM}",
        ["add up to 12", "last balance 12"],
        {SUM, BALANCE},
    ),
    "reserved": (
        f"UPDATE inventory_items SET quantity_reserved = 1 {_OF_ITEM}",
        ["reserved 1, open reservations 3"],
        {RESERVED},
    ),
    "a hold": (
        f"UPDATE reservations SET quantity = 4 {_OF_ITEM}",
        ["reserved 3, open reservations 4"],
        {RESERVED},
    ),
    "a movement's units": (
        f"UPDATE stock_movements SET quantity = 3 {_LAST}",
        ["add up to 13", "10 and 3 make 12"],
        {SUM, CHAIN},
    ),
    "a balance": (
        f"UPDATE stock_movements SET balance_after = 11 {_LAST}",
        ["last balance 11", "10 and 2 make 11"],
        {BALANCE, CHAIN},
    ),
    "an instant": (
        f"UPDATE stock_movements SET created_at = created_at - interval '1 day' {_LAST}",
        ["last balance 10", "not later than the one before"],
        {BALANCE, CHAIN},
    ),
    "a lost movement": (
        f"DELETE FROM stock_movements {_LAST}",
        ["add up to 10", "last balance 10"],
        {SUM, BALANCE},
    ),
    "a lost result": (
        "UPDATE operations SET result = NULL WHERE operation_id LIKE 'reservation-tampered-%'",
        ["no result"],
        {"OPERATION_WITHOUT_RESULT"},
    ),
}

_ORDER = "WHERE po_id = (SELECT po_id FROM purchase_orders WHERE po_number = :po_number)"
_LINE = f"{_ORDER} AND line_number = 1"
_PURCHASE = "WHERE reference_id = :po_number AND quantity = 2"

LINES = ENTRY
PURCHASED = "RECEIVED_IS_NOT_PURCHASED"
APPROVED = "APPROVAL_IS_MISSING"

# Of a line of five units two have come, and then one more with two rejected. Ann and Bob have approved.
TAMPERED_ORDERS = {
    "received units": (
        f"UPDATE purchase_order_lines SET quantity_received = 4 {_LINE}",
        ["line 1: received 4 and rejected 2, receipts add up to 3 and 2"],
        {LINES, PURCHASED},
    ),
    "rejected units": (
        f"UPDATE purchase_order_lines SET quantity_rejected = 1 {_LINE}",
        ["line 1: received 3 and rejected 1, receipts add up to 3 and 2"],
        {LINES},
    ),
    "a lost receipt": (
        f"DELETE FROM purchase_order_receipt_lines {_LINE} AND receipt_id = '1'",
        ["line 1: received 3 and rejected 2, receipts add up to 1 and 2", "receipts of 1, purchases of 3"],
        {LINES},
    ),
    "all receipts lost": (
        f"DELETE FROM purchase_order_receipt_lines {_LINE}",
        ["line 1: received 3 and rejected 2, receipts add up to 0 and 0", "receipts of 0, purchases of 3"],
        {LINES},
    ),
    "another receipt": (
        f"UPDATE purchase_order_receipt_lines SET quantity_rejected = 7 {_LINE} AND receipt_id = '1'",
        ["line 1: received 3 and rejected 2, receipts add up to 3 and 9"],
        {LINES},
    ),
    "a purchase for something else": (
        f"UPDATE stock_movements SET reference_id = 'something else' {_PURCHASE}",
        ["receipts of 3, purchases of 1", "order something else", "receipts of 0, purchases of 2"],
        {PURCHASED, ALONE},
    ),
    "a purchase that is none": (
        f"UPDATE stock_movements SET movement_type = 'ADJUSTMENT' {_PURCHASE}",
        ["receipts of 3, purchases of 1"],
        {PURCHASED},
    ),
    "an order without receipts or purchases": (
        f"DELETE FROM purchase_order_lines {_LINE}",
        ["receipts of 0, purchases of 3"],
        {PURCHASED},
    ),
    "a lost approval": (
        f"DELETE FROM purchase_order_approvals {_ORDER} AND approver = 'ann'",
        ["SUBMITTED with 1 of 2 approvals"],
        {APPROVED},
    ),
    "an order confirmed without approvals": (
        "UPDATE purchase_orders SET status = 'CONFIRMED', required_approvals = 3 WHERE po_number = :po_number",
        ["CONFIRMED with 2 of 3 approvals"],
        {APPROVED},
    ),
    "an order received without approvals": (
        """
            UPDATE purchase_orders SET status = 'RECEIVED', required_approvals = 3, closed_at = created_at,
                closed_by = 'test'
            WHERE po_number = :po_number
        """,
        ["RECEIVED with 2 of 3 approvals"],
        {APPROVED},
    ),
}

_OF_TRANSFER = "WHERE transfer_id = (SELECT transfer_id FROM transfer_orders WHERE transfer_number = :number)"
_ENTRY = f"{_OF_TRANSFER} AND kind ="
_HOLD = "WHERE (reference_type, reference_id) = ('TRANSFER', :pending)"
_LEG = "WHERE reference_id = :number AND movement_type ="

CARRIED = ENTRY
TAKEN = "MOVED_IS_NOT_TRANSFERRED"
ENTRIES = "line 1: not what its entries add up to"
VANISHED = "line 1: units appeared or vanished"

# Of five units two have arrived, one was damaged, and two are in transit; of another transfer four are still held.
TAMPERED_TRANSFERS: dict[str, tuple[list[str], list[str], set[str]]] = {
    "damaged units that are received ones": (
        [f"UPDATE transfer_order_lines SET received = 3, damaged = 0 {_OF_TRANSFER}"],
        [ENTRIES, "TRANSFER_IN of 2, its lines say 3"],
        {CARRIED, TAKEN},
    ),
    "units that were never written off": (
        [f"UPDATE transfer_order_lines SET written_off = 1, in_transit = 1 {_OF_TRANSFER}"],
        [ENTRIES],
        {CARRIED},
    ),
    "units that never came back": (
        [f"UPDATE transfer_order_lines SET returned = 1, damaged = 0 {_OF_TRANSFER}"],
        [ENTRIES, "TRANSFER_IN of 0, its lines say 1"],
        {CARRIED, TAKEN},
    ),
    "units that never left": (
        [f"UPDATE transfer_order_lines SET dispatched = 6, quantity = 6, in_transit = 3 {_OF_TRANSFER}"],
        [
            ENTRIES,
            "TRANSFER_OUT of -5, its lines say -6",
            "asked for 6 and dispatched 6, its hold says 5 and 5",
        ],
        {CARRIED, TAKEN},
    ),
    "a lost entry": ([f"DELETE FROM transit_movements {_ENTRY} 'DAMAGED'"], [ENTRIES], {CARRIED}),
    "all entries lost": ([f"DELETE FROM transit_movements {_OF_TRANSFER}"], [ENTRIES], {CARRIED}),
    "an entry's units": (
        [f"UPDATE transit_movements SET quantity = -2 {_ENTRY} 'DAMAGED'"],
        [ENTRIES],
        {CARRIED},
    ),
    "an entry's kind": (
        [f"UPDATE transit_movements SET kind = 'RECEIVED' {_ENTRY} 'DAMAGED'"],
        [ENTRIES],
        {CARRIED},
    ),
    "the last balance": (
        [f"UPDATE transit_movements SET balance_after = 1 {_ENTRY} 'DAMAGED'"],
        [ENTRIES],
        set(),
    ),
    # What the database refuses as long as the constraint is there.
    "a unit that vanished": (
        [
            "ALTER TABLE transfer_order_lines DROP CONSTRAINT transfer_order_lines_conserve",
            f"UPDATE transfer_order_lines SET in_transit = 1 {_OF_TRANSFER}",
        ],
        [ENTRIES, VANISHED],
        {CARRIED},
    ),
    "a line that asks for more than its hold": (
        [
            "ALTER TABLE transfer_order_lines DROP CONSTRAINT transfer_order_lines_whole",
            f"UPDATE transfer_order_lines SET quantity = 6 {_OF_TRANSFER}",
        ],
        ["asked for 6 and dispatched 5, its hold says 5 and 5"],
        {CARRIED},
    ),
    "less than nothing": (
        [
            "ALTER TABLE transfer_order_lines DROP CONSTRAINT transfer_order_lines_written_off_check",
            f"UPDATE transfer_order_lines SET written_off = -1, in_transit = 3 {_OF_TRANSFER}",
        ],
        [ENTRIES, VANISHED],
        {CARRIED},
    ),
    "an end with units in transit": (
        [
            """
                UPDATE transfer_orders SET status = 'RECEIVED', closed_at = created_at, closed_by = 'test'
                WHERE transfer_number = :number
            """
        ],
        ["RECEIVED with 2 in transit"],
        set(),
    ),
    "a transfer in transit that never left": (
        [
            """
                UPDATE transfer_orders SET status = 'IN_TRANSIT', dispatched_at = created_at
                WHERE transfer_number = :pending
            """
        ],
        ["IN_TRANSIT with 0 in transit"],
        set(),
    ),
    "an arrival for something else": (
        [f"UPDATE stock_movements SET reference_id = 'something else' {_LEG} 'TRANSFER_IN'"],
        ["TRANSFER_IN of 0, its lines say 2", "transfer something else", "TRANSFER_IN of 2, its lines say 0"],
        {TAKEN, ALONE},
    ),
    "a departure that is none": (
        [f"UPDATE stock_movements SET movement_type = 'ADJUSTMENT' {_LEG} 'TRANSFER_OUT'"],
        ["TRANSFER_OUT of 0, its lines say -5"],
        {TAKEN},
    ),
    "a lost arrival": (
        [f"DELETE FROM stock_movements {_LEG} 'TRANSFER_IN'"],
        ["TRANSFER_IN of 0, its lines say 2", "on hand 2, movements add up to 0", "on hand 2, last balance 0"],
        {TAKEN, SUM, BALANCE},
    ),
    "a lost hold": (
        [f"UPDATE reservations SET status = 'CANCELLED', closed_at = created_at, closed_by = 'test' {_HOLD}"],
        ["4 pending, 0 held", "reserved 4, open reservations 0"],
        {RESERVED},
    ),
    "a hold for something else": (
        [f"UPDATE reservations SET reference_id = 'something else' {_HOLD}"],
        [
            "4 pending, 0 held",
            "transfer something else: 0 pending, 4 held",
            "asked for 4 and dispatched 0, its hold says 0 and 0",
            "asked for 0 and dispatched 0, its hold says 4 and 0",
        ],
        {CARRIED},
    ),
    "a hold that is an order's": (
        [f"UPDATE reservations SET reference_type = 'ORDER' {_HOLD}"],
        ["4 pending, 0 held", "asked for 4 and dispatched 0, its hold says 0 and 0"],
        {CARRIED},
    ),
    "a hold that outlives its transfer": (
        [
            """
                UPDATE transfer_orders SET status = 'CANCELLED', closed_at = created_at, closed_by = 'test'
                WHERE transfer_number = :pending
            """
        ],
        ["0 pending, 4 held"],
        set(),
    ),
}


@pytest.mark.parametrize(("change", "found", "rules"), TAMPERED.values(), ids=TAMPERED)
def test_the_auditor_finds(
    engine: Engine, database: Database, shop: Shop, change: str, found: list[str], rules: set[str]
) -> None:
    item = shop.item(10)
    Steps(database).reserve(new_reference("tampered"), (item, 3))
    shop.move(item, 2)
    with tampering(engine) as connection:
        connection.execute(text(change), item._asdict())
        told_of(connection, found, rules)


def _order(database: Database, shop: Shop) -> tuple[str, ItemKey]:
    item, buying = shop.item(10), Buying(database)
    po_number = buying.order(shop, (item, 5), approvals=2)
    for approver in ("ann", "bob"):
        buying.approve(po_number, approver)
    buying.receive(po_number, "1", came(item, 2))
    buying.receive(po_number, "2", came(item, 1, rejected=2))
    return po_number, item


@pytest.mark.parametrize(("change", "found", "rules"), TAMPERED_ORDERS.values(), ids=TAMPERED_ORDERS)
def test_the_auditor_finds_of_an_order(
    engine: Engine, database: Database, shop: Shop, change: str, found: list[str], rules: set[str]
) -> None:
    po_number, _ = _order(database, shop)
    with tampering(engine) as connection:
        assert connection.execute(text(change), {"po_number": po_number}).rowcount
        told_of(connection, found, rules)


_OF_LOT = f"{_OF_ITEM} AND lot_number = 'L1'"
TAMPERED_LOTS = {
    "on hand": (
        f"UPDATE lot_items SET quantity_on_hand = 8 {_OF_LOT}",
        ["on hand 8, its movements add up to 7, the last balance is 7", "set aside 10/4/1, its lots have 11/4/1"],
        {"LOT_IS_NOT_ITS_MOVEMENTS", "ITEM_IS_NOT_ITS_LOTS"},
    ),
    "reserved": (
        f"UPDATE lot_items SET quantity_reserved = 3 {_OF_LOT}",
        ["reserved 3, its holds have 4", "set aside 10/4/1, its lots have 10/3/1"],
        {"LOT_RESERVED_IS_NOT_THE_HOLDS", "ITEM_IS_NOT_ITS_LOTS"},
    ),
    "set aside": (
        f"UPDATE lot_items SET quantity_unavailable = 0 {_OF_LOT}",
        ["set aside 0, in a state 1", "set aside 10/4/1, its lots have 10/4/0"],
        {"UNAVAILABLE_IS_NOT_ITS_STATES"},
    ),
    "a hold's lot": (
        f"UPDATE reservation_lots SET quantity_held = 5 {_OF_LOT}",
        ["reserved 4, its holds have 5", "holds 4 and has sent 0, its lots 5 and 0"],
        {"LOT_RESERVED_IS_NOT_THE_HOLDS", "LINE_IS_NOT_ITS_LOTS"},
    ),
    "a lot's balance": (
        f"UPDATE stock_movements SET lot_balance_after = 9 {_OF_LOT}",
        ["on hand 7, its movements add up to 7, the last balance is 9", "of its lot 0 and 7 make 9"],
        {"LOT_BALANCES_DO_NOT_FOLLOW"},
    ),
    "a lot that is stopped": (
        """
        UPDATE lots SET status = 'BLOCKED', status_reason = 'x', status_since = now(), status_by = 'x'
        WHERE product_id = :product_id AND lot_number = 'L1' AND :warehouse_id > 0
        """,
        ["it is BLOCKED, and 4 are held"],
        {"STOPPED_LOT_IS_HELD"},
    ),
}


@pytest.mark.parametrize(("change", "found", "rules"), TAMPERED_LOTS.values(), ids=TAMPERED_LOTS)
def test_the_auditor_finds_of_lots(
    engine: Engine, database: Database, shop: Shop, change: str, found: list[str], rules: set[str]
) -> None:
    item = lot_item(shop, ("L1", None, 7), ("L2", None, 3))
    Steps(database).reserve(new_reference("tampered"), (item, 4))
    set_aside(engine, item, "L1", 1)
    with tampering(engine) as connection:
        assert connection.execute(text(change), item._asdict()).rowcount
        told_of(connection, found, rules)


def _transfers(database: Database, shop: Shop) -> tuple[str, str]:
    """The numbers of one that is in transit and of one that is pending."""
    item, moving = shop.item(10), TransferCalls(database)
    there = shop.item(0, product=item.product_id).warehouse_id
    number = moving.sent(there, (item, 5))
    moving.receive(number, "1", arrived(item, 2))
    moving.receive(number, "2", arrived(item, 0, damaged=1))
    return number, moving.held(there, (item, 4))


@pytest.mark.parametrize(("changes", "found", "rules"), TAMPERED_TRANSFERS.values(), ids=TAMPERED_TRANSFERS)
def test_the_auditor_finds_of_a_transfer(
    engine: Engine, database: Database, shop: Shop, changes: list[str], found: list[str], rules: set[str]
) -> None:
    number, pending = _transfers(database, shop)
    with tampering(engine) as connection:
        for change in changes:
            assert connection.execute(text(change), {"number": number, "pending": pending}).rowcount
        told_of(connection, found, rules)


def test_the_auditor_finds_what_is_reordered_twice(engine: Engine, database: Database, shop: Shop) -> None:
    with reordered_in_two_places(database, shop) as (here, _, second), tampering(engine) as connection:
        change = "UPDATE purchase_orders SET warehouse_id = :warehouse_id WHERE po_number = :number"
        connection.execute(text(change), {"warehouse_id": here.warehouse_id, "number": second.po_number})
        told = f"product {here.product_id} in warehouse {here.warehouse_id}: reordered 2 times"
        told_of(connection, [told], {"REORDERED_TWICE"})


def test_the_auditor_finds_what_is_oversold(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    with tampering(engine) as connection:
        # What the database refuses as long as this is there.
        connection.execute(text("ALTER TABLE inventory_items DROP CONSTRAINT inventory_items_never_oversold"))
        change = f"UPDATE inventory_items SET quantity_reserved = 11 {_OF_ITEM}"
        connection.execute(text(change), item._asdict())
        told = ["reserved 11, open reservations 0", "reserved 11 of 10, available -1, set aside 0"]
        told_of(connection, told, {"RESERVED_EXCEEDS_ON_HAND", RESERVED})


@pytest.mark.parametrize("approver", ["rita", "ANN"])
def test_the_auditor_does_not_count_the_requesters_own_approval_nor_anybodys_twice(
    engine: Engine, database: Database, shop: Shop, approver: str
) -> None:
    po_number, _ = _order(database, shop)
    with tampering(engine) as connection:
        # What the database refuses as long as these are there.
        connection.execute(text("DROP INDEX purchase_order_approvals_distinct"))
        own = "ALTER TABLE purchase_order_approvals DROP CONSTRAINT purchase_order_approvals_not_own"
        connection.execute(text(own))
        change = f"UPDATE purchase_order_approvals SET approver = :approver {_ORDER} AND approver = 'bob'"
        connection.execute(text(change), {"po_number": po_number, "approver": approver})
        assert findings(connection) == [f"order {po_number}: SUBMITTED with 1 of 2 approvals"]


def test_nothing_is_said_of_books_that_agree(engine: Engine, database: Database, shop: Shop) -> None:
    po_number, item = _order(database, shop)
    Buying(database).close_short(po_number)
    shop.move(item, 2, -5)
    _transfers(database, shop)
    with tampering(engine) as connection:
        assert findings(connection) == []
        assert kinds_found(connection) == set()
