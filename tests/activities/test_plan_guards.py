"""What the database itself refuses of plans and of the items that they are of, whatever the code thinks."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, OperationalError

from database.binary_arrays import bigints
from database.locks import lock_many
from database.pipeline import send
from stockkeeper.domain.stock import ItemKey
from tests.support.past import SEED, Past
from tests.support.shop import Shop
from tests.support.steps.replenishment_plan import Planning, plans_stay

pytestmark = pytest.mark.usefixtures("nothing_else_to_order")

_OF = "WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"
_ANOTHER = """
    INSERT INTO item_plans (warehouse_id, product_id, supplier_id, days, daily_mean, daily_deviation, lead_time_days,
        service_level, safety_stock, economic_order_quantity, reorder_point, reorder_quantity, planned_at)
    SELECT {}, days, daily_mean, daily_deviation, lead_time_days, service_level, safety_stock,
        economic_order_quantity, reorder_point, reorder_quantity, planned_at
    FROM item_plans
"""
_OF_NO_ITEM = f"{_ANOTHER.format('warehouse_id, -1, supplier_id')} {_OF}"
_OF_NO_SUPPLIER = f"{_ANOTHER.format('warehouse_id, :other_id, -1')} {_OF}"

_LOCKED_FOR = {
    strength: text(f"SELECT FROM inventory_items {_OF} FOR {strength} NOWAIT")
    for strength in ("UPDATE", "NO KEY UPDATE")
}


@pytest.fixture
def planned(planning: Planning, past: Past) -> ItemKey:
    """An item with a plan, and with reorder points of the past."""
    item = past.supplied(*SEED)
    assert planning.run(item.warehouse_id).changed == 1
    return item


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (_OF_NO_ITEM, "an item that isn't there"),
        (_OF_NO_SUPPLIER, "a supplier that isn't there"),
        (f"UPDATE item_plans SET supplier_id = -1 {_OF}", "a supplier that isn't there"),
        (f"UPDATE item_plans SET product_id = :other_id {_OF}", "the key of a row stays"),
        (f"UPDATE inventory_items SET product_id = product_id + 1000000 {_OF}", "the key of a row stays"),
        ("UPDATE suppliers SET supplier_id = DEFAULT WHERE supplier_id = :supplier_id", "the key of a row stays"),
    ],
)
def test_a_plan_is_of_an_item_and_a_supplier_that_are_there(
    engine: Engine, shop: Shop, planned: ItemKey, statement: str, message: str
) -> None:
    other = shop.item(1, warehouse=planned.warehouse_id)
    of = planned._asdict() | {"other_id": other.product_id, "supplier_id": _supplier_of(engine, planned)}
    with plans_stay(engine, planned, other), pytest.raises(IntegrityError, match=message), engine.begin() as connection:
        assert connection.execute(text(statement), of).rowcount == 1


@pytest.mark.parametrize(
    ("first", "statement", "message"),
    [
        ("reorder_points", f"DELETE FROM inventory_items {_OF}", "an item has a plan"),
        ("item_plans", f"DELETE FROM inventory_items {_OF}", "reorder points of the past"),
        ("reorder_points", "DELETE FROM suppliers WHERE supplier_id = :supplier_id", "a supplier has plans"),
    ],
)
def test_what_a_plan_is_of_cannot_go_before_it(
    engine: Engine, planned: ItemKey, first: str, statement: str, message: str
) -> None:
    of = planned._asdict() | {"supplier_id": _supplier_of(engine, planned)}
    with plans_stay(engine, planned), engine.connect() as connection:
        # Other foreign keys to the item or to the supplier would refuse it as well.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("daily_demand", "stock_movements", first):
            connection.execute(text(f"DELETE FROM {table} {_OF}"), of)
        connection.execute(text("DELETE FROM product_suppliers WHERE supplier_id = :supplier_id"), of)
        connection.execute(text("SET LOCAL session_replication_role = origin"))
        with pytest.raises(IntegrityError, match=message):
            connection.execute(text(statement), of)


def test_a_plan_may_change_to_another_supplier_that_is_there(engine: Engine, shop: Shop, planned: ItemKey) -> None:
    of = planned._asdict() | {"supplier_id": shop.supplier()}
    with engine.begin() as connection:
        changed = connection.execute(text(f"UPDATE item_plans SET supplier_id = :supplier_id {_OF}"), of)
        assert changed.rowcount == 1
    assert _supplier_of(engine, planned) == of["supplier_id"]


def test_item_of_a_plan_that_is_being_written_can_be_held_and_cannot_go(
    engine: Engine, shop: Shop, planned: ItemKey
) -> None:
    other = shop.item(1, warehouse=planned.warehouse_id)
    statement = f"{_ANOTHER.format('warehouse_id, :other_id, supplier_id')} {_OF}"
    with engine.connect() as writing, engine.connect() as meanwhile:
        assert writing.execute(text(statement), planned._asdict() | {"other_id": other.product_id}).rowcount == 1
        assert meanwhile.execute(_LOCKED_FOR["NO KEY UPDATE"], other._asdict()).rowcount == 1
        with pytest.raises(OperationalError, match="could not obtain lock"):
            meanwhile.execute(_LOCKED_FOR["UPDATE"], other._asdict())
        writing.rollback()


def test_items_that_are_locked_for_their_points_answer_with_those_below(
    engine: Engine, shop: Shop, planned: ItemKey
) -> None:
    other = shop.item(1_000_000, warehouse=planned.warehouse_id)
    with engine.connect() as writing, engine.connect() as meanwhile:
        writing.execute(text(f"UPDATE inventory_items SET reorder_point = 1000000 {_OF}"), planned._asdict())
        arrays = ([planned.warehouse_id] * 2, [other.product_id, planned.product_id])
        [below] = send(writing, [lock_many(*map(bigints, arrays))])
        assert below == [planned]
        with pytest.raises(OperationalError, match="could not obtain lock"):
            meanwhile.execute(_LOCKED_FOR["NO KEY UPDATE"], other._asdict())
        writing.rollback()


def _supplier_of(engine: Engine, item: ItemKey) -> int:
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT supplier_id FROM item_plans {_OF}"), item._asdict())
        return int(found.scalar_one())
