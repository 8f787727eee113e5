"""A start that is wrong: a clear error at once, a run that has failed with the same, and nothing stored."""

from typing import Any

import pytest
from sqlalchemy import Engine, select
from temporalio.client import WithStartWorkflowOperation, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy

from database.tables import products
from tests.support.bad import (
    BAD_MONEY,
    Spoil,
    any_message,
    bad_days,
    bad_lines,
    bad_number,
    bad_text,
    line_without,
    with_fields,
    with_line,
    without,
)
from tests.support.bad_starts import Clerk
from tests.support.books import nothing_is_stored
from tests.support.purchase_order import NO_APPROVAL, ONE_APPROVAL, Purchasing, approval, came, draft, receipt, wanted
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, Refusal, at_once, refusal

_HOURS_OF_A_YEAR = 366 * 24


def _policies() -> dict[str, Json]:
    """What isn't an approval policy."""
    to_all = {"up_to": None, "approvals": 1}

    def tiers(*tiers: Json) -> Json:
        return ONE_APPROVAL | {"tiers": list(tiers)}

    def upto(bound: Json) -> Json:
        return {"up_to": bound, "approvals": 0}

    return {
        "a string": "two of them",
        "a list": [ONE_APPROVAL],
        "a number": 1,
        "true": True,
        "an empty object": {},
        "an unknown field": ONE_APPROVAL | {"colour": "red"},
        "without tiers": {name: value for name, value in ONE_APPROVAL.items() if name != "tiers"},
        "with no tier": tiers(),
        "with null for tiers": ONE_APPROVAL | {"tiers": None},
        "with a tier of null": tiers(None),
        "with a tier without a bound": tiers({"approvals": 1}),
        "with a tier without approvals": tiers({"up_to": None}),
        "with an unknown field in a tier": tiers(to_all | {"who": "ann"}),
        "with too many tiers": tiers(*(upto(each) for each in range(50)), to_all),
        "with a bound at the end": tiers(upto("10.00")),
        "with no bound before the end": tiers(to_all, to_all),
        "with bounds that fall": tiers(upto("10.00"), upto("9.99"), to_all),
        "with equal bounds": tiers(upto("10.00"), upto(10), to_all),
        "with a bound that is a float": tiers(upto(10.0), to_all),
        "with a bound that is negative": tiers(upto("-1.00"), to_all),
        "with a bound that is true": tiers(upto(True), to_all),
        **{
            f"with approvals {name}": tiers({"up_to": None, "approvals": value})
            for name, value in {
                "negative": -1,
                "too many": 21,
                "a fraction": 1.5,
                "a float": 1.0,
                "a string": "1",
                "true": True,
                "null": None,
                "not a number": float("nan"),
            }.items()
        },
        **{
            f"cancel_after_hours {name}": ONE_APPROVAL | {"cancel_after_hours": value}
            for name, value in {
                "zero": 0,
                "negative": -1,
                "too long": _HOURS_OF_A_YEAR + 1,
                "a string": "24",
                "true": True,
                "not a number": float("nan"),
                "infinite": float("inf"),
            }.items()
        },
        **{
            f"{field} null": ONE_APPROVAL | {field: None}
            for field in ("remind_after_hours", "escalate_after_hours", "cancel_after_hours")
        },
        **{f"{field} zero": ONE_APPROVAL | {field: 0} for field in ("remind_after_hours", "escalate_after_hours")},
    }


INVALID: dict[str, Spoil] = {
    **any_message("requested_by"),
    **bad_lines("product_id", "qty", units="qty"),
    **bad_number("supplier_id", at_most=2**63 - 1),
    **bad_number("warehouse_id", at_most=2**63 - 1),
    **bad_text("po_number"),
    **bad_text("reason", at_most=500),
    **bad_days("expected_delivery_date"),
    **{f"unit_cost {name}": with_line(unit_cost=value) for name, value in BAD_MONEY.items()},
    **{f"approval {name}": with_fields(approval=value) for name, value in _policies().items()},
    **{f"{field} missing": without(field) for field in ("po_number", "supplier_id", "warehouse_id", "line_items")},
    **{f"{field} null": with_fields(**{field: None}) for field in ("supplier_id", "warehouse_id", "line_items")},
    "reason missing": without("reason"),
    "supplier_id a fraction": with_fields(supplier_id=1.5),
    "warehouse_id a float": with_fields(warehouse_id=1.0),
    "product_id missing": line_without("product_id"),
    "product_id null": with_line(product_id=None),
    "unit_cost missing": line_without("unit_cost"),
    "unit_cost null": with_line(unit_cost=None),
    "unit_cost past the most": with_line(unit_cost="1000000000000"),
    "lines of another name": lambda message: [message | {"lines": message["line_items"]}],
    "a line of a reservation": with_line(quantity=1),
    "po_number of another order": with_fields(po_number="another-order"),
    "po_number in other letters": lambda message: [message | {"po_number": message["po_number"].upper()}],
}


class _Clerk(Clerk):
    """Starts orders of one item, each under a number of its own."""

    def __init__(self, purchasing: Purchasing, shop: Shop) -> None:
        super().__init__(purchasing, "po")
        self.purchasing = purchasing
        self.item = shop.item(4)
        self.supplier = shop.supplier()

    def right(self, number: str, **other: Json) -> dict[str, Json]:
        """A start that is right, but for what is said."""
        lines = [wanted(self.item, 1)]
        return draft(number, self.supplier, self.item.warehouse_id, *lines, approval=NO_APPROVAL) | other


@pytest.fixture
def clerk(purchasing: Purchasing, shop: Shop) -> _Clerk:
    """Somebody who gets it wrong."""
    return _Clerk(purchasing, shop)


async def test_an_invalid_start_is_refused(clerk: _Clerk, engine: Engine) -> None:
    with nothing_is_stored(engine):
        outcomes = await clerk.outcomes(INVALID, "update with start")
    assert outcomes == dict.fromkeys(INVALID, "InvalidRequest")


async def test_an_invalid_start_that_nobody_waits_for_fails_the_run(clerk: _Clerk, engine: Engine) -> None:
    spoils = any_message("requested_by") | bad_lines("product_id", units="qty")
    with nothing_is_stored(engine):
        outcomes = await clerk.outcomes(spoils, "start")
    assert outcomes == dict.fromkeys(spoils, "InvalidRequest")


async def test_what_is_not_there_is_named(clerk: _Clerk, shop: Shop, engine: Engine) -> None:
    far = 2**62
    strangers = [wanted(clerk.item._replace(product_id=far + each), 1) for each in (2, 1)]
    inactive = [wanted(clerk.item._replace(product_id=shop.product(is_active=False)), 1) for _ in range(2)]
    right = wanted(clerk.item, 1)
    with engine.connect() as connection:
        ids = [line["product_id"] for line in inactive]
        rows = connection.execute(select(products.c.sku).where(products.c.product_id.in_(ids)))
        skus = sorted(rows.scalars())
    cases: list[tuple[dict[str, Json], Refusal]] = [
        ({"supplier_id": far}, Refusal("UnknownSupplier", {"supplier_ids": [far]}, f"no supplier with id {far}")),
        ({"warehouse_id": far}, Refusal("UnknownWarehouse", {"warehouse_ids": [far]}, f"no warehouse with id {far}")),
        (
            {"line_items": [right, *strangers]},
            Refusal("UnknownProduct", {"product_ids": [far + 1, far + 2]}, f"no product with id {far + 1}, {far + 2}"),
        ),
        (
            {"line_items": [right, *inactive]},
            Refusal("InvalidRequest", {}, f"no longer active: {', '.join(skus)}"),
        ),
    ]

    async def refused(other: dict[str, Json], way: str) -> Refusal:
        number = new_reference("po")
        return await clerk.is_refused(number, [clerk.right(number, **other)], way)

    ways = ("update with start", "start")
    with nothing_is_stored(engine):
        answers = await at_once(*(refused(other, way) for other, _ in cases for way in ways))
    assert answers == [expected for _, expected in cases for _ in ways]


async def test_a_thousand_unknown_products_are_named_within_bounds(clerk: _Clerk, engine: Engine) -> None:
    number = new_reference("po")
    strangers = [wanted(clerk.item._replace(product_id=2**62 + each), 1) for each in range(1_000)]
    with nothing_is_stored(engine):
        refused = await refusal(clerk.purchasing.ask_raw(number, [clerk.right(number, line_items=strangers)]))
    assert (refused.type, len(refused.details["product_ids"])) == ("UnknownProduct", 1_000)


async def test_a_run_under_a_wrong_name_is_told_the_right_one(clerk: _Clerk, engine: Engine) -> None:
    number = new_reference("po")
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        "PurchaseOrderWorkflow",
        clerk.right(number),
        id=f"order-{number}",
        task_queue=clerk.purchasing.task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
    )
    with nothing_is_stored(engine):
        refused = await refusal(
            clerk.purchasing.client.execute_update_with_start_workflow("drafted", start_workflow_operation=start)
        )
    told = f"this purchase order has to be started under the workflow id purchase-order-{number}"
    assert refused == Refusal("InvalidRequest", {}, told)
    assert (await (await start.workflow_handle()).describe()).status == WorkflowExecutionStatus.FAILED


async def test_a_command_to_a_start_that_is_wrong_fails_as_the_run_does(clerk: _Clerk, engine: Engine) -> None:
    commands: dict[str, Json] = {
        "approve": approval("ann"),
        "reject": {"approver": "ann", "reason": "too much"},
        "confirm": {"performed_by": "sam"},
        "receive": receipt("truck-1", came(clerk.item, 1)),
        "close_short": {"performed_by": "rita", "reason": "discontinued"},
        "cancel": {"performed_by": "rita", "reason": "not needed"},
    }

    async def refused(command: str) -> None:
        number = new_reference("po")
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            "PurchaseOrderWorkflow",
            clerk.right(number, supplier_id=2**62),
            id=f"purchase-order-{number}",
            task_queue=clerk.purchasing.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        )
        answered = await refusal(
            clerk.purchasing.client.execute_update_with_start_workflow(
                command, commands[command], start_workflow_operation=start
            )
        )
        assert answered.type == "UnknownSupplier", command
        assert await refusal(clerk.purchasing.result(number)) == answered

    with nothing_is_stored(engine):
        await at_once(*(refused(command) for command in commands))
