"""A customer return over the wire: its life, each of its ends, every command, and inspections that come twice."""

import contextlib
from datetime import datetime

from sqlalchemy import Engine, text
from temporalio.client import WorkflowExecutionStatus, WorkflowUpdateFailedError

from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_is_stored
from tests.support.customer_return import (
    Returns,
    Sent,
    Units,
    expected,
    found,
    inspection,
    inspections,
    movements,
    restocked,
    sent,
    sold,
    stored,
    units,
)
from tests.support.purchase_order import Branch
from tests.support.refusals import refusal_of
from tests.support.shop import Shop, new_reference
from tests.support.transfer_rows import stocked
from tests.support.wire import Json, Refusal, at_once, eventually, refusal


async def test_a_return_is_answered_in_one_call_with_the_whole_state(
    returns: Returns, shop: Shop, engine: Engine
) -> None:
    # What isn't sold any more may come back, and to a place that never had it.
    tea, mug = shop.item(2), ItemKey(shop.warehouse(), shop.product(is_active=False))
    number, lines = new_reference("back"), [sold(mug, 5), sold(tea, 9), sold(mug, 2)]
    # The same product on two lines counts together, and stays on two lines.
    state = await returns.ask_raw(number, [expected(number, mug.warehouse_id, *lines)])
    row = stored(engine, number)
    assert state == {
        "return_id": row.return_id,
        "return_number": number,
        "warehouse_id": mug.warehouse_id,
        "reference_id": "1042",
        "status": "EXPECTED",
        "lines": [line | {"restocked": 0, "scrapped": 0} for line in lines],
        "requested_by": "cleo",
        "inspections": [],
        "difference_approvals": [],
        "closed_reason": None,
        "notes": [],
    }
    run = await returns.handle(number).describe()
    assert (row.status, row.requested_by, row.workflow_id, row.run_id) == (
        "EXPECTED",
        "cleo",
        f"return-{number}",
        run.run_id,
    )
    assert (level(engine, tea), stocked(engine, mug), movements(engine, number)) == ((2, 0), None, [])


async def test_goods_come_back_in_parts(returns: Returns, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=2)
    number = new_reference("back")
    await returns.create(number, (tea, 3), (mug, 2), (tea, 1))
    state = await returns.inspect(number, found(mug, None, 1), found(tea, 2), inspection_id="box/1")
    assert (state["status"], units(state)) == ("EXPECTED", [Units(3, 2), Units(2, 0, 1), Units(1)])
    state = await returns.inspect(
        number, found(tea, 1, 1), found(mug, 1), inspection_id="box/2", performed_by="late shift"
    )
    assert (state["status"], units(state)) == ("INSPECTED", [Units(3, 3), Units(2, 1, 1), Units(1, 0, 1)])
    assert inspections(state) == [("box/1", "ines", 2, 1), ("box/2", "late shift", 2, 1)]
    with engine.connect() as connection:
        query = text("SELECT inspected_at FROM return_inspections WHERE return_id = :id ORDER BY inspection_id")
        instants = list(connection.execute(query, {"id": state["return_id"]}).scalars())
        query = text("SELECT DISTINCT workflow_id, run_id FROM stock_movements WHERE reference_id = :number")
        by = connection.execute(query, {"number": number}).all()
    assert [datetime.fromisoformat(each["at"]) for each in state["inspections"]] == instants
    assert await returns.result(number) == state
    assert await returns.state(number) == state
    assert await returns.status(number) == WorkflowExecutionStatus.COMPLETED
    assert by == [(f"return-{number}", (await returns.handle(number).describe()).run_id)]
    later = f"inspection box/2 of return {number}, order 1042"
    assert movements(engine, number) == [
        restocked(number, tea, 2, 4, "box/1"),
        (*tea, "RETURN", 1, 5, "late shift", later),
        (*mug, "RETURN", 1, 3, "late shift", later),
    ]


ENDINGS: dict[str, tuple[list[Json], str, Units, int]] = {
    "all of it fit": ([{"restock": 10}], "INSPECTED", Units(10, 10), 12),
    "all of it scrapped": ([{"scrap": 10}], "INSPECTED", Units(10, 0, 10), 2),
    "some of each": ([{"restock": 4}, {"restock": 1, "scrap": 5}], "INSPECTED", Units(10, 5, 5), 7),
    "closed short": ([{"restock": 3, "scrap": 1}, None], "INSPECTED", Units(10, 3, 1), 5),
    "closed short with nothing fit": ([{"scrap": 1}, None], "INSPECTED", Units(10, 0, 1), 2),
    "nothing came": ([None], "CANCELLED", Units(10), 2),
}


async def test_a_return_ends(returns: Returns, shop: Shop, engine: Engine) -> None:
    async def ends(steps: list[Json], status: str, line: Units, on_hand: int) -> None:
        number, item = await sent(returns, shop)
        for step in steps:
            await (returns.inspect(number, found(item, **step)) if step else returns.close_short(number))
        state = await returns.result(number)
        reason = "kept them after all" if steps[-1] is None else None
        assert (state["status"], state["closed_reason"], state["notes"]) == (status, reason, [])
        assert (units(state), level(engine, item)) == ([line], (on_hand, 0))
        assert await returns.state(number) == state
        assert await returns.status(number) == WorkflowExecutionStatus.COMPLETED
        assert (stored(engine, number).status, stored(engine, number).closed_reason) == (status, reason)

    await at_once(*(ends(*ending) for ending in ENDINGS.values()))


async def test_a_command_is_right_as_an_update_and_as_a_signal(returns: Returns, shop: Shop, engine: Engine) -> None:
    commands: dict[str, tuple[set[str], str]] = {
        "inspect": ({"lines", "inspections"}, "EXPECTED"),
        "close_short": ({"status", "closed_reason"}, "CANCELLED"),
    }

    async def changes(name: str, way: str) -> None:
        number, item = await sent(returns, shop)
        payload = {
            "inspect": inspection(found(item, 1, 1)),
            "close_short": {"performed_by": "cleo", "reason": "kept"},
        }[name]
        before = await returns.state(number)
        await getattr(returns, way)(number, name, payload)
        after = await eventually(lambda: returns.state(number), lambda state: state != before)
        changed, status = commands[name]
        assert {field for field, value in after.items() if value != before[field]} == changed
        assert after["status"] == status == stored(engine, number).status
        assert level(engine, item) == (3 if name == "inspect" else 2, 0)

    await at_once(*(changes(name, way) for name in commands for way in ("update", "signal")))


async def test_more_than_is_expected_or_something_else_is_refused(returns: Returns, shop: Shop, engine: Engine) -> None:
    tea, mug, pot = shop.items(3, units=2)
    number = new_reference("back")
    await returns.create(number, (tea, 2), (mug, 3), (tea, 2))
    before = await returns.inspect(number, found(tea, 1), inspection_id="box-1")
    told = f"product {tea.product_id}: 4 inspected, but only 3 expected"
    too_many = Refusal("InvalidRequest", {"product_id": tea.product_id, "quantity": 4, "expected": 3}, told)
    unknown = f"product {pot.product_id} isn't on return {number}"
    with nothing_is_stored(engine):
        for lines in (
            [found(mug, 1), found(tea, 4)],
            [found(tea, None, 4)],
            # The same product on two lines counts together.
            [found(tea, 1, 1), found(mug, 1), found(tea, 2)],
        ):
            assert await refusal(returns.inspect(number, *lines, inspection_id="box-2")) == too_many
        refused = await refusal(returns.inspect(number, found(tea, 1), found(pot, None, 1), inspection_id="box-2"))
        assert refused == Refusal("InvalidRequest", {"product_id": pot.product_id}, unknown)
        await returns.signal(number, "inspect", inspection(found(tea, 4)))
        assert await returns.noted(number, 1) == [f"signal inspect refused: InvalidRequest: {told}"]
        assert await returns.state(number) | {"notes": []} == before
    # A name that was refused isn't used up.
    state = await returns.inspect(number, found(tea, 3), inspection_id="box-2")
    assert units(state) == [Units(2, 2), Units(3), Units(2, 2)]


async def test_an_inspection_with_a_name_is_booked_once_however_often_it_comes(
    returns: Returns, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=2)
    number = new_reference("back")
    await returns.create(number, (tea, 9), (mug, 9))
    box = inspection(found(tea, 2, 1), found(mug, 1), inspection_id="box-1")
    first, *others = await at_once(*(returns.update(number, "inspect", box) for _ in range(5)))
    assert (units(first), others) == ([Units(9, 2, 1), Units(9, 1)], [first] * 4)
    with nothing_is_stored(engine):
        # By somebody else, with what there is nothing of said, too, and as a signal.
        again = [found(tea, 2, 1), found(mug, 1, 0)]
        assert await returns.inspect(number, *again, inspection_id="box-1", performed_by="wes") == first
        for _ in range(3):
            await returns.signal(number, "inspect", box)
        for lines in ([found(tea, 2)], [found(tea, 1, 2), found(mug, 1)], [found(mug, 2, 1), found(tea, 1)]):
            refused = await refusal(returns.inspect(number, *lines, inspection_id="box-1"))
            assert refused.type == "OperationConflict"
        await returns.signal(number, "inspect", inspection(found(tea, 1), inspection_id="box-1"))
        assert await returns.noted(number, 1) == [f"signal inspect refused: OperationConflict: {refused.message}"]
    now = await returns.inspect(number, found(tea, 1), inspection_id="box-2")
    with nothing_is_stored(engine):
        assert await returns.update(number, "inspect", box) == now
    # Another return's inspections have names of their own.
    other = await sent(returns, shop)
    assert units(await returns.inspect(other.number, found(other.item, 4), inspection_id="box-1")) == [Units(10, 4)]
    assert (level(engine, tea), level(engine, mug)) == ((5, 0), (3, 0))


async def test_an_inspection_without_a_name_goes_by_its_update_id_or_its_signal(
    returns: Returns, shop: Shop, engine: Engine
) -> None:
    number, item = await sent(returns, shop)
    first = await returns.inspect(number, found(item, 1), update_id="the-first")
    assert await returns.inspect(number, found(item, 1), update_id="the-first") == first
    await returns.inspect(number, found(item, 1), update_id="the-second")
    for _ in range(2):
        await returns.signal(number, "inspect", inspection(found(item, None, 1)))
    state = await eventually(lambda: returns.state(number), lambda state: len(state["inspections"]) == 4)
    run = (await returns.handle(number).describe()).run_id
    assert inspections(state) == [
        ("the-first", "ines", 1, 0),
        ("the-second", "ines", 1, 0),
        (f"{run}/signal-1", "ines", 0, 1),
        (f"{run}/signal-2", "ines", 0, 1),
    ]
    assert (units(state), level(engine, item)) == ([Units(10, 2, 2)], (4, 0))


async def test_of_two_inspections_of_the_last_unit_at_once_one_is_booked(
    returns: Returns, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=2)
    number = new_reference("back")
    await returns.create(number, (tea, 1), (mug, 1))

    async def comes(name: str) -> None:
        with contextlib.suppress(WorkflowUpdateFailedError):
            await returns.inspect(number, found(tea, 1), inspection_id=name)

    await at_once(comes("box-1"), comes("box-2"))
    state = await returns.state(number)
    [(booked, _, _, _)] = inspections(state)
    [other] = {"box-1", "box-2"} - {booked}
    numbers = {"product_id": tea.product_id, "quantity": 1, "expected": 0}
    no = Refusal("InvalidRequest", numbers, f"product {tea.product_id}: 1 inspected, but only 0 expected")
    with nothing_is_stored(engine):
        assert await returns.inspect(number, found(tea, 1), inspection_id=booked) == state
        assert await refusal(returns.inspect(number, found(tea, 1), inspection_id=other)) == no
    assert (units(state), level(engine, tea)) == ([Units(1, 1), Units(1)], (3, 0))


async def test_commands_that_come_before_anybody_works_are_carried_out_in_order(
    branch: Branch, shop: Shop, engine: Engine
) -> None:
    returns = Returns(branch.purchasing.client, branch.purchasing.task_queue)
    one, wrong = Sent(new_reference("back"), shop.item(2)), new_reference("back")
    for number, quantity in ((one.number, 10), (wrong, 0)):
        await returns.start(number, [expected(number, one.item.warehouse_id, sold(one.item, quantity))])
        for units_found in (3, 8, 1):
            await returns.signal(number, "inspect", inspection(found(one.item, units_found)))
        # Sent twice, it is what was wanted.
        for _ in range(2):
            await returns.signal(number, "close_short", {"performed_by": "cleo", "reason": "kept"})
        await returns.signal(number, "inspect", inspection(found(one.item, 1)))
    async with branch.worker():
        state = await returns.result(one.number)
        assert (await refusal(returns.result(wrong))).type == "InvalidRequest"
    assert (state["status"], units(state), level(engine, one.item)) == ("INSPECTED", [Units(10, 4)], (6, 0))
    assert [note[25:] for note in state["notes"]] == [
        f"signal inspect refused: InvalidRequest: product {one.item.product_id}: 8 inspected, but only 7 expected",
        f"signal inspect refused: InvalidState: {refusal_of('return', one.number, 'INSPECTED', 'inspect')}",
    ]
