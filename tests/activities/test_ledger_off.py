"""Stock that was put in past the ledger: nobody is promised it, no movement follows it, and the audit names it."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from database import ledger
from database.locks import lock_items
from database.operations import Operation, once
from database.stock_rows import Moving
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.stock import ItemKey, MovementType
from tests.support.audit_tampering import Tampered, tampering
from tests.support.shop import Shop, new_reference
from tests.support.steps.reservation import Steps
from tests.support.steps.stock_audit import Auditing, Deciding, Off, level, off, set_item
from tests.support.steps.transfer import TransferCalls

SUM, BALANCE = "ON_HAND_IS_NOT_THE_SUM", "ON_HAND_IS_NOT_THE_LAST_BALANCE"
# Units by the ledger, and on hand.
PUT_IN = {"without any movement": (0, 7), "on top of its movements": (10, 15), "taken out of its movements": (10, 8)}


def _move(tampered: Tampered, item: ItemKey, units: int) -> None:
    operation = Operation(f"test/{new_reference()}", "adjust", {}, "tests", "test", "test")

    def book() -> dict[str, int]:
        lock_items(tampered.connection, [item])
        ledger.move(
            tampered.connection,
            operation,
            MovementType.PURCHASE,
            [Moving(item, units)],
            reference_id="x",
            reason="came",
        )
        return {}

    with tampered.transaction() as connection:
        once(connection, operation, book)


@pytest.mark.parametrize(("booked", "on_hand"), PUT_IN.values(), ids=PUT_IN)
def test_stock_without_a_movement_is_refused_at_the_hold_and_named_by_the_audit(
    engine: Engine, shop: Shop, booked: int, on_hand: int
) -> None:
    item, fine, elsewhere = shop.item(booked), shop.item(5), shop.warehouse()
    with tampering(engine) as tampered:
        set_item(tampered, item, on_hand=on_hand)
        name = text(
            "SELECT sku || ' in ' || name FROM inventory_items JOIN warehouses USING (warehouse_id) "
            "JOIN (SELECT product_id, sku FROM products) AS p USING (product_id) "
            "WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"
        )
        named = tampered.connection.execute(name, item._asdict()).scalar_one()
        told = (
            f"{named} has {on_hand} on hand, but its movements have left {booked}: the difference has no movement; "
            "run `stockkeeper audit` and repair its finding first"
        )
        refusals: list[Callable[[], object]] = [
            lambda: Steps(tampered).reserve(new_reference(), (fine, 1), (item, 1)),
            lambda: TransferCalls(tampered).hold(new_reference(), elsewhere, (item, 1)),
        ]
        for refusal in refusals:
            with pytest.raises(ApplicationError) as caught:
                refusal()
            assert (caught.value.type, caught.value.message) == ("InvalidRequest", told)
        for units in (3, -1):
            with pytest.raises(InvalidRequest) as refused:
                _move(tampered, item, units)
            assert str(refused.value) == told
        assert (level(tampered, item), level(tampered, fine)) == ((on_hand, 0), (5, 0))

        total, balance = Auditing(tampered, item.warehouse_id).found()
        assert [off(total), off(balance)] == [Off(SUM, item, booked, on_hand), Off(BALANCE, item, booked, on_hand)]
        Deciding(tampered).repair(balance)
        assert level(tampered, item) == (booked, 0)
        _move(tampered, item, 3)
        Steps(tampered).reserve(new_reference(), (item, booked + 3))
        assert level(tampered, item) == (booked + 3, booked + 3)


def test_a_hold_from_before_is_refused_when_it_ships_and_can_still_be_released(engine: Engine, shop: Shop) -> None:
    item, kept, ended = shop.item(10), new_reference(), new_reference()
    with tampering(engine) as tampered:
        steps = Steps(tampered)
        steps.reserve(kept, (item, 4))
        steps.reserve(ended, (item, 2))
        set_item(tampered, item, on_hand=12)
        with pytest.raises(ApplicationError, match="has 12 on hand, but its movements have left 10: ") as caught:
            steps.fulfill(kept)
        assert (caught.value.type, level(tampered, item)) == ("InvalidRequest", (12, 6))
        steps.cancel(ended)
        assert level(tampered, item) == (12, 4)
        *_, balance = Auditing(tampered, item.warehouse_id).found()
        Deciding(tampered).repair(balance)
        steps.fulfill(kept, operation="2")
        assert level(tampered, item) == (6, 0)
