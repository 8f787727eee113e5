"""Transfers of tracked products: what leaves, arrives, is lost and comes back of each lot."""

from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from stockkeeper.contracts import transfer as wire
from stockkeeper.contracts.transfer_state import ArrivedLine, PartLine
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.transfer import TransferStatus
from tests.support.books import level, nothing_changes
from tests.support.lots import TODAY, bring_lots, lot_books, lot_item, set_status
from tests.support.shop import Shop
from tests.support.steps.activity import NOON, forget, refused
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived, papers, transfer_stays

SOON, LATER = TODAY + timedelta(days=3), TODAY + timedelta(days=30)


def fit(item: ItemKey, lot_number: str | None, units: int, damaged: int = 0, **facts: date) -> ArrivedLine:
    """Units of a lot that have arrived."""
    line = {"product_id": item.product_id, "quantity": units, "damaged_quantity": damaged, "lot_number": lot_number}
    return ArrivedLine.model_validate({name: each for name, each in (line | facts).items() if each is not None})


def part(item: ItemKey, **lots: int) -> PartLine:
    """Units of these lots that leave, or are lost."""
    its = [{"lot_number": number, "quantity": units} for number, units in lots.items()]
    return PartLine.model_validate({"product_id": item.product_id, "quantity": sum(lots.values()), "lots": its})


def shown(transfer: wire.StoredTransfer, *names: str) -> dict[str, tuple[int, ...]]:
    """Units of each lot of the first line, by their names in the state."""
    return {lot.lot_number: tuple(getattr(lot, name) for name in names) for lot in transfer.line_items[0].lots}


def there(shop: Shop, item: ItemKey) -> ItemKey:
    """The product in another warehouse, where it has never been."""
    return ItemKey(warehouse_id=shop.warehouse(), product_id=item.product_id)


def test_the_held_lots_leave_and_arrive_by_lot(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("LATER", LATER, 5), ("SOON", SOON, 2))
    to = there(shop, item)
    number = moving.held(to.warehouse_id, (item, 4))
    assert lot_books(engine, item) == {"LATER": (5, 2, 0), "SOON": (2, 2, 0)}
    sent = moving.dispatch(number)
    assert shown(sent, "quantity", "held", "dispatched", "in_transit") == {"SOON": (2, 0, 2, 2), "LATER": (2, 0, 2, 2)}
    assert [lot.expires_on for lot in sent.line_items[0].lots] == [SOON, LATER]
    assert lot_books(engine, item) == {"LATER": (3, 0, 0)}
    came = moving.receive(number, "r1", fit(item, "LATER", 1, damaged=1), fit(item, "SOON", 1))
    assert shown(came, "received", "damaged", "in_transit") == {"SOON": (1, 0, 1), "LATER": (1, 1, 0)}
    assert lot_books(engine, to) == {"LATER": (1, 0, 0), "SOON": (1, 0, 0)}
    # One lot is in transit: it goes without saying.
    ended = moving.receive(number, "r2", arrived(item, 1))
    assert (ended.status, lot_books(engine, to)) == (TransferStatus.RECEIVED, {"LATER": (1, 0, 0), "SOON": (2, 0, 0)})
    assert _moved(engine, number) == [
        ("SOON", "TRANSFER_OUT", -2),
        ("LATER", "TRANSFER_OUT", -2),
        ("LATER", "TRANSFER_IN", 1),
        ("SOON", "TRANSFER_IN", 1),
        ("SOON", "TRANSFER_IN", 1),
    ]


def test_other_lots_may_be_loaded_if_they_are_free(
    moving: TransferCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("SOON", SOON, 3), ("LATER", LATER, 3))
    steps.reserve("an order", (item, 3))
    bring_lots(engine, item, ("EARLY", TODAY, 2))
    number = moving.held(there(shop, item).warehouse_id, (item, 3))
    assert lot_books(engine, item) == {"EARLY": (2, 2, 0), "LATER": (3, 1, 0), "SOON": (3, 3, 0)}
    with nothing_changes(engine, item), transfer_stays(engine, number):
        assert refused(lambda: moving.dispatch(number, part(item, SOON=1)))[0] == "InvalidRequest"
        assert refused(lambda: moving.dispatch(number, part(item, OTHER=1)))[0] == "InvalidRequest"
    sent = moving.dispatch(number, part(item, LATER=2), dispatch_id="d1")
    assert shown(sent, "quantity", "held", "in_transit") == {"EARLY": (1, 1, 0), "LATER": (2, 0, 2)}
    assert sent.line_items[0].held == 1
    assert lot_books(engine, item) == {"EARLY": (2, 1, 0), "LATER": (1, 0, 0), "SOON": (3, 3, 0)}
    assert moving.dispatch(number, part(item, LATER=2), dispatch_id="d1").is_repeat
    rest = moving.dispatch(number, operation="2")
    assert shown(rest, "quantity", "in_transit") == {"EARLY": (1, 1), "LATER": (2, 2)}


def test_a_lot_that_expired_while_it_was_held_is_replaced_or_refused(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("SOON", SOON, 2), ("LATER", LATER, 1))
    number, late = moving.held(there(shop, item).warehouse_id, (item, 2)), NOON + timedelta(days=4)
    with nothing_changes(engine, item), transfer_stays(engine, number):
        code, details = refused(lambda: moving.dispatch(number, as_of=late))
        assert (code, details) == ("InvalidState", {"status": "PENDING", "command": "dispatch"})
    bring_lots(engine, item, ("LATER", LATER, 1))
    assert shown(moving.dispatch(number, as_of=late, operation="2"), "in_transit") == {"LATER": (2,)}


def test_a_receipt_that_is_not_of_the_lots_in_transit_is_refused(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("SOON", SOON, 2), ("LATER", LATER, 2))
    number = moving.sent(there(shop, item).warehouse_id, (item, 3))
    with nothing_changes(engine, item), transfer_stays(engine, number):
        for line, why in (
            (fit(item, None, 2), "name the lots of the 2 units delivered"),
            (fit(item, "LATER", 2), "2 of lot LATER delivered, but only 1 in transit"),
            (fit(item, "soon", 1), "1 of lot soon delivered, but only 0 in transit"),
            (fit(item, "SOON", 1, expires_on=LATER), "expires on"),
        ):
            with pytest.raises(Exception, match=why):
                moving.receive(number, "r1", line)
    assert moving.receive(number, "r1", fit(item, None, 3)).status is TransferStatus.RECEIVED


def test_what_is_lost_is_lost_of_a_lot(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("SOON", SOON, 2), ("LATER", LATER, 2))
    number = moving.sent(there(shop, item).warehouse_id, (item, 4))
    with transfer_stays(engine, number):
        assert refused(lambda: moving.write_off(number, "lost", (item, 1)))[0] == "InvalidRequest"
        assert refused(lambda: moving.write_off(number, "lost", part(item, SOON=3)))[0] == "InvalidRequest"
    lost = moving.write_off(number, "lost", part(item, SOON=1), write_off_id="w1")
    assert shown(lost, "written_off", "in_transit") == {"SOON": (1, 1), "LATER": (0, 2)}
    assert moving.write_off(number, "lost", part(item, SOON=1), write_off_id="w1").is_repeat
    assert refused(lambda: moving.write_off(number, "lost", part(item, LATER=1), write_off_id="w1"))[0] == (
        "OperationConflict"
    )
    ended = moving.write_off(number)
    assert (ended.status, shown(ended, "written_off", "in_transit")) == (
        TransferStatus.RECEIVED,
        {"SOON": (2, 0), "LATER": (2, 0)},
    )


def test_a_cancellation_brings_the_lots_back(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("SOON", SOON, 2), ("LATER", LATER, 3))
    to = there(shop, item)
    number = moving.held(to.warehouse_id, (item, 4))
    moving.dispatch(number, part(item, SOON=2, LATER=1))
    moving.receive(number, "r1", fit(item, "SOON", 1))
    back = moving.cancel(number)
    assert (back.status, shown(back, "quantity", "received", "returned", "in_transit")) == (
        TransferStatus.CANCELLED,
        {"SOON": (2, 1, 1, 0), "LATER": (1, 0, 1, 0)},
    )
    assert lot_books(engine, item) == {"LATER": (3, 0, 0), "SOON": (1, 0, 0)}
    assert (lot_books(engine, to), level(engine, item), level(engine, to)) == ({"SOON": (1, 0, 0)}, (4, 0), (1, 0))


def test_a_lot_that_was_blocked_on_its_way_arrives_and_is_not_available(
    moving: TransferCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("L1", LATER, 2))
    to = there(shop, item)
    number = moving.sent(to.warehouse_id, (item, 2))
    set_status(engine, item, "L1", "BLOCKED")
    moving.receive(number, "r1", arrived(item, 2))
    assert lot_books(engine, to) == {"L1": (2, 0, 0)}
    assert refused(lambda: steps.reserve("late", (to, 1)))[0] == "InsufficientStock"


def test_a_receipt_is_recognised_by_its_lots(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("A", SOON, 2), ("B", LATER, 2))
    number = moving.sent(there(shop, item).warehouse_id, (item, 4))
    moving.receive(number, "r1", fit(item, "A", 1), fit(item, "B", 1))
    operation, before = f"transfer-{number}/receive/r1", papers(engine, number)
    for lines in ((fit(item, "B", 1), fit(item, "A", 1)), (fit(item, None, 2),)):
        forget(engine, operation)
        assert moving.receive(number, "r1", *lines).line_items[0].received == 2
    forget(engine, operation)
    assert refused(lambda: moving.receive(number, "r1", fit(item, "A", 2)))[0] == "OperationConflict"
    assert papers(engine, number) == before


def test_the_database_keeps_each_lot_in_transit_above_zero(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("A", SOON, 2), ("B", LATER, 2))
    number = moving.sent(there(shop, item).warehouse_id, (item, 4))
    with transfer_stays(engine, number):
        for lot, broken in (
            ("A", "lots_in_transit_have_left"),
            (None, "transit_names_lots"),
            ("C", "transit_names_lots"),
        ):
            with pytest.raises(IntegrityError) as caught, engine.begin() as connection:
                connection.execute(_LOSE_THREE, {"number": number, "lot": lot})
            assert broken in str(caught.value.orig.diag.constraint_name)  # type: ignore[union-attr]


_LOSE_THREE = text("""
    WITH lost AS (
        UPDATE transfer_order_lines SET written_off = 3, in_transit = 1
        WHERE transfer_id = (SELECT transfer_id FROM transfer_orders WHERE transfer_number = :number)
        RETURNING transfer_id)
    INSERT INTO transit_movements (
        transfer_id, line_number, kind, quantity, balance_after, reason, created_at, performed_by, operation_id,
        workflow_id, run_id, lot_number)
    SELECT transfer_id, 1, 'WRITTEN_OFF', -3, 1, 'lost', now(), 'me', 'by hand', 'w', 'r', :lot FROM lost
""")


def _moved(engine: Engine, number: str) -> list[tuple[str, str, int]]:
    statement = text("""
        SELECT lot_number, movement_type, quantity FROM stock_movements WHERE reference_id = :number
        ORDER BY movement_id
    """)
    with engine.connect() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(statement, {"number": number})]
