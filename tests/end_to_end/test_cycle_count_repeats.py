"""A count that is started again, and a run that an operator ends: one count, and each line in the books once."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import WorkflowAlreadyStartedError

from tests.support.books import level, nothing_is_stored
from tests.support.cycle_count import Counts, Line, count, counted, half_counted, lines, one_count
from tests.support.cycle_count_rows import entries, movements, stored
from tests.support.purchase_order import Branch
from tests.support.repeats import changed_starts_conflict
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, at_once, less_notices, refusal


async def run_id(counts: Counts, number: str) -> str | None:
    """The latest run."""
    return (await counts.handle(number).describe()).run_id


async def test_starts_of_one_count_at_once_are_one_count(counts: Counts, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(10), new_reference("count")
    answers = await at_once(*(counts.open(number, item) for _ in range(10)))
    assert (answers[0]["status"], answers) == ("COUNTING", [answers[0]] * 10)
    assert stored(engine, number).count_id == answers[0]["count_id"]


async def test_a_repeated_start_of_a_running_count_gets_it_as_it_is(counts: Counts, shop: Shop, engine: Engine) -> None:
    first, second = shop.items(2, units=10)
    number = new_reference("count")
    await counts.open(number, first, second)
    run = await run_id(counts, number)
    as_it_is = await counts.record(number, first, 9)
    with nothing_is_stored(engine):
        assert await counts.open(number, first, second) == as_it_is
        # Whoever asks for something else under this number is told what there is.
        assert await counts.open(number, second, requested_by="bob") == as_it_is
        with pytest.raises(WorkflowAlreadyStartedError):
            await counts.start(number, [{}])
    assert await run_id(counts, number) == run


async def test_a_start_after_the_end_is_answered_with_the_end(counts: Counts, shop: Shop, engine: Engine) -> None:
    async def ended(last: str) -> None:
        number, item = await one_count(counts, shop, first=5)
        await (counts.approve(number, item) if last == "approve" else counts.cancel(number))
        before = await counts.result(number)
        written = entries(engine, number), movements(engine, number)
        state = await counts.open(number, item)
        # What was to be told has been.
        assert state == before | {"notices": []}
        assert await counts.result(number) == state
        assert await counts.status(number) == WorkflowExecutionStatus.COMPLETED
        assert (entries(engine, number), movements(engine, number)) == written

    await at_once(ended("approve"), ended("cancel"))


async def test_another_count_under_a_number_that_has_ended_is_a_conflict(
    counts: Counts, shop: Shop, engine: Engine
) -> None:
    first, second = shop.items(2, units=10)
    products = [first.product_id, second.product_id]
    others: list[dict[str, Any]] = [
        {"warehouse_id": shop.warehouse()},
        {"product_ids": products[:1]},
        {"product_ids": products[::-1]},
        {"product_ids": [*products, shop.product()]},
        {"requested_by": "bob"},
    ]

    def right(number: str) -> dict[str, Json]:
        return count(number, first.warehouse_id, *products)

    await changed_starts_conflict(counts, engine, right, counts.cancel, others)


async def test_a_count_whose_run_is_gone_is_taken_over(counts: Counts, shop: Shop, engine: Engine) -> None:
    first, second, third = items = shop.items(3, units=10)
    number = new_reference("count")

    async def taken_over(before: Json) -> None:
        await counts.handle(number).terminate("by mistake")
        with nothing_is_stored(engine):
            state = await counts.open(number, *items)
        # That somebody has to look again, the run before has told.
        assert (less_notices(state), state["notices"]) == (less_notices(before), [])

    await taken_over(await counts.open(number, *items))
    await counts.record(number, first, 9)
    in_doubt = await counts.record(number, second, 5)
    await taken_over(in_doubt)
    # What the run before was told is known: by whom, too.
    assert await counts.record(number, first, 9) == in_doubt
    assert (await refusal(counts.record(number, second, 10, "Ann"))).type == "NotPermitted"
    await taken_over(await counts.record(number, third, 6, "bob"))
    await counts.approve(number, third)
    await counts.record(number, second, 10, "bob")
    state = await counts.result(number)
    assert (state["status"], state["notices"]) == ("POSTED", [])
    assert lines(state) == [
        Line("POSTED", 9, "ann", "UNEXPLAINED", None, 10, -1),
        Line("POSTED", 10, "bob", None, None, 10, 0),
        Line("POSTED", 6, "bob", "DAMAGE", "cid", 10, -4),
    ]
    assert [level(engine, item) for item in items] == [(9, 0), (10, 0), (6, 0)]
    assert len(movements(engine, number)) == 2


async def test_a_command_with_the_same_update_id_happens_once(counts: Counts, shop: Shop, engine: Engine) -> None:
    number, item = await one_count(counts, shop, first=5)
    first = await counts.record(number, item, 7, "bob", update_id="the-command")
    await counts.result(number)
    with nothing_is_stored(engine):
        assert await counts.record(number, item, 7, "bob", update_id="the-command") == first


async def test_a_count_with_a_number_happens_once_and_is_no_other_count(
    counts: Counts, shop: Shop, engine: Engine
) -> None:
    number, first, second = await half_counted(counts, shop, 9)
    said = counted(second, 5) | {"record_id": "note-1"}
    in_doubt = await counts.update(number, "record", said)
    assert lines(in_doubt)[1] == Line("REVIEW", 5, "ann")
    with nothing_is_stored(engine):
        assert less_notices(await counts.update(number, "record", said)) == less_notices(in_doubt)
        for other in ({"counted_quantity": 6}, {"product_id": first.product_id}):
            assert (await refusal(counts.update(number, "record", said | other))).type == "OperationConflict"
        await counts.handle(number).terminate("by mistake")
        await counts.open(number, first, second)
        # Another run doesn't know it, and the database does.
        again = await counts.update(number, "record", said)
    assert less_notices(again) == less_notices(in_doubt)
    assert [entry[:3] for entry in entries(engine, number)] == [
        (first.product_id, "ann", 9),
        (second.product_id, "ann", 5),
    ]


async def test_slashes_in_names_keep_operations_apart(counts: Counts, shop: Shop) -> None:
    number, item = await one_count(counts, shop)
    await counts.record(number, item, 5, update_id="x/open")
    other = f"{number}/record/x"
    assert (await counts.open(other, item))["status"] == "COUNTING"


async def test_an_operator_who_cancels_the_workflow_gives_up_what_is_left(
    counts: Counts, shop: Shop, engine: Engine
) -> None:
    number, first, _ = await half_counted(counts, shop, 9)
    await counts.handle(number).cancel()
    state = await counts.result(number)
    assert (state["status"], state["closed_reason"], state["notes"]) == (
        "CANCELLED",
        "the workflow was cancelled",
        [],
    )
    assert lines(state) == [Line("POSTED", 9, "ann", "UNEXPLAINED", None, 10, -1), Line("CANCELLED")]
    assert await counts.status(number) == WorkflowExecutionStatus.COMPLETED
    assert (stored(engine, number).status, level(engine, first)) == ("CANCELLED", (9, 0))


async def test_a_count_that_is_cancelled_before_it_is_open_ends_as_it_would_have(
    branch: Branch, shop: Shop, engine: Engine
) -> None:
    counts = Counts(branch.purchasing.client, branch.purchasing.task_queue)
    item = shop.item(10)
    right, wrong = new_reference("count"), new_reference("count")
    for number, product_id in ((right, item.product_id), (wrong, 0)):
        await (await counts.start(number, [count(number, item.warehouse_id, product_id)])).cancel()
    async with branch.worker():
        state = await counts.result(right)
        assert (await refusal(counts.result(wrong))).type == "InvalidRequest"
    assert (state["status"], state["closed_reason"]) == ("CANCELLED", "the workflow was cancelled")
    assert stored(engine, right).status == "CANCELLED"
    assert await counts.status(wrong) == WorkflowExecutionStatus.FAILED


async def test_an_operator_cancels_while_the_last_count_is_written(counts: Counts, shop: Shop, engine: Engine) -> None:
    """Then there is nothing left to give up."""
    # A short task, because the cancellation is only heard in between two of them.
    brisk = Counts(counts.client, counts.task_queue, task_timeout=timedelta(seconds=1))
    number, item = await one_count(brisk, shop)
    async with locked(engine, item) as lock:
        await brisk.signal(number, "record", counted(item, 9))
        await lock.has_somebody_waiting()
        await brisk.handle(number).cancel()
    state = await brisk.result(number)
    assert (state["status"], state["closed_reason"]) == ("POSTED", None)
    assert (level(engine, item), lines(state)[0].delta) == ((9, 0), -1)
    assert await brisk.status(number) == WorkflowExecutionStatus.COMPLETED
