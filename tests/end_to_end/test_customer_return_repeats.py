"""A return that is started again, a run that an operator ends, and one that gets very long: one return, booked once."""

import pytest
from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import WorkflowAlreadyStartedError

from tests.support.books import level, nothing_is_stored
from tests.support.customer_return import Returns, Units, expected, found, inspections, movements, sent, sold, units
from tests.support.purchase_order import Branch
from tests.support.repeats import changed_starts_conflict
from tests.support.replenishment import goes_on, make_long
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, at_once, refusal


async def test_starts_of_one_return_at_once_and_later_are_one_return(
    returns: Returns, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(2), new_reference("back")
    answers = await at_once(*(returns.create(number, (item, 10)) for _ in range(10)))
    assert (answers[0]["status"], answers) == ("EXPECTED", [answers[0]] * 10)
    run = (await returns.handle(number).describe()).run_id
    now = await returns.inspect(number, found(item, 3))
    with nothing_is_stored(engine):
        assert await returns.create(number, (item, 10)) == now
        # Whoever asks for something else under this number is told what there is.
        assert await returns.create(number, (item, 4), reference_id="1043", performed_by="bob") == now
        with pytest.raises(WorkflowAlreadyStartedError):
            await returns.start(number, [{}])
    assert (await returns.handle(number).describe()).run_id == run


async def test_a_start_after_the_end_is_answered_with_the_end(returns: Returns, shop: Shop, engine: Engine) -> None:
    async def ends(status: str) -> None:
        number, item = await sent(returns, shop)
        if status != "CANCELLED":
            await returns.inspect(number, found(item, 3, 1), inspection_id="box-1")
        if status == "INSPECTED":
            await returns.inspect(number, found(item, 6), inspection_id="box-2")
        else:
            await returns.close_short(number)
        ended = await returns.result(number)
        assert ended["status"] == status.partition(",")[0]
        before = movements(engine, number)
        # Whoever registers it, it is the same one.
        assert await returns.create(number, (item, 10), performed_by="bob") == ended
        assert await returns.result(number) == ended
        assert await returns.status(number) == WorkflowExecutionStatus.COMPLETED
        assert movements(engine, number) == before

    await at_once(*(ends(status) for status in ("INSPECTED", "INSPECTED, closed short", "CANCELLED")))


async def test_another_return_under_a_number_that_has_ended_is_a_conflict(
    returns: Returns, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=2)
    others: list[dict[str, Json]] = [
        {"warehouse_id": shop.warehouse()},
        {"reference_id": "1043"},
        {"lines": [sold(item, 2)]},
        {"lines": [sold(other, 3)]},
        {"lines": [sold(item, 2), sold(item, 1)]},
    ]

    def right(number: str) -> dict[str, Json]:
        return expected(number, item.warehouse_id, sold(item, 3))

    await changed_starts_conflict(returns, engine, right, returns.close_short, others)


async def test_a_return_whose_run_is_gone_is_taken_over(returns: Returns, shop: Shop, engine: Engine) -> None:
    number, item = await sent(returns, shop)
    now = await returns.inspect(number, found(item, 3, 2), inspection_id="box-1")
    await returns.handle(number).terminate("by mistake")
    with nothing_is_stored(engine):
        assert await returns.create(number, (item, 10)) == now
        assert await returns.inspect(number, found(item, 3, 2), inspection_id="box-1") == now
        refused = await refusal(returns.inspect(number, found(item, 3), inspection_id="box-1"))
        assert refused.type == "OperationConflict"
    await returns.inspect(number, found(item, 5), inspection_id="box-2")
    state = await returns.result(number)
    assert (state["status"], units(state), level(engine, item)) == ("INSPECTED", [Units(10, 8, 2)], (10, 0))


async def test_a_mistaken_return_may_be_put_right(returns: Returns, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(2), new_reference("back")
    with nothing_is_stored(engine):
        refused = await refusal(returns.create(number, (item._replace(warehouse_id=2**62), 1)))
        assert refused.type == "UnknownWarehouse"
    assert (await returns.create(number, (item, 1)))["status"] == "EXPECTED"


async def test_slashes_in_names_keep_operations_apart(returns: Returns, shop: Shop, engine: Engine) -> None:
    one, item = await sent(returns, shop)
    await returns.inspect(one, found(item, 1), inspection_id="x/register")
    number = f"{one}/inspect/x"
    assert (await returns.create(number, (item, 2)))["status"] == "EXPECTED"
    assert level(engine, item) == (3, 0)


async def test_an_operator_who_cancels_the_workflow_closes_the_return_short(
    returns: Returns, branch: Branch, shop: Shop, engine: Engine
) -> None:
    async def cancelled(came: int, status: str) -> None:
        number, item = await sent(returns, shop)
        if came:
            await returns.inspect(number, found(item, came))
        await returns.handle(number).cancel()
        state = await returns.result(number)
        assert (state["status"], state["closed_reason"], state["notes"]) == (status, "the workflow was cancelled", [])
        assert (units(state), level(engine, item)) == ([Units(10, came)], (2 + came, 0))
        assert await returns.status(number) == WorkflowExecutionStatus.COMPLETED

    await at_once(cancelled(0, "CANCELLED"), cancelled(4, "INSPECTED"))
    # Before anybody works it ends as it would have.
    early = Returns(branch.purchasing.client, branch.purchasing.task_queue)
    item, right, wrong = shop.item(2), new_reference("back"), new_reference("back")
    for number, quantity in ((right, 1), (wrong, 0)):
        await (await early.start(number, [expected(number, item.warehouse_id, sold(item, quantity))])).cancel()
    async with branch.worker():
        state = await early.result(right)
        assert (await refusal(early.result(wrong))).type == "InvalidRequest"
    assert (state["status"], state["closed_reason"]) == ("CANCELLED", "the workflow was cancelled")


async def test_a_return_with_a_long_history_goes_on_in_another_run_and_forgets_nothing(
    returns: Returns, shop: Shop, engine: Engine
) -> None:
    number, item = await sent(returns, shop)
    first = (await returns.handle(number).describe()).run_id
    await returns.signal(number, "inspect", {"performed_by": "ines", "lines": [found(item, 1)]})
    await returns.inspect(number, found(item, 3), inspection_id="box-1", update_id="the-command")
    await make_long(returns, number)
    await goes_on(returns, number, first)
    now = await returns.state(number)
    with nothing_is_stored(engine):
        assert await returns.inspect(number, found(item, 3), inspection_id="box-1") == now
        assert await returns.update(number, "registered") == now
        assert (await refusal(returns.inspect(number, found(item, 7)))).type == "InvalidRequest"
    # The first signal of this run isn't taken for the first of the last one.
    await returns.signal(number, "inspect", {"performed_by": "ines", "lines": [found(item, 1)]})
    await returns.inspect(number, found(item, 5))
    state = await returns.result(number)
    assert (state["status"], units(state), level(engine, item)) == ("INSPECTED", [Units(10, 10)], (12, 0))
    signals = [name for name, *_ in inspections(state) if "/signal-" in name]
    assert signals == [f"{first}/signal-1", f"{first}/signal-2"]
    assert [note[25:] for note in state["notes"]] == ["signal 'chatter' isn't one of its commands"] * 3


async def test_the_most_and_the_longest_there_can_be(returns: Returns, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(0), new_reference("back").ljust(200, "😀")
    name, who = "box".ljust(200, "📦"), "i".ljust(200, "ł")
    start = expected(number, item.warehouse_id, *[sold(item, 10**9)] * 1_000, reference_id="o".ljust(200, "ü"))
    await returns.ask_raw(number, [start])
    # The same product counts together: a thousand lines fill the first two of the return.
    lines = [found(item, 10**6, 10**6)] * 1_000
    # Nobody knows the order, and what it costs.
    up_to = {"approver": "a".ljust(200, "ö"), "value": "0", "unvalued_units": 10**9, "note": "n".ljust(500, "😀")}
    await returns.update(number, "approve_difference", up_to)
    state = await returns.inspect(number, *lines, inspection_id=name, performed_by=who)
    assert units(state) == [Units(10**9, 10**9), Units(10**9, 0, 10**9), *[Units(10**9)] * 998]
    await returns.close_short(number, "because".ljust(500, "😀"))
    state = await returns.result(number)
    assert (state["status"], inspections(state)) == ("INSPECTED", [(name, who, 10**9, 10**9)])
    assert level(engine, item) == (10**9, 0)
    # So many lines don't go the fast way, where all answers of a workflow task are one message.
    scheduled = await returns.history(number, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    steps = [each.activity_task_scheduled_event_attributes.activity_type.name for each in scheduled]
    assert steps == ["register_return", "approve_return_difference", "inspect_return", "close_return"]
