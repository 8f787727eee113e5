"""A start or a command that is wrong: a clear error at once, nothing stored, and a return that is there goes on."""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.client import WithStartWorkflowOperation, WorkflowExecutionStatus, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy

from tests.support.bad import (
    Spoil,
    any_message,
    bad_lines,
    bad_text,
    line_without,
    with_fields,
    with_line,
    without,
)
from tests.support.books import nothing_is_stored
from tests.support.customer_return import Returns, expected, found, inspection, sent, sold
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, Refusal, answer, at_once, few_at_once, refusal

_LONGEST_MESSAGE = 2_000
_PLACES_AT_ONCE = 4

_ANY = any_message()
# The edge is the same for every process, and tried there with everything else that isn't a message.
ANYTHING = {
    name: _ANY[name]
    for name in (
        "no argument",
        "null",
        "two arguments",
        "a list of messages",
        "an empty object",
        "an unknown field",
        "performed_by missing",
        "performed_by empty",
        "performed_by with a line break",
        "broken JSON",
        "an unknown encoding",
    )
}


def _brief(spoils: dict[str, Spoil]) -> dict[str, Spoil]:
    """Without what is very long: it meets the same edge, and takes very long."""
    return {name: spoil for name, spoil in spoils.items() if "megabyte" not in name}


STARTS = _brief(
    {
        **ANYTHING,
        **bad_lines("product_id", "quantity"),
        **bad_text("return_number"),
        **bad_text("reference_id"),
        **{f"{field} missing": without(field) for field in ("return_number", "reference_id", "warehouse_id", "lines")},
        **{f"warehouse_id {value!r}": with_fields(warehouse_id=value) for value in (None, 0, 1.0, "1", 2**63)},
        "product_id missing": line_without("product_id"),
        "a line of a reservation": with_line(warehouse_id=1),
        "a line of a state": with_line(restocked=0),
        "requested_by beside performed_by": with_fields(requested_by="cleo"),
        "a status": with_fields(status="INSPECTED"),
        "return_number of another return": with_fields(return_number="another-return"),
    }
)
COMMANDS: dict[str, dict[str, Spoil]] = {
    "inspect": _brief(
        {
            **ANYTHING,
            **{
                name: spoil
                for field in ("restock_quantity", "scrap_quantity")
                for name, spoil in bad_lines(field, units=field).items()
                # None of it is what most lines say of one of the two.
                if name not in {f"{field} zero", f"{field} missing"}
            },
            **{name: spoil for name, spoil in bad_text("inspection_id").items() if name != "inspection_id null"},
            "nothing came": with_line(restock_quantity=0, scrap_quantity=0),
            "nothing is said of it": lambda message: [message | {"lines": [{"product_id": 1}]}],
            "product_id missing": line_without("product_id"),
            "more than is expected": with_line(restock_quantity=11),
            "more than is expected with what is scrapped": with_line(restock_quantity=1, scrap_quantity=10),
            "a product that isn't on the return": with_line(product_id=2**62),
            "a line of a receipt": with_line(quantity=1),
        }
    ),
    "close_short": _brief({**ANYTHING, **bad_text("reason", at_most=500), "reason missing": without("reason")}),
}


class Clerk:
    """Starts returns of one item, each under a number of its own."""

    def __init__(self, returns: Returns, shop: Shop) -> None:
        self.returns = returns
        self.item = shop.item(4)

    def right(self, number: str, **other: Json) -> dict[str, Json]:
        """A start that is right, but for what is said."""
        return expected(number, self.item.warehouse_id, sold(self.item, 1)) | other

    async def is_refused(self, number: str, payload: list[Json]) -> Refusal:
        """With what; the run has failed with the same."""
        refused = await refusal(self.returns.ask_raw(number, payload))
        assert await refusal(self.returns.result(number)) == refused
        assert len(refused.message) < _LONGEST_MESSAGE
        return refused


@pytest.fixture
def clerk(returns: Returns, shop: Shop) -> Clerk:
    """Somebody who gets it wrong."""
    return Clerk(returns, shop)


async def test_an_invalid_start_is_refused(clerk: Clerk, engine: Engine) -> None:
    async def outcome(name: str, spoil: Spoil) -> str:
        number = new_reference("back")
        try:
            return (await clerk.is_refused(number, spoil(clerk.right(number)))).type
        except Exception as error:
            error.add_note(name)
            raise

    with nothing_is_stored(engine):
        outcomes = await few_at_once(*(partial(outcome, *each) for each in STARTS.items()))
    assert dict(zip(STARTS, outcomes, strict=True)) == dict.fromkeys(STARTS, "InvalidRequest")


async def test_what_is_wrong_is_named(clerk: Clerk, engine: Engine) -> None:
    far, item = 2**62, clerk.item
    strangers = [sold(item._replace(product_id=far + each), 1) for each in (2, 1)]
    cases: list[tuple[dict[str, Json], Refusal]] = [
        (
            {"warehouse_id": far},
            Refusal("UnknownWarehouse", {"warehouse_ids": [far]}, f"no warehouse with id {far}"),
        ),
        (
            {"lines": [sold(item, 1), *strangers]},
            Refusal("UnknownProduct", {"product_ids": [far + 1, far + 2]}, f"no product with id {far + 1}, {far + 2}"),
        ),
    ]

    async def refused(other: dict[str, Json]) -> Refusal:
        number = new_reference("back")
        return await clerk.is_refused(number, [clerk.right(number, **other)])

    with nothing_is_stored(engine):
        assert await at_once(*(refused(other) for other, _ in cases)) == [told for _, told in cases]


async def test_a_run_under_a_wrong_name_is_told_the_right_one_and_a_command_to_it_the_same(
    clerk: Clerk, engine: Engine
) -> None:
    async def refused(name: str, *payload: Json) -> None:
        number = new_reference("back")
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            "ReturnWorkflow",
            clerk.right(number),
            id=f"back-{number}",
            task_queue=clerk.returns.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        )
        told = await refusal(
            clerk.returns.client.execute_update_with_start_workflow(
                name, args=list(payload), start_workflow_operation=start
            )
        )
        assert told == Refusal(
            "InvalidRequest", {}, f"this return has to be started under the workflow id return-{number}"
        )
        assert (await (await start.workflow_handle()).describe()).status == WorkflowExecutionStatus.FAILED

    with nothing_is_stored(engine):
        await at_once(
            refused("registered"),
            refused("inspect", inspection(found(clerk.item, 1))),
            refused("close_short", {"performed_by": "cleo", "reason": "kept"}),
        )


@pytest.mark.parametrize("command", COMMANDS)
async def test_an_invalid_command_changes_nothing(returns: Returns, shop: Shop, engine: Engine, command: str) -> None:
    bad, places = COMMANDS[command], [await sent(returns, shop) for _ in range(_PLACES_AT_ONCE)]

    async def are_refused(place: int) -> dict[str, str]:
        """Every fourth of them, all to the same return, each as an update and as a signal."""
        number, item = places[place]
        right: dict[str, dict[str, Json]] = {
            "inspect": inspection(found(item, 1, 1), inspection_id="box-1"),
            "close_short": {"performed_by": "cleo", "reason": "kept"},
        }
        before = await returns.state(number)
        refusals: dict[str, Refusal] = {}
        for name in list(bad)[place::_PLACES_AT_ONCE]:
            payload = bad[name](right[command])
            try:
                refusals[name] = await refusal(returns.update(number, command, *payload))
            except Exception as error:
                error.add_note(name)
                raise
            await returns.signal(number, command, *payload)
        for note, (name, refused) in zip(await returns.noted(number, len(refusals)), refusals.items(), strict=True):
            assert len(refused.message) < _LONGEST_MESSAGE, name
            assert note.startswith(f"signal {command} refused: {refused.type}: {refused.message[:300]}"), name
        assert await returns.state(number) | {"notes": []} == before
        return {name: refused.type for name, refused in refusals.items()}

    with nothing_is_stored(engine):
        outcomes = await at_once(*(are_refused(place) for place in range(_PLACES_AT_ONCE)))
    assert {name: each for part in outcomes for name, each in part.items()} == dict.fromkeys(bad, "InvalidRequest")


async def test_what_is_no_command_changes_nothing_and_the_answer_takes_whatever_comes_with_it(
    returns: Returns, shop: Shop, engine: Engine
) -> None:
    number, _ = await sent(returns, shop)
    before = await returns.state(number)
    names = ("receive", "cancel", "give_way", "complete", "run", "inspect_signal")
    payloads: list[list[Json]] = [[None], [{}], [{"a": 1}], [1, 2, 3]]
    with nothing_is_stored(engine):
        for payload in payloads:
            assert await returns.update(number, "registered", *payload) == before
            assert await answer(returns.handle(number).query("state", args=payload[:1])) == before
        for name in names:
            with pytest.raises(WorkflowUpdateFailedError):
                await returns.update(number, name, {"performed_by": "ann"})
            await returns.signal(number, name, {"performed_by": "ann"})
        told = [f"signal {name!r} isn't one of its commands" for name in names]
        assert await returns.noted(number, len(names)) == told
        assert await returns.state(number) | {"notes": []} == before
