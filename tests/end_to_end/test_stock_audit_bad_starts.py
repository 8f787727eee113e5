"""An audit that is started wrong: it fails at once with a clear error, and nothing is stored."""

from sqlalchemy import Engine

from tests.support.bad_messages import SENT_STARTS
from tests.support.bad_starts import run_is_refused, runs_are_invalid
from tests.support.shop import Shop, new_reference
from tests.support.stock_audit import Audits, result, told
from tests.support.wire import Json, Refusal, at_once


async def test_an_invalid_audit_fails(audits: Audits, shop: Shop, engine: Engine) -> None:
    here = shop.item(10).warehouse_id
    await runs_are_invalid(audits, engine, SENT_STARTS["stock_audit"].messages, {"warehouse_id": here})
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
    refused = await at_once(*(run_is_refused(audits, payload) for payload, _ in wrong))
    assert refused == [Refusal("InvalidRequest", {}, told) for _, told in wrong]


async def test_a_signal_that_is_none_of_its_commands_is_noted(audits: Audits, shop: Shop) -> None:
    here, name = shop.item(10).warehouse_id, new_reference("signalled")
    await audits.client.start_workflow(
        audits.workflow_type, {"warehouse_id": here}, id=name, task_queue=audits.task_queue, start_signal="repair"
    )
    assert await audits.noted(name, 1) == ["signal 'repair' isn't one of its commands"]
    state = await audits.result(name)
    assert (state["status"], state["items_checked"], state["findings"]) == ("DONE", 1, [])
