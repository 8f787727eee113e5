"""What a person has decided about a finding: what is repaired, what can't be, and that it happens once."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from database.sessions import Database
from stockkeeper.contracts.reservation import FulfillLine
from stockkeeper.domain.stock import ItemKey
from tests.support.audit_tampering import Tampered, tampering
from tests.support.auditor import Mark, findings
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON, refused
from tests.support.steps.reservation import Steps
from tests.support.steps.stock_audit import OF_ITEM, Auditing, Deciding, Off, level, off, one, set_item
from tests.support.steps.transfer import TransferCalls

BALANCE, RESERVED, WITHOUT_RUN = "ON_HAND_IS_NOT_THE_LAST_BALANCE", "RESERVED_IS_NOT_THE_HOLDS", "HOLD_WITHOUT_RUN"
NIGHT = timedelta(days=1)


def test_on_hand_is_brought_to_the_last_balance(engine: Engine, database: Database, shop: Shop) -> None:
    item = shop.item(10)
    Steps(database).reserve(new_reference(), (item, 4))
    shop.move(item, 5, -3)
    with tampering(engine) as tampered:
        set_item(tampered, item, on_hand=99)
        total, balance = Auditing(tampered, item.warehouse_id).found()
        deciding = Deciding(tampered)
        repaired = deciding.repair(balance, performed_by="ann", reason="somebody typed it in")
        assert level(tampered, item) == (12, 4)
        assert (repaired.status, repaired.closed_at, repaired.closed_by, repaired.closed_reason) == (
            "REPAIRED",
            NOON,
            "ann",
            "somebody typed it in",
        )
        assert off(repaired) == Off(BALANCE, item, 12, 99)
        # The sum agrees by that, which the next audit sees.
        night = Auditing(tampered, item.warehouse_id, since=NOON + NIGHT)
        assert (night.found(), night.close()) == ([], 1)
        assert deciding.show(total).status == "GONE"
        assert deciding.show(balance).status == "REPAIRED"


def test_on_hand_of_an_item_that_never_moved_is_nothing(engine: Engine, shop: Shop) -> None:
    item = shop.item(0)
    with tampering(engine) as tampered:
        set_item(tampered, item, on_hand=7)
        _, balance = Auditing(tampered, item.warehouse_id).found()
        assert Deciding(tampered).repair(balance).status == "REPAIRED"
        assert level(tampered, item) == (0, 0)


_LAST = f"movement_id = (SELECT max(movement_id) FROM stock_movements {OF_ITEM})"


def _movements(tampered: Tampered, item: ItemKey) -> list[tuple[Any, ...]]:
    """The item's, as they were written."""
    query = text(f"""
        SELECT movement_type, quantity, balance_after, reference_id, performed_by, reason, operation_id
        FROM stock_movements {OF_ITEM} ORDER BY movement_id
    """)
    return [tuple(row) for row in tampered.connection.execute(query, item._asdict())]


@pytest.mark.parametrize(
    ("change", "balance"),
    [
        ("balance_after = 11", 11),
        ("balance_after = 2", 2),
        ("balance_after = 40", 40),
        ("balance_after = 11, created_at = created_at + interval '1 day'", 11),
        ("created_at = created_at - interval '1 day'", 10),
    ],
)
def test_a_last_balance_that_is_wrong_itself_is_led_back_to_what_is_there(
    engine: Engine, database: Database, shop: Shop, change: str, balance: int
) -> None:
    """Nothing comes from nowhere, what is reserved stays, and the item moves again."""
    item = shop.item(10)
    shop.move(item, 2)
    order = _held(database, item, 3)
    with tampering(engine) as tampered:
        tampered.tamper(f"UPDATE stock_movements SET {change} WHERE {_LAST}", **item._asdict())
        first, *others = Auditing(tampered, item.warehouse_id).found()
        assert off(first) == Off(BALANCE, item, balance, 12)
        before = _movements(tampered, item)
        Deciding(tampered).repair(first, performed_by="ann", reason="somebody typed it in", operation="audit/42")
        assert level(tampered, item) == (12, 3)
        booked = (f"finding-{first.finding_id}", "ann", "somebody typed it in", "audit/42")
        assert _movements(tampered, item) == [*before, ("ADJUSTMENT", 12 - balance, 12, *booked)]
        # What was wrong in the past is wrong still, and the sum has it now; it can be accepted, and stays quiet.
        night = Auditing(tampered, item.warehouse_id, since=NOON + NIGHT)
        total, *still = night.found()
        assert off(total) == Off("ON_HAND_IS_NOT_THE_SUM", item, 24 - balance, 12)
        assert [each.finding_id for each in still] == [each.finding_id for each in others]
        for finding in (total, *still):
            Deciding(tampered).accept(finding)
        Steps(tampered).fulfill(order)
        assert level(tampered, item) == (9, 0)
        assert Auditing(tampered, item.warehouse_id, since=NOON + 2 * NIGHT).found() == []


def test_on_hand_is_not_repaired_where_nothing_says_what_it_is(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    shop.move(item, 2)
    with tampering(engine) as tampered:
        tampered.tamper(f"UPDATE stock_movements SET balance_after = 11 WHERE {_LAST}", **item._asdict())
        set_item(tampered, item, on_hand=13)
        finding = Auditing(tampered, item.warehouse_id).found()[1]
        assert off(finding) == Off(BALANCE, item, 11, 13)
        deciding = Deciding(tampered)
        before = (deciding.show(finding), _movements(tampered, item))
        with pytest.raises(
            ApplicationError, match=r"neither on hand \(13\) nor the last balance \(11\) is the sum"
        ) as no:
            deciding.repair(finding)
        assert no.value.type == "InvalidState"
        assert (deciding.show(finding), _movements(tampered, item)) == before
        assert level(tampered, item) == (13, 0)


@pytest.mark.parametrize("reserved", [0, 2, 10])
def test_reserved_is_brought_to_the_sum_of_the_holds(
    engine: Engine, database: Database, shop: Shop, reserved: int
) -> None:
    item = shop.item(10)
    for units in (3, 4):
        Steps(database).reserve(new_reference(), (item, units))
    Steps(database).cancel(_held(database, item, 2))
    with tampering(engine) as tampered:
        set_item(tampered, item, reserved=reserved)
        finding = one(Auditing(tampered, item.warehouse_id).found())
        assert off(finding) == Off(RESERVED, item, 7, reserved)
        assert Deciding(tampered).repair(finding).status == "REPAIRED"
        assert level(tampered, item) == (10, 7)
        assert Auditing(tampered, item.warehouse_id, since=NOON + NIGHT).found() == []


def _held(database: Database, *lines: Any) -> str:
    """The reference of a new order, which holds the lines, or so many units of the item."""
    order = new_reference()
    Steps(database).reserve(order, *([lines] if isinstance(lines[0], ItemKey) else lines))
    return order


def _lines(tampered: Tampered, order: str) -> list[tuple[Any, ...]]:
    """What an order holds or held."""
    query = text("""
        SELECT product_id, quantity, quantity_fulfilled, status, closed_at, closed_by, closed_reason
        FROM reservations WHERE reference_id = :order ORDER BY reservation_id
    """)
    return [tuple(row) for row in tampered.connection.execute(query, {"order": order})]


def test_a_hold_without_a_run_is_ended(engine: Engine, database: Database, shop: Shop) -> None:
    """On the one item that the finding is about, and nobody else's."""
    item, beside = shop.items(2, units=20)
    order = _held(database, (item, 4), (beside, 2), (item, 3))
    _held(database, item, 5)
    Steps(database).fulfill(order, [_fulfilled(item, 5)])
    with tampering(engine) as tampered:
        here, there = Auditing(tampered, item.warehouse_id).check_holds(f"reservation-{order}").findings
        assert [off(here), off(there)] == [
            Off(WITHOUT_RUN, item, 0, 2, f"order {order}"),
            Off(WITHOUT_RUN, beside, 0, 2, f"order {order}"),
        ]
        deciding = Deciding(tampered)
        deciding.repair(here, reason="the run was terminated", operation="audit/42")
        assert (level(tampered, item), level(tampered, beside)) == ((15, 5), (20, 2))
        ended = (NOON, "audit/42", "the run was terminated")
        shipped = (NOON, f"reservation-{order}/fulfill/1", None)
        assert _lines(tampered, order) == [
            (item.product_id, 4, 4, "FULFILLED", *shipped),
            (beside.product_id, 2, 0, "ACTIVE", None, None, None),
            (item.product_id, 3, 1, "CANCELLED", *ended),
        ]
        assert deciding.show(there).status == "OPEN"
        assert Auditing(tampered, item.warehouse_id, since=NOON + NIGHT).found() == []


def _fulfilled(item: ItemKey, units: int) -> Any:
    return FulfillLine(product_id=item.product_id, quantity=units)


def test_a_transfer_without_a_run_is_called_off(engine: Engine, database: Database, shop: Shop) -> None:
    """It holds all of its lines or none, so one finding of it settles the others."""
    item, beside = shop.items(2, units=20)
    number = TransferCalls(database).held(shop.warehouse(), (item, 4), (beside, 2))
    _held(database, item, 5)
    with tampering(engine) as tampered:
        here, there = Auditing(tampered, item.warehouse_id).check_holds(f"transfer-{number}").findings
        deciding = Deciding(tampered)
        deciding.repair(here, reason="the run was terminated", operation="audit/42")
        assert (level(tampered, item), level(tampered, beside)) == ((20, 5), (20, 0))
        ended = ("CANCELLED", NOON, "audit/42", "the run was terminated")
        assert _lines(tampered, number) == [
            (item.product_id, 4, 0, *ended),
            (beside.product_id, 2, 0, *ended),
        ]
        query = text("""
            SELECT status, closed_at, closed_by, closed_reason FROM transfer_orders WHERE transfer_number = :number
        """)
        assert tuple(tampered.connection.execute(query, {"number": number}).one()) == ended
        deciding.repair(there)
        assert (level(tampered, item), level(tampered, beside)) == ((20, 5), (20, 0))
        assert findings(tampered.connection, Mark(item.warehouse_id - 1)) == []


def test_a_hold_that_has_ended_meanwhile_is_repaired_by_nothing(engine: Engine, database: Database, shop: Shop) -> None:
    item = shop.item(10)
    order = _held(database, item, 4)
    with tampering(engine) as tampered:
        finding = one(Auditing(tampered, item.warehouse_id).check_holds(f"reservation-{order}").findings)
        Steps(tampered).cancel(order)
        before = _lines(tampered, order)
        assert Deciding(tampered).repair(finding).status == "REPAIRED"
        assert (level(tampered, item), _lines(tampered, order)) == ((10, 0), before)


def test_a_repair_that_would_promise_more_than_is_there_is_refused(
    engine: Engine, database: Database, shop: Shop
) -> None:
    """On hand below what is reserved, and holds of more than is on hand; nothing has changed then."""
    item, beside = shop.items(2, units=4)
    shop.move(item, 6)
    Steps(database).reserve(new_reference(), (item, 5), (beside, 3))
    with tampering(engine) as tampered:
        tampered.tamper(f"DELETE FROM stock_movements WHERE {_LAST}", **item._asdict())
        tampered.tamper(f"UPDATE reservations SET quantity = 5 {OF_ITEM}", **beside._asdict())
        _, balance, held = Auditing(tampered, item.warehouse_id).found()
        assert [off(balance), off(held)] == [Off(BALANCE, item, 4, 10), Off(RESERVED, beside, 5, 3)]
        deciding = Deciding(tampered)
        before = [deciding.show(each) for each in (balance, held)]
        for finding in (balance, held):
            refusal = refused(partial(deciding.repair, finding, operation="audit/7"))
            assert refusal == ("InvalidState", {"status": "OPEN", "command": "repair"})
        assert (level(tampered, item), level(tampered, beside)) == ((10, 5), (4, 3))
        assert [deciding.show(each) for each in (balance, held)] == before
        unknown = tampered.connection.execute(text("SELECT 1 FROM operations WHERE operation_id = 'audit/7'"))
        assert unknown.all() == []


def test_a_hold_of_which_less_is_reserved_is_not_ended_before_that_is_repaired(
    engine: Engine, database: Database, shop: Shop
) -> None:
    item = shop.item(10)
    order = _held(database, item, 4)
    with tampering(engine) as tampered:
        set_item(tampered, item, reserved=3)
        auditing, deciding = Auditing(tampered, item.warehouse_id), Deciding(tampered)
        reserved = one(auditing.found())
        hold = one(auditing.check_holds(f"reservation-{order}").findings)
        before = _lines(tampered, order)
        with pytest.raises(ApplicationError, match=r"less is reserved than is held; repair that finding first"):
            deciding.repair(hold)
        assert (level(tampered, item), _lines(tampered, order)) == ((10, 3), before)
        deciding.repair(reserved)
        deciding.repair(hold)
        assert level(tampered, item) == (10, 0)


@pytest.mark.parametrize("kind", ["ON_HAND_IS_NOT_THE_SUM", "BALANCES_DO_NOT_FOLLOW", "RUN_WITHOUT_HOLD"])
def test_what_is_about_the_past_is_not_repaired(engine: Engine, shop: Shop, kind: str) -> None:
    item = shop.item(10)
    with tampering(engine) as tampered:
        tampered.tamper(f"UPDATE stock_movements SET quantity = 9 {OF_ITEM}", **item._asdict())
        auditing, deciding = Auditing(tampered, item.warehouse_id), Deciding(tampered)
        found = [*auditing.found(), *auditing.check_runs("of-nobody").findings]
        finding = one([each for each in found if each.kind == kind])
        before = deciding.show(finding)
        assert refused(lambda: deciding.repair(finding)) == ("InvalidState", {"status": kind, "command": "repair"})
        assert (deciding.show(finding), level(tampered, item)) == (before, (10, 0))
        assert deciding.accept(finding).status == "ACCEPTED"


def test_what_was_decided_is_decided_once(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    with tampering(engine) as tampered:
        set_item(tampered, item, reserved=1)
        finding, deciding = one(Auditing(tampered, item.warehouse_id).found()), Deciding(tampered)
        repaired = deciding.repair(finding, performed_by="ann", reason="I looked", operation="audit/1")
        set_item(tampered, item, reserved=2)
        assert deciding.repair(finding, performed_by="ann", reason="I looked", operation="audit/1") == repaired
        assert refused(lambda: deciding.repair(finding, reason="otherwise", operation="audit/1"))[0] == (
            "OperationConflict"
        )
        for decide in (deciding.repair, deciding.accept):
            assert refused(partial(decide, finding)) == (
                "InvalidState",
                {"status": "REPAIRED", "command": decide.__name__},
            )
        assert (deciding.show(finding), level(tampered, item)) == (repaired, (10, 2))
        # It has happened again, which is another finding.
        again = one(Auditing(tampered, item.warehouse_id, since=NOON + NIGHT).found())
        assert (again.finding_id != finding.finding_id, again.is_new) == (True, True)


def test_a_finding_that_is_not_there_is_refused(database: Database) -> None:
    deciding = Deciding(database)
    for decide in (deciding.repair, deciding.accept):
        assert refused(partial(decide, 2**62)) == ("InvalidRequest", {})
