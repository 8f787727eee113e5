"""A start that is wrong: a clear error at once, a run that has failed with the same, and nothing stored."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.client import WithStartWorkflowOperation, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy

from tests.support.bad import (
    Spoil,
    any_message,
    bad_lines,
    bad_number,
    bad_text,
    line_without,
    with_fields,
    with_line,
    without,
)
from tests.support.bad_starts import Clerk
from tests.support.books import level, nothing_is_stored
from tests.support.refusals import refusal_of
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, arrival, arrived, moved, transfer
from tests.support.wire import Json, Refusal, at_once, refusal

_HOURS_OF_A_YEAR = 366 * 24
_PLACES = ("from_warehouse_id", "to_warehouse_id")
_OWN = "to_warehouse_id: must be another warehouse than from_warehouse_id"

INVALID: dict[str, Spoil] = {
    **any_message("requested_by"),
    **bad_lines("product_id", "quantity"),
    **bad_text("transfer_number"),
    **bad_number("from_warehouse_id", at_most=2**63 - 1),
    **bad_number("to_warehouse_id", at_most=2**63 - 1),
    **bad_number("expected_transit_hours", at_most=_HOURS_OF_A_YEAR),
    **{f"{field} missing": without(field) for field in ("transfer_number", *_PLACES, "line_items")},
    **{f"{field} null": with_fields(**{field: None}) for field in (*_PLACES, "line_items")},
    **{f"{field} a fraction": with_fields(**{field: 1.5}) for field in _PLACES},
    **{f"{field} a float": with_fields(**{field: 1.0}) for field in _PLACES},
    "product_id missing": line_without("product_id"),
    "product_id null": with_line(product_id=None),
    "to its own warehouse": lambda message: [message | {"to_warehouse_id": message["from_warehouse_id"]}],
    "from its own destination": lambda message: [message | {"from_warehouse_id": message["to_warehouse_id"]}],
    "lines of another name": lambda message: [message | {"lines": message["line_items"]}],
    "a line of a reservation": with_line(warehouse_id=1),
    "a line of a purchase order": with_line(unit_cost="1.00"),
    "a line of a state": with_line(received=0),
    "performed_by beside requested_by": with_fields(performed_by="tom"),
    "a status": with_fields(status="IN_TRANSIT"),
    "transfer_number of another transfer": with_fields(transfer_number="another-transfer"),
    "transfer_number in other letters": lambda message: [
        message | {"transfer_number": message["transfer_number"].upper()}
    ],
}


class _Clerk(Clerk):
    """Starts transfers of one item, each under a number of its own."""

    def __init__(self, transfers: Transfers, shop: Shop) -> None:
        super().__init__(transfers, "load")
        self.transfers = transfers
        self.item = shop.item(4)
        self.to = shop.warehouse()

    def right(self, number: str, **other: Json) -> dict[str, Json]:
        """A start that is right, but for what is said."""
        return transfer(number, self.item.warehouse_id, self.to, moved(self.item, 1)) | other


@pytest.fixture
def clerk(transfers: Transfers, shop: Shop) -> _Clerk:
    """Somebody who gets it wrong."""
    return _Clerk(transfers, shop)


async def test_an_invalid_start_is_refused(clerk: _Clerk, engine: Engine) -> None:
    with nothing_is_stored(engine):
        outcomes = await clerk.outcomes(INVALID, "update with start")
    assert outcomes == dict.fromkeys(INVALID, "InvalidRequest")


async def test_an_invalid_start_that_nobody_waits_for_fails_the_run(clerk: _Clerk, engine: Engine) -> None:
    spoils = any_message("requested_by") | {name: INVALID[name] for name in ("lines empty", "to its own warehouse")}
    with nothing_is_stored(engine):
        outcomes = await clerk.outcomes(spoils, "start")
    assert outcomes == dict.fromkeys(spoils, "InvalidRequest")


async def test_what_is_wrong_is_named(clerk: _Clerk, engine: Engine) -> None:
    far = 2**62
    item, right = clerk.item, moved(clerk.item, 1)
    strangers = [moved(item._replace(product_id=far + each), 1) for each in (2, 1)]
    cases: list[tuple[dict[str, Json], Refusal]] = [
        ({"to_warehouse_id": item.warehouse_id}, Refusal("InvalidRequest", {}, _OWN)),
        (
            {"to_warehouse_id": far},
            Refusal("UnknownWarehouse", {"warehouse_ids": [far]}, f"no warehouse with id {far}"),
        ),
        (
            {"from_warehouse_id": far},
            Refusal("UnknownWarehouse", {"warehouse_ids": [far]}, f"no warehouse with id {far}"),
        ),
        (
            {"from_warehouse_id": far + 1, "to_warehouse_id": far},
            Refusal("UnknownWarehouse", {"warehouse_ids": [far, far + 1]}, f"no warehouse with id {far}, {far + 1}"),
        ),
        (
            {"line_items": [right, *strangers]},
            Refusal("UnknownProduct", {"product_ids": [far + 1, far + 2]}, f"no product with id {far + 1}, {far + 2}"),
        ),
        # What isn't there isn't short of stock.
        (
            {"line_items": [moved(item, 5), strangers[0]]},
            Refusal("UnknownProduct", {"product_ids": [far + 2]}, f"no product with id {far + 2}"),
        ),
    ]

    async def refused(other: dict[str, Json], way: str) -> Refusal:
        number = new_reference("load")
        return await clerk.is_refused(number, [clerk.right(number, **other)], way)

    ways = ("update with start", "start")
    with nothing_is_stored(engine):
        answers = await at_once(*(refused(other, way) for other, _ in cases for way in ways))
    assert answers == [expected for _, expected in cases for _ in ways]


async def test_a_thousand_unknown_products_are_named_within_bounds(clerk: _Clerk, engine: Engine) -> None:
    strangers = [moved(clerk.item._replace(product_id=2**62 + each), 1) for each in range(1_000)]
    number = new_reference("load")
    with nothing_is_stored(engine):
        refused = await refusal(clerk.transfers.ask_raw(number, [clerk.right(number, line_items=strangers)]))
    assert (refused.type, len(refused.details["product_ids"])) == ("UnknownProduct", 1_000)


async def test_the_most_that_may_be_asked_for_is_short_and_not_invalid(clerk: _Clerk, engine: Engine) -> None:
    number, lines = new_reference("load"), [moved(clerk.item, 10**9)] * 1_000
    with nothing_is_stored(engine):
        refused = await refusal(clerk.transfers.ask_raw(number, [clerk.right(number, line_items=lines)]))
        assert (refused.type, refused.details) == ("InsufficientStock", [shortage(clerk.item, 10**12, 4)])
        state = await clerk.transfers.result(number)
    assert (state["status"], state["shortages"]) == ("REJECTED", [shortage(clerk.item, 10**12, 4)])


async def test_what_is_not_sold_any_more_can_still_be_moved(clerk: _Clerk, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(4, product=shop.product(is_active=False)), new_reference("load")
    state = await clerk.transfers.create(number, clerk.to, [(item, 3)])
    assert (state["status"], level(engine, item)) == ("PENDING", (4, 3))


@pytest.mark.parametrize("hours", [None, 48, 0.25, 1e-300, _HOURS_OF_A_YEAR], ids=repr)
async def test_hours_may_be_null_whole_a_fraction_next_to_nothing_or_a_year(
    clerk: _Clerk, engine: Engine, hours: Json
) -> None:
    number = new_reference("load")
    await clerk.transfers.ask_raw(number, [clerk.right(number, expected_transit_hours=hours)])
    state = await clerk.transfers.dispatch(number)
    assert (state["status"], level(engine, clerk.item)) == ("IN_TRANSIT", (3, 0))
    left, due = (datetime.fromisoformat(each) if each else None for each in (state["dispatched_at"], state["due_at"]))
    assert left is not None
    assert due == (None if hours is None else left + timedelta(hours=hours))


async def test_hours_may_be_left_out(clerk: _Clerk) -> None:
    number = new_reference("load")
    start = clerk.right(number)
    del start["expected_transit_hours"]
    assert (await clerk.transfers.ask_raw(number, [start]))["status"] == "PENDING"
    assert (await clerk.transfers.dispatch(number))["due_at"] is None


async def test_a_run_under_a_wrong_name_is_told_the_right_one(clerk: _Clerk, engine: Engine) -> None:
    number = new_reference("load")
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        "TransferWorkflow",
        clerk.right(number),
        id=f"load-{number}",
        task_queue=clerk.transfers.task_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
    )
    with nothing_is_stored(engine):
        refused = await refusal(
            clerk.transfers.client.execute_update_with_start_workflow("held", start_workflow_operation=start)
        )
    told = f"this transfer has to be started under the workflow id transfer-{number}"
    assert refused == Refusal("InvalidRequest", {}, told)
    assert (await (await start.workflow_handle()).describe()).status == WorkflowExecutionStatus.FAILED


@pytest.mark.parametrize(("quantity", "to"), [(1, 2**62), (5, None)], ids=["wrong", "short of stock"])
async def test_a_command_to_a_start_that_comes_to_nothing_is_refused(
    clerk: _Clerk, engine: Engine, quantity: int, to: int | None
) -> None:
    """To one that is wrong as the run is, and to one that is rejected because it is."""
    commands: dict[str, Json] = {
        "dispatch": {"performed_by": "sid"},
        "receive": arrival("truck-1", arrived(clerk.item, 1)),
        "write_off": {"performed_by": "dora", "reason": "lost on the way"},
        "cancel": {"performed_by": "tom", "reason": "not needed"},
    }

    async def refused(command: str) -> None:
        number = new_reference("load")
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            "TransferWorkflow",
            clerk.right(number, to_warehouse_id=to or clerk.to, line_items=[moved(clerk.item, quantity)]),
            id=f"transfer-{number}",
            task_queue=clerk.transfers.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        )
        answered = await refusal(
            clerk.transfers.client.execute_update_with_start_workflow(
                command, commands[command], start_workflow_operation=start
            )
        )
        if to:
            assert answered.type == "UnknownWarehouse", command
            assert await refusal(clerk.transfers.result(number)) == answered
        else:
            told = refusal_of("transfer", number, "REJECTED", command)
            assert answered == Refusal("InvalidState", {"status": "REJECTED", "command": command}, told)
            assert (await clerk.transfers.result(number))["status"] == "REJECTED"

    with nothing_is_stored(engine):
        await at_once(*(refused(command) for command in commands))
