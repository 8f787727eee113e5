"""An audit that is started wrong: it fails at once with a clear error, and nothing is stored."""

from functools import partial

import pytest
from sqlalchemy import Engine
from temporalio.client import Client, WorkflowExecutionStatus

from devstack.stack import StackInfo
from tests.support.bad import Spoil, any_message, bad_number, with_fields
from tests.support.books import nothing_is_stored
from tests.support.shop import Shop, new_reference
from tests.support.stock_audit import Audits, result, told
from tests.support.wire import Json, Refusal, at_once, few_at_once, refusal

_LONGEST_MESSAGE = 2_000


@pytest.fixture
def audits(plain_client: Client, worker: None, stack: StackInfo) -> Audits:
    """Whoever lets runs begin, with a worker at the other end."""
    del worker
    return Audits(plain_client, stack.task_queue)


# Nobody has to say who starts a run, and its only field may be left out.
BAD: dict[str, Spoil] = {
    **{
        name: spoil
        for name, spoil in any_message().items()
        if not name.startswith("performed_by") and name != "an empty object"
    },
    "somebody who performs it": with_fields(performed_by="ann"),
    **bad_number("warehouse_id", at_most=2**63 - 1),
    **{f"warehouse_id {name}": with_fields(warehouse_id=value) for name, value in {"half": 1.5, "one": 1.0}.items()},
}


async def is_refused(audits: Audits, payload: list[Json]) -> Refusal:
    """With what; the run has failed with it, and can still be asked."""
    name = new_reference("bad")
    await audits.start(name, payload)
    refused = await refusal(audits.result(name))
    assert len(refused.message) < _LONGEST_MESSAGE
    assert await audits.status(name) == WorkflowExecutionStatus.FAILED
    return refused


async def test_an_invalid_audit_fails(audits: Audits, shop: Shop, engine: Engine) -> None:
    here = shop.item(10).warehouse_id

    async def outcome(name: str, spoil: Spoil) -> str:
        try:
            return (await is_refused(audits, spoil({"warehouse_id": here}))).type
        except Exception as error:
            error.add_note(name)
            raise

    with nothing_is_stored(engine):
        types = await few_at_once(*(partial(outcome, *each) for each in BAD.items()))
    assert dict(zip(BAD, types, strict=True)) == dict.fromkeys(BAD, "InvalidRequest")
    assert told(await audits.run(here)) == (result(here), [])


async def test_what_is_wrong_is_said_without_repeating_it(audits: Audits) -> None:
    wrong: list[tuple[list[Json], str]] = [
        ([], "StockAuditRequest has to be one JSON object; 0 arguments were sent"),
        ([None], "StockAuditRequest has to be a JSON object; null was sent"),
        (
            [{"warehouse_id": "secret", "repair": True}],
            "warehouse_id: Input should be a valid integer; repair: Extra inputs are not permitted",
        ),
    ]
    refused = await at_once(*(is_refused(audits, payload) for payload, _ in wrong))
    assert refused == [Refusal("InvalidRequest", {}, told) for _, told in wrong]


async def test_a_signal_that_is_none_of_its_commands_is_noted(audits: Audits, shop: Shop) -> None:
    here, name = shop.item(10).warehouse_id, new_reference("signalled")
    await audits.client.start_workflow(
        audits.workflow_type, {"warehouse_id": here}, id=name, task_queue=audits.task_queue, start_signal="repair"
    )
    assert await audits.noted(name, 1) == ["signal 'repair' isn't one of its commands"]
    state = await audits.result(name)
    assert (state["status"], state["items_checked"], state["findings"]) == ("DONE", 1, [])
