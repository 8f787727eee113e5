"""What others are told of reorder points, buffers, names, findings and repairs: each change once, by its operation."""

from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from database.sessions import Database
from stockkeeper.contracts.event import DATA
from stockkeeper.domain.event import EventKind
from stockkeeper.domain.stock import ItemKey
from tests.activities.test_buffer import Keeping
from tests.activities.test_product import Naming
from tests.support.audit_tampering import tampering
from tests.support.past import Past
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON
from tests.support.steps.replenishment_plan import Planning, names
from tests.support.steps.reservation import Steps
from tests.support.steps.stock_audit import OF_ITEM, Auditing, Deciding, set_item
from tests.support.steps.transfer import TransferCalls
from tests.support.told import Told, telling


def _units(on_hand: int, reserved: int, buffer: int, available: int, *, below: bool) -> dict[str, object]:
    units = {"on_hand": on_hand, "reserved": reserved, "buffer": buffer, "available": available}
    return {**{f"quantity_{name}": each for name, each in units.items()}, "below_reorder_point": below}


def _point(told: list[Told]) -> list[tuple[Any, ...]]:
    return [
        (each.data["reorder_point"], each.data["reorder_quantity"]) for each in told if "reorder_point" in each.data
    ]


def _levels(told: list[Told]) -> list[tuple[Any, ...]]:
    return [(*each.level, each.data["below_reorder_point"]) for each in told if each.kind == "level.changed"]


def _all_fit(told: list[Told]) -> bool:
    """Whether each has what its kind has, and nothing else."""
    return all(
        each.data.keys() == DATA[EventKind(each.kind)].model_validate(each.data).model_dump().keys() for each in told
    )


def _named(engine: Engine, item: ItemKey) -> dict[str, object]:
    sku, warehouse = names(engine, item)
    return {"product_id": item.product_id, "sku": sku, "warehouse_id": item.warehouse_id, "warehouse": warehouse}


def test_a_point_set_by_hand_is_told_with_the_level_that_it_is_above(
    planning: Planning, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    sku, warehouse = names(engine, item)
    with telling(engine) as told:
        planning.set(sku, warehouse, "manual", 12, 50, operation="by-hand-1")
    point, level = told
    subject, who = f"item/{item.warehouse_id}/{item.product_id}", ("by-hand-1", "olga", None)
    expected = _named(engine, item) | {"reorder_point": 12, "reorder_quantity": 50}
    assert point == ("reorder_point.changed", subject, expected, *who)
    units = _units(10, 0, 0, 10, below=True)
    assert level == ("level.changed", subject, _named(engine, item) | units, *who)
    assert _all_fit(told)
    with telling(engine) as more:
        planning.set(sku, warehouse, "manual", 12, 50, operation="by-hand-1")
        planning.set(sku, warehouse, "manual", 12, 50)
        planning.set(sku, warehouse, "auto")
        planning.set(sku, warehouse, "manual", 11, 50)
    assert (_point(more), _levels(more)) == ([(11, 50)], [])


def test_a_plan_tells_the_points_that_it_changes(planning: Planning, past: Past, engine: Engine) -> None:
    much = past.supplied(5, 7, 5, 3)
    little = past.supplied(5, 7, 5, 3, units=21, warehouse=much.warehouse_id)
    items = [much, little]
    warehouse = items[0].warehouse_id
    planning.roll_up()
    operation = f"{new_reference('plan')}/plan/1"
    with telling(engine) as told:
        planned = planning.page(warehouse, operation=operation)
    with engine.connect() as connection:
        now = connection.execute(
            text("""
                SELECT reorder_point, reorder_quantity FROM inventory_items WHERE warehouse_id = :warehouse
                ORDER BY product_id
            """),
            {"warehouse": warehouse},
        ).all()
    points = [each for each in told if each.kind == "reorder_point.changed"]
    assert (planned.changed, _point(points)) == (2, [tuple(row) for row in now])
    assert [(each.operation_id, each.performed_by, each.subject) for each in points] == [
        (operation, "planner", f"item/{item.warehouse_id}/{item.product_id}") for item in items
    ]
    # One of them is below its point by this.
    [below] = [each for each in told if each not in points]
    assert (below.subject, _levels([below])) == (points[1].subject, [(1, 0, 1, True)])
    assert _all_fit(told)
    with telling(engine) as again:
        planning.page(warehouse, operation=operation)
        planning.page(warehouse)
    assert again == []


def test_a_buffer_is_told_as_a_level(shop: Shop, database: Database, engine: Engine) -> None:
    item, keeping = shop.item(10), Keeping(database)
    with telling(engine) as told:
        keeping.keep(item, 3, operation="buffer-1")
        keeping.keep(item, 3, operation="buffer-1")
        keeping.keep(item, 3)
    [level] = told
    units = _units(10, 0, 3, 7, below=False)
    subject = f"item/{item.warehouse_id}/{item.product_id}"
    assert level == ("level.changed", subject, _named(engine, item) | units, "buffer-1", "olga", None)


def test_another_name_is_told_and_a_refused_one_is_not(shop: Shop, database: Database, engine: Engine) -> None:
    product, other, naming = shop.product(), shop.product(), Naming(database)
    sku, taken, new = _sku(engine, product), _sku(engine, other), new_reference("NEW")
    with telling(engine) as told:
        for _ in range(2):
            naming.rename(f"id:{product}", new, operation="rename-1")
        naming.rename(f"id:{product}", new)
        with pytest.raises(ApplicationError):
            naming.rename(f"id:{product}", taken)
    data = {"product_id": product, "sku": new, "former_sku": sku}
    assert told == [("product.renamed", f"product/{product}", data, "rename-1", "olga", None)]


def _sku(engine: Engine, product: int) -> str:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT sku FROM products WHERE product_id = :id"), {"id": product})
        return str(found.scalar_one())


def _findings(told: list[Told]) -> list[tuple[Any, ...]]:
    names = ("finding", "status", "expected", "actual")
    return [tuple(each.data[name] for name in names) for each in told if each.kind == "finding.changed"]


BALANCE = "ON_HAND_IS_NOT_THE_LAST_BALANCE"


def test_a_finding_is_told_when_it_comes_is_decided_and_goes(shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    with tampering(engine) as tampered:
        set_item(tampered, item, on_hand=12)
        audit, deciding = Auditing(tampered, item.warehouse_id), Deciding(tampered)
        with telling(tampered.connection) as told:
            total, balance = audit.found()
        assert _findings(told) == [(each.kind, "OPEN", 10, 12) for each in (total, balance)]
        assert [each.subject for each in told] == [f"finding/{each.finding_id}" for each in (total, balance)]
        assert _all_fit(told)
        with telling(tampered.connection) as seen_again:
            audit.found()
        assert seen_again == []
        with telling(tampered.connection) as accepted:
            deciding.accept(total, reason="known")
        assert _findings(accepted) == [(total.kind, "ACCEPTED", 10, 12)]
        assert accepted[0].reason == "known"
        set_item(tampered, item, on_hand=13)
        with telling(tampered.connection) as others:
            audit.found()
        assert _findings(others) == [(each.kind, "OPEN", 10, 13) for each in (total, balance)]
        with telling(tampered.connection) as repaired:
            deciding.repair(balance, performed_by="ann", reason="somebody typed it in")
        assert _levels(repaired) == [(10, 0, 10, False)]
        assert _findings(repaired) == [(balance.kind, "REPAIRED", 10, 13)]
        assert {(each.performed_by, each.reason) for each in repaired} == {("ann", "somebody typed it in")}
        night = Auditing(tampered, item.warehouse_id, since=NOON + 600 * MINUTE)
        with telling(tampered.connection) as gone:
            assert (night.found(), night.close()) == ([], 1)
        assert _findings(gone) == [(total.kind, "GONE", 10, 13)]


@pytest.mark.parametrize(("balance", "levels"), [(11, [(10, 4, 6)]), (2, [(10, 2, 8), (10, 4, 6)])])
def test_a_repaired_balance_is_told_as_its_movement_and_the_level(
    balance: int, levels: list[tuple[int, int, int]], shop: Shop, database: Database, engine: Engine
) -> None:
    item = shop.item(13)
    shop.move(item, -3)
    Steps(database).reserve(new_reference(), (item, 4))
    with tampering(engine) as tampered:
        change = f"UPDATE stock_movements SET balance_after = {balance} {OF_ITEM} AND quantity = -3"
        tampered.tamper(change, **item._asdict())
        found = Auditing(tampered, item.warehouse_id).found()
        [finding] = [each for each in found if each.kind == BALANCE]
        with telling(tampered.connection) as told:
            Deciding(tampered).repair(finding)
        assert [each.data["quantity"] for each in told if each.kind == "stock.moved"] == [10 - balance]
        assert [each.level for each in told if each.kind == "level.changed"] == levels


def test_a_repair_of_what_is_reserved_is_told_as_a_level(shop: Shop, database: Database, engine: Engine) -> None:
    item = shop.item(10)
    Steps(database).reserve(new_reference(), (item, 4))
    with tampering(engine) as tampered:
        set_item(tampered, item, reserved=7)
        [finding] = Auditing(tampered, item.warehouse_id).found()
        with telling(tampered.connection) as told:
            Deciding(tampered).repair(finding)
        assert _levels(told) == [(10, 4, 6, False)]


def test_a_transfer_whose_hold_is_ended_as_a_repair_is_told(
    shop: Shop, moving: TransferCalls, database: Database, engine: Engine
) -> None:
    item = shop.item(10)
    number = moving.held(shop.warehouse(), (item, 4))
    audit, deciding = Auditing(database, item.warehouse_id), Deciding(database)
    [finding] = audit.check_holds(f"transfer-{number}").findings
    with telling(engine) as told:
        deciding.repair(finding)
    [changed] = [each for each in told if each.kind == "transfer.changed"]
    assert (changed.subject, changed.data["status"], changed.data["step"], changed.data["lines"]) == (
        f"transfer/{number}",
        "CANCELLED",
        "decide_finding",
        [],
    )
