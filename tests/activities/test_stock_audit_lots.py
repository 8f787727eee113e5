"""Lots that aren't what their movements, their holds and their item say: each is broken past the rules, and found."""

import pytest
from sqlalchemy import Engine

from database.sessions import Database
from stockkeeper.domain.lot import Tracking
from stockkeeper.domain.stock import ItemKey
from tests.activities.test_stock_audit_rules import found, without
from tests.support.audit_tampering import tampering
from tests.support.lots import lot_books, lot_item
from tests.support.shop import Shop, new_reference
from tests.support.steps.reservation import Steps
from tests.support.steps.stock_audit import Auditing, Deciding, Off
from tests.support.told import telling

LOT = "UPDATE lot_items SET {} WHERE (warehouse_id, product_id, lot_number) = (:warehouse, :product, 'L1')"
ITEM = "UPDATE inventory_items SET {} WHERE (warehouse_id, product_id) = (:warehouse, :product)"


def _of(item: ItemKey) -> dict[str, int]:
    return {"warehouse": item.warehouse_id, "product": item.product_id}


def test_lots_that_agree_are_no_finding(engine: Engine, shop: Shop, steps: Steps) -> None:
    item = lot_item(shop, ("L1", None, 5), ("L2", None, 3))
    steps.reserve(new_reference(), (item, 6))
    with tampering(engine) as tampered:
        assert found(tampered, item.warehouse_id) == []


HELD = "UPDATE reservation_lots SET {} WHERE (warehouse_id, product_id, lot_number) = (:warehouse, :product, 'L1')"
MOVED = "UPDATE stock_movements SET {} WHERE (warehouse_id, product_id, lot_number) = (:warehouse, :product, 'L1')"
STOPPED = """
    UPDATE lots SET status = 'BLOCKED', status_reason = 'x', status_since = now(), status_by = 'x'
    WHERE (product_id, lot_number) = (:product, 'L1') AND :warehouse > 0
"""


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (
            LOT.format("quantity_on_hand = 7"),
            [("ITEM_IS_NOT_ITS_LOTS", 10, 8, "on hand"), ("LOT_IS_NOT_ITS_MOVEMENTS", 5, 7, "lot L1")],
        ),
        (
            LOT.format("quantity_reserved = 1"),
            [("ITEM_IS_NOT_ITS_LOTS", 2, 6, "reserved"), ("LOT_RESERVED_IS_NOT_THE_HOLDS", 5, 1, "lot L1")],
        ),
        (
            HELD.format("quantity_held = 3"),
            [("LOT_RESERVED_IS_NOT_THE_HOLDS", 3, 5, "lot L1"), ("LINE_IS_NOT_ITS_LOTS", 6, 4, "order {}")],
        ),
        (MOVED.format("lot_balance_after = 9"), [("LOT_BALANCES_DO_NOT_FOLLOW", 5, 9, "lot L1")]),
        (STOPPED, [("STOPPED_LOT_IS_HELD", 0, 5, "lot L1")]),
        (LOT.format("quantity_unavailable = 1"), [("UNAVAILABLE_IS_NOT_ITS_STATES", 0, 1, "lot L1")]),
        (ITEM.format("quantity_unavailable = 2"), [("UNAVAILABLE_IS_NOT_ITS_STATES", 0, 2, "")]),
    ],
)
def test_each_disagreement_is_found(
    engine: Engine, shop: Shop, steps: Steps, change: str, kinds: list[tuple[str, int, int, str]]
) -> None:
    item, reference = lot_item(shop, ("L1", None, 5), ("L2", None, 3)), new_reference()
    steps.reserve(reference, (item, 6))
    expected = [Off(kind, item, off, by, document.format(reference)) for kind, off, by, document in kinds]
    with tampering(engine) as tampered:
        without(tampered, "ALTER TABLE lot_items DROP CONSTRAINT lot_items_never_oversold")
        tampered.tamper(change, **_of(item))
        assert found(tampered, item.warehouse_id) == expected


def test_a_serial_number_on_two_units_is_found_at_both(engine: Engine, shop: Shop) -> None:
    item = lot_item(shop, ("S1", None, 1), tracking=Tracking.SERIAL)
    with tampering(engine) as tampered:
        tampered.tamper(
            "UPDATE lot_items SET quantity_on_hand = 2 WHERE (warehouse_id, product_id) = (:warehouse, :product)",
            **_of(item),
        )
        kinds = {each.kind: (each.expected, each.actual) for each in found(tampered, item.warehouse_id)}
    assert kinds == {
        "ITEM_IS_NOT_ITS_LOTS": (2, 1),
        "LOT_IS_NOT_ITS_MOVEMENTS": (1, 2),
        "SERIAL_IS_NOT_ONE_UNIT": (1, 2),
    }


def test_stock_without_lots_of_a_product_that_is_tracked_is_found(engine: Engine, shop: Shop) -> None:
    """As in a database that had stock when another one, with the catalogue, began to track it."""
    item = shop.item(4)
    with tampering(engine) as tampered:
        tampered.tamper("UPDATE products SET tracking = 'LOT' WHERE product_id = :product", product=item.product_id)
        tampered.tamper(ITEM.format("is_tracked = false"), **_of(item))
        assert found(tampered, item.warehouse_id) == [Off("TRACKED_WITHOUT_LOTS", item, 0, 4, "")]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (LOT.format("quantity_on_hand = 9"), "LOT_IS_NOT_ITS_MOVEMENTS"),
        (LOT.format("quantity_reserved = 1"), "LOT_RESERVED_IS_NOT_THE_HOLDS"),
    ],
)
def test_a_lot_is_brought_to_what_its_movements_and_holds_say(
    engine: Engine, shop: Shop, database: Database, change: str, kind: str
) -> None:
    item = lot_item(shop, ("L1", None, 5))
    Steps(database).reserve(new_reference(), (item, 4))
    with tampering(engine) as tampered:
        tampered.tamper(change, **_of(item))
        [finding] = [each for each in Auditing(tampered, item.warehouse_id).found() if each.kind == kind]
        with telling(tampered.connection) as told:
            assert Deciding(tampered).repair(finding).status == "REPAIRED"
        assert found(tampered, item.warehouse_id) == []
    assert [each.level for each in told if each.kind == "level.changed"] == [(5, 4, 1)]
    assert lot_books(engine, item) == {"L1": (5, 4, 0)}
