"""A cycle count over the wire: its life, each of its ends, and every command in every status."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, text
from temporalio.client import WorkflowExecutionStatus

from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_is_stored
from tests.support.cycle_count import (
    Counts,
    Line,
    One,
    approval,
    command,
    count,
    counted,
    half_counted,
    lines,
    one_count,
)
from tests.support.cycle_count_rows import entries, last_count, movements, stored
from tests.support.purchase_order import Branch
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, Refusal, at_once, less_notices, refusal


async def test_a_count_is_answered_in_one_call_with_the_whole_state(counts: Counts, shop: Shop, engine: Engine) -> None:
    first, second = shop.items(2, units=9)
    # Nobody knows yet that it is there.
    never = ItemKey(first.warehouse_id, shop.product())
    number = new_reference("count")
    # A product that is named twice is counted once.
    state = await counts.open(number, first, never, second, first)
    row = stored(engine, number)
    nothing_yet = {name: None for name in Line._fields if name != "status"} | {"needs_approval": False}
    assert state == {
        "count_id": row.count_id,
        "count_number": number,
        "warehouse_id": first.warehouse_id,
        "status": "COUNTING",
        "lines": [
            {"product_id": item.product_id, "status": "COUNTING"} | nothing_yet for item in (first, never, second)
        ],
        "requested_by": "wanda",
        "closed_reason": None,
        "gave_way": [],
        "held_before": [],
        "notices": [],
        "notes": [],
    }
    run = await counts.handle(number).describe()
    assert (row.status, row.workflow_id, row.run_id) == ("COUNTING", f"cycle-count-{number}", run.run_id)
    # The tolerance that is in force stays this count's.
    assert (row.tolerance_units, row.tolerance_percent) == (1, 1)
    assert [level(engine, item) for item in (first, second)] == [(9, 0)] * 2
    assert (entries(engine, number), movements(engine, number)) == ([], [])


async def test_what_is_within_tolerance_is_in_the_books_at_once(counts: Counts, shop: Shop, engine: Engine) -> None:
    """The tolerance is a unit, or a percent of what the system has: the wider of the two."""
    place = shop.warehouse()
    items = [shop.item(units, warehouse=place) for units in (10, 10, 250)]
    never = ItemKey(place, shop.product())
    number = new_reference("count")
    await counts.open(number, *items, never)
    # A root cause of nothing is none.
    state = await counts.record(number, items[0], 10, root_cause="THEFT")
    assert lines(state)[:2] == [Line("POSTED", 10, "ann", None, None, 10, 0), Line()]
    await counts.record(number, items[1], 9, "bob", "DAMAGE")
    state = await counts.record(number, items[2], 252)
    assert state["status"] == "COUNTING"
    state = await counts.record(number, never, 1, "bob")
    assert (state["status"], state["closed_reason"], state["notices"], state["notes"]) == ("POSTED", None, [], [])
    assert lines(state) == [
        Line("POSTED", 10, "ann", None, None, 10, 0),
        Line("POSTED", 9, "bob", "DAMAGE", None, 10, -1),
        Line("POSTED", 252, "ann", "UNEXPLAINED", None, 250, 2),
        Line("POSTED", 1, "bob", "UNEXPLAINED", None, 0, 1),
    ]
    assert await counts.result(number) == await counts.state(number) == state
    assert await counts.status(number) == WorkflowExecutionStatus.COMPLETED
    of = f"count {number}: counted"
    assert movements(engine, number) == [
        (*items[1], "ADJUSTMENT", -1, 9, "bob", f"DAMAGE: {of} 9 by bob; system 10"),
        (*items[2], "ADJUSTMENT", 2, 252, "ann", f"UNEXPLAINED: {of} 252 by ann; system 250"),
        (*never, "ADJUSTMENT", 1, 1, "bob", f"UNEXPLAINED: {of} 1 by bob; system 0"),
    ]
    with engine.connect() as connection:
        asked = text("SELECT DISTINCT workflow_id, run_id FROM stock_movements WHERE reference_id = :number")
        run = (await counts.handle(number).describe()).run_id
        assert connection.execute(asked, {"number": number}).all() == [(f"cycle-count-{number}", run)]
    row = stored(engine, number)
    assert (row.status, row.closed_reason) == ("POSTED", None)
    at = [last_count(engine, item) for item in (*items, never)]
    assert [was_off for _, was_off in at] == [False] * 4
    assert at[3][0] == row.closed_at


async def test_what_is_beyond_tolerance_is_in_the_books_once_somebody_else_has_counted_it(
    counts: Counts, shop: Shop, engine: Engine
) -> None:
    number, item = await one_count(counts, shop, 100)
    with_doubt = await counts.record(number, item, 90, root_cause="MISPLACED")
    assert (with_doubt["status"], lines(with_doubt)) == ("REVIEW", [Line("REVIEW", 90, "ann", "MISPLACED")])
    assert (level(engine, item), last_count(engine, item)) == ((100, 0), (None, False))
    # What the system has is asked for anew.
    shop.move(item, -4)
    state = await counts.record(number, item, 91, "bob")
    # It is as far off, and it is the second one: that's how it is. Whoever counted first knew why.
    assert (state["status"], lines(state)) == ("POSTED", [Line("POSTED", 91, "bob", "MISPLACED", None, 96, -5)])
    assert less_notices(await counts.result(number)) == less_notices(state)
    assert entries(engine, number) == [(item.product_id, "ann", 90, 100), (item.product_id, "bob", 91, 96)]
    reason = f"MISPLACED: count {number}: counted 90 by ann, 91 by bob; system 96"
    assert movements(engine, number) == [(*item, "ADJUSTMENT", -5, 91, "bob", reason)]
    assert last_count(engine, item) == (stored(engine, number).closed_at, True)


async def test_what_is_beyond_tolerance_is_in_the_books_once_somebody_has_approved_it(
    counts: Counts, orders: Orders, shop: Shop, engine: Engine
) -> None:
    number, item = await one_count(counts, shop, 100)
    await counts.record(number, item, 90, root_cause="MISPLACED")
    # What is sold after the count was recorded is none of its business.
    await orders.sell(item, 4)
    state = await counts.approve(number, item, "cid", "THEFT")
    assert (state["status"], lines(state)) == ("POSTED", [Line("POSTED", 90, "ann", "THEFT", "cid", 100, -10)])
    assert less_notices(await counts.result(number)) == less_notices(state)
    reason = f"THEFT: count {number}: counted 90 by ann; system 100, approved by cid"
    assert movements(engine, number) == [(*item, "ADJUSTMENT", -10, 86, "cid", reason)]
    at, was_off = last_count(engine, item)
    # When it was counted, not when somebody approved that.
    assert (at is not None and at < stored(engine, number).closed_at, was_off) == (True, True)


async def test_a_count_is_where_its_lines_are(counts: Counts, shop: Shop, engine: Engine) -> None:
    first, second, third = shop.items(3, units=10)
    number = new_reference("count")
    await counts.open(number, first, second, third)
    state = await counts.record(number, second, 5)
    assert (state["status"], [line.status for line in lines(state)]) == ("COUNTING", ["COUNTING", "REVIEW", "COUNTING"])
    await counts.record(number, first, 10)
    assert (await counts.state(number))["notices"] == []
    state = await counts.record(number, third, 6)
    assert (state["status"], [line.status for line in lines(state)]) == ("REVIEW", ["POSTED", "REVIEW", "REVIEW"])
    assert stored(engine, number).status == "REVIEW"
    state = await counts.record(number, second, 10, "bob")
    assert (state["status"], lines(state)[1]) == ("REVIEW", Line("POSTED", 10, "bob", None, None, 10, 0))
    state = await counts.approve(number, third)
    assert (state["status"], [line.status for line in lines(state)]) == ("POSTED", ["POSTED"] * 3)
    assert [level(engine, item) for item in (first, second, third)] == [(10, 0), (10, 0), (6, 0)]
    # Whoever has to look again hears of it once, when everything has been counted.
    await counts.result(number)
    await counts.told(number, ("WAREHOUSE", await review_wanted(counts, engine, number, 2)))


async def review_wanted(counts: Counts, engine: Engine, number: str, items: int) -> str:
    """The title of a notice."""
    with engine.connect() as connection:
        name = text("SELECT name FROM warehouses JOIN cycle_counts USING (warehouse_id) WHERE count_number = :number")
        place = connection.execute(name, {"number": number}).scalar_one()
    return f"Count {number}, {place}: {items} item{'s' * (items > 1)} beyond tolerance"


async def test_what_is_given_up_is_not_counted_and_what_is_in_the_books_stays(
    counts: Counts, shop: Shop, engine: Engine
) -> None:
    first, second, third = shop.items(3, units=10)
    number = new_reference("count")
    await counts.open(number, first, second, third)
    await counts.record(number, first, 9)
    await counts.record(number, second, 5)
    state = await counts.cancel(number, "the roof leaks")
    assert (state["status"], state["closed_reason"], state["notices"]) == ("CANCELLED", "the roof leaks", [])
    # What was found beyond tolerance was never in the books, and isn't told now.
    assert lines(state) == [
        Line("POSTED", 9, "ann", "UNEXPLAINED", None, 10, -1),
        Line("CANCELLED", 5, "ann"),
        Line("CANCELLED"),
    ]
    assert await counts.result(number) == state
    assert await counts.status(number) == WorkflowExecutionStatus.COMPLETED
    assert [level(engine, item) for item in (first, second, third)] == [(9, 0), (10, 0), (10, 0)]
    assert [last_count(engine, item)[0] is None for item in (first, second, third)] == [False, True, True]
    row = stored(engine, number)
    assert (row.status, row.closed_reason) == ("CANCELLED", "the roof leaks")


class Case(NamedTuple):
    """A command to a count of ten units, after a first count of five if it is in REVIEW."""

    begun: str
    name: str
    then: str
    line: Line
    on_hand: int


CASES = (
    Case("COUNTING", "record", "POSTED", Line("POSTED", 9, "bob", "DAMAGE", None, 10, -1), 9),
    Case("REVIEW", "record", "POSTED", Line("POSTED", 9, "bob", "DAMAGE", None, 10, -1), 9),
    Case("REVIEW", "approve_variance", "POSTED", Line("POSTED", 5, "ann", "DAMAGE", "cid", 10, -5), 5),
    Case("COUNTING", "cancel", "CANCELLED", Line("CANCELLED"), 10),
    Case("REVIEW", "cancel", "CANCELLED", Line("CANCELLED", 5, "ann"), 10),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.begun} {case.name}")
async def test_a_command_is_right_as_an_update_and_as_a_signal(
    counts: Counts, shop: Shop, engine: Engine, case: Case
) -> None:
    async def changes(way: str) -> One:
        one = await one_count(counts, shop, 10, first=5 if case.begun == "REVIEW" else None)
        await getattr(counts, way)(one.number, case.name, command(case.name, one.item))
        return one

    for one in await at_once(changes("update"), changes("signal")):
        state = await counts.result(one.number)
        assert (state["status"], lines(state), state["notes"]) == (case.then, [case.line], [])
        assert state["closed_reason"] == ("no time" if case.name == "cancel" else None)
        assert (stored(engine, one.number).status, level(engine, one.item)) == (case.then, (case.on_hand, 0))


async def test_what_has_not_been_counted_cannot_be_approved(counts: Counts, shop: Shop, engine: Engine) -> None:
    number, item = await one_count(counts, shop)
    before = await counts.state(number)
    told = f"product {item.product_id} of count {number} isn't counted yet"
    with nothing_is_stored(engine):
        refused = await refusal(counts.approve(number, item))
        assert refused == Refusal("InvalidState", {"status": "COUNTING", "command": "approve_variance"}, told)
        assert await counts.state(number) == before
        await counts.signal(number, "approve_variance", approval(item))
        assert await counts.noted(number, 1) == [f"signal approve_variance refused: InvalidState: {told}"]
        assert await counts.state(number) | {"notes": []} == before
    # What was refused isn't used up.
    assert lines(await counts.record(number, item, 5)) == [Line("REVIEW", 5, "ann")]
    assert (await counts.approve(number, item))["status"] == "POSTED"


async def test_what_is_in_the_books_cannot_be_counted_or_approved_again(
    counts: Counts, shop: Shop, engine: Engine
) -> None:
    number, first, second = await half_counted(counts, shop, 9)
    told = f"product {first.product_id} of count {number} has been posted already"
    others = [
        # The same person finds something else, and somebody else the same.
        ("record", counted(first, 10)),
        ("record", counted(first, 9, "bob")),
        ("approve_variance", approval(first)),
    ]
    with nothing_is_stored(engine):
        for name, message in others:
            refused = await refusal(counts.update(number, name, message))
            assert refused == Refusal("InvalidState", {"status": "POSTED", "command": name}, told)
            await counts.signal(number, name, message)
        assert await counts.noted(number, 3) == [f"signal {name} refused: InvalidState: {told}" for name, _ in others]
    assert (await counts.record(number, second, 10))["status"] == "POSTED"


async def test_what_is_sent_twice_is_in_the_books_once(counts: Counts, shop: Shop, engine: Engine) -> None:
    first, second, third = shop.items(3, units=10)
    number = new_reference("count")
    await counts.open(number, first, second, third)
    posted = await counts.record(number, first, 9)
    before = entries(engine, number), movements(engine, number)
    # Whoever had no answer, and writes their name in another way.
    assert await counts.record(number, first, 9, "Ann", "THEFT") == posted
    await counts.signal(number, "record", counted(first, 9))
    assert await counts.record(number, first, 9) == posted
    assert (entries(engine, number), movements(engine, number)) == before
    await counts.record(number, second, 4)
    approved = await counts.approve(number, second)
    before = entries(engine, number), movements(engine, number)
    assert await counts.approve(number, second, "CID") == approved
    await counts.signal(number, "approve_variance", approval(second))
    assert await counts.approve(number, second) == approved
    # Another cause, and another person, are something else.
    for by, cause in (("cid", "THEFT"), ("dora", "DAMAGE")):
        assert (await refusal(counts.approve(number, second, by, cause))).type == "InvalidState"
    assert (entries(engine, number), movements(engine, number)) == before
    assert (await counts.state(number))["notes"] == []


async def test_signals_that_come_before_anybody_works_are_carried_out_in_order(
    branch: Branch, shop: Shop, engine: Engine
) -> None:
    counts = Counts(branch.purchasing.client, branch.purchasing.task_queue)
    first, second, third = items = shop.items(3, units=10)
    number = new_reference("count")
    await counts.start(number, [count(number, first.warehouse_id, *(item.product_id for item in items))])
    early: Sequence[tuple[str, Json]] = (
        ("approve_variance", approval(first)),
        ("record", counted(first, 5)),
        ("record", counted(first, 5, "ANN")),
        ("record", counted(second, 4)),
        ("approve_variance", approval(second, "ann")),
        ("approve_variance", approval(second)),
        ("record", counted(first, 6, "bob")),
        ("cancel", {"performed_by": "wanda", "reason": "no time"}),
        ("cancel", {"performed_by": "wanda", "reason": "no time"}),
        ("record", counted(third, 10)),
    )
    for name, message in early:
        await counts.signal(number, name, message)
    async with branch.worker():
        state = await counts.result(number)
    assert (state["status"], state["closed_reason"]) == ("CANCELLED", "no time")
    assert lines(state) == [
        Line("POSTED", 6, "bob", "UNEXPLAINED", None, 10, -4),
        Line("POSTED", 4, "ann", "DAMAGE", "cid", 10, -6),
        Line("CANCELLED"),
    ]
    of = [f"product {item.product_id} of count {number}" for item in items]
    assert [note[25:] for note in state["notes"]] == [
        f"signal approve_variance refused: InvalidState: {of[0]} isn't counted yet",
        f"signal record refused: NotPermitted: {of[0]} was counted by ANN; another person has to count it again",
        f"signal approve_variance refused: NotPermitted: {of[1]} was counted by ann; another person has to approve it",
        f"signal record refused: InvalidState: {of[2]} has been cancelled and can't be counted",
    ]
    assert [level(engine, item) for item in items] == [(6, 0), (4, 0), (10, 0)]
