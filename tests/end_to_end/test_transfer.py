"""A transfer over the wire: its life, each of its ends, and every command in every status."""

import asyncio
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, text
from temporalio.client import WorkflowExecutionStatus

from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_is_stored
from tests.support.purchase_order import Branch
from tests.support.refusals import refusal_of
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Journey, Transfers, Units, arrival, arrived, journey, moved, transfer, units
from tests.support.transfer_rows import (
    Whereabouts,
    hold,
    locked_transfer,
    movements,
    named,
    stocked,
    stored,
    transit,
    whereabouts,
)
from tests.support.wire import Json, Refusal, at_once, eventually, less_notices, refusal

BRISK = timedelta(seconds=1)
"""A short task, because a command is only let in between two of them."""


def command(name: str, item: ItemKey) -> Json:
    """A command that is right in itself; of a receipt, for three units that are fit and one that isn't."""
    commands: dict[str, Json] = {
        "dispatch": {"performed_by": "sid"},
        "receive": arrival("truck-1", arrived(item, 3, 1)),
        "write_off": {"performed_by": "dora", "reason": "lost on the way"},
        "cancel": {"performed_by": "tom", "reason": "not needed"},
    }
    return commands[name]


async def test_a_hold_is_answered_in_one_call_with_the_whole_state(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    first, second = shop.items(2, units=9)
    to, number = shop.warehouse(), new_reference("load")
    # The same product on two lines counts together, and stays on two lines.
    state = await transfers.create(number, to, [(first, 5), (second, 9), (first, 2)], expected_transit_hours=36.5)
    row = stored(engine, number)
    untouched = {"dispatched": 0, "received": 0, "damaged": 0, "written_off": 0, "returned": 0, "in_transit": 0}
    assert state == {
        "transfer_id": row.transfer_id,
        "transfer_number": number,
        "from_warehouse_id": first.warehouse_id,
        "to_warehouse_id": to,
        "status": "PENDING",
        "line_items": [
            moved(item, quantity) | untouched | {"held": quantity}
            for item, quantity in ((first, 5), (second, 9), (first, 2))
        ],
        "requested_by": "tom",
        "dispatched_at": None,
        "due_at": None,
        "departures": [],
        "receipts": [],
        "difference_approvals": [],
        "write_offs": [],
        "closed_reason": None,
        "shortages": [],
        "notices": [],
        "notes": [],
    }
    run = await transfers.handle(number).describe()
    assert (row.status, row.workflow_id, row.run_id) == ("PENDING", f"transfer-{number}", run.run_id)
    assert hold(engine, number) == [
        (*first, 5, 0, "ACTIVE", None),
        (*second, 9, 0, "ACTIVE", None),
        (*first, 2, 0, "ACTIVE", None),
    ]
    assert [level(engine, item) for item in (first, second)] == [(9, 7), (9, 9)]
    assert (movements(engine, number), transit(engine, number)) == ([], [])


async def test_goods_go_from_one_shelf_to_the_other(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    source = shop.item(12)
    target = shop.item(5, product=source.product_id)
    number, places = new_reference("load"), (source.warehouse_id, target.warehouse_id)

    def found(*on_hand: int, in_transit: int = 0, damaged: int = 0, written_off: int = 0) -> None:
        now = whereabouts(engine, [source.product_id], places)
        assert now == Whereabouts(on_hand, in_transit, damaged, written_off)
        assert now.total == 17

    await transfers.create(number, target.warehouse_id, [(source, 10)], expected_transit_hours=36.5)
    found(12, 5)
    state = await transfers.dispatch(number)
    row = stored(engine, number)
    assert (state["status"], units(state), level(engine, source)) == ("IN_TRANSIT", [Units(10, in_transit=10)], (2, 0))
    assert datetime.fromisoformat(state["dispatched_at"]) == row.dispatched_at
    assert datetime.fromisoformat(state["due_at"]) == row.due_at == row.dispatched_at + timedelta(hours=36.5)
    assert hold(engine, number) == [(*source, 10, 10, "FULFILLED", None)]
    found(2, 5, in_transit=10)
    state = await transfers.receive(number, "truck-1", arrived(target, 6, 1))
    assert (state["status"], units(state), level(engine, target)) == ("IN_TRANSIT", [Units(10, 6, 1, 0, 0, 3)], (11, 0))
    found(2, 11, in_transit=3, damaged=1)
    state = await transfers.receive(number, "truck-2", arrived(target, 1), performed_by="wes")
    found(2, 12, in_transit=2, damaged=1)
    state = await transfers.write_off(number, "fell off the truck")
    assert (state["status"], units(state)) == ("RECEIVED", [Units(10, 7, 1, 2)])
    assert (state["closed_reason"], state["notes"]) == ("fell off the truck", [])
    found(2, 12, damaged=1, written_off=2)

    assert less_notices(await transfers.result(number)) == less_notices(state)
    assert await transfers.state(number) == await transfers.result(number)
    assert await transfers.status(number) == WorkflowExecutionStatus.COMPLETED
    assert movements(engine, number) == [
        (*source, "TRANSFER_OUT", -10, 2, "sid", f"dispatched on transfer {number}"),
        (*target, "TRANSFER_IN", 6, 11, "dora", f"receipt truck-1 of transfer {number}"),
        (*target, "TRANSFER_IN", 1, 12, "wes", f"receipt truck-2 of transfer {number}"),
    ]
    assert transit(engine, number) == [
        (1, "DISPATCHED", 10, 10, None, "sid", f"dispatched on transfer {number}"),
        (1, "RECEIVED", -6, 4, "truck-1", "dora", f"receipt truck-1 of transfer {number}"),
        (1, "DAMAGED", -1, 3, "truck-1", "dora", f"receipt truck-1 of transfer {number}"),
        (1, "RECEIVED", -1, 2, "truck-2", "wes", f"receipt truck-2 of transfer {number}"),
        (1, "WRITTEN_OFF", -2, 0, None, "dora", "fell off the truck"),
    ]
    with engine.connect() as connection:
        run = await transfers.handle(number).describe()
        for ledger, of in (("stock_movements", "reference_id"), ("transit_movements", "workflow_id")):
            asked = text(f"SELECT DISTINCT workflow_id, run_id FROM {ledger} WHERE {of} = :of")
            name = number if of == "reference_id" else f"transfer-{number}"
            assert connection.execute(asked, {"of": name}).all() == [(f"transfer-{number}", run.run_id)]
    await transfers.told(
        number,
        ("WAREHOUSE", f"Damaged on the way: 1 unit of {named(engine, number)}"),
        ("WAREHOUSE", f"Written off: 2 units of {named(engine, number)}: fell off the truck"),
    )


DAMAGED = "Damaged on the way: {units} of {named}"
LOST = "Written off: {units} of {named}: lost on the way"


class Ending(NamedTuple):
    """What leads to it, and what is so then."""

    commands: list[str]
    status: str
    reason: str | None
    line: Units
    source: tuple[int, int]
    destination: tuple[int, int] | None
    notices: tuple[tuple[str, str], ...] = ()


ENDINGS = {
    "withdrawn": Ending(["cancel"], "CANCELLED", "not needed", Units(10), (12, 0), None),
    "brought back": Ending(["dispatch", "cancel"], "CANCELLED", "not needed", Units(10, returned=10), (12, 0), None),
    "brought back but for what had arrived": Ending(
        ["dispatch", "receive", "cancel"],
        "CANCELLED",
        "not needed",
        Units(10, 3, 1, returned=6),
        (8, 0),
        (3, 0),
        ((DAMAGED, "1 unit"),),
    ),
    "lost": Ending(
        ["dispatch", "write_off"],
        "RECEIVED",
        "lost on the way",
        Units(10, written_off=10),
        (2, 0),
        None,
        ((LOST, "10 units"),),
    ),
    "lost but for what had arrived": Ending(
        ["dispatch", "receive", "write_off"],
        "RECEIVED",
        "lost on the way",
        Units(10, 3, 1, written_off=6),
        (2, 0),
        (3, 0),
        ((DAMAGED, "1 unit"), (LOST, "6 units")),
    ),
    "all of it fit": Ending(["dispatch", "10 fit"], "RECEIVED", None, Units(10, 10), (2, 0), (10, 0)),
    "all of it damaged": Ending(
        ["dispatch", "10 damaged"], "RECEIVED", None, Units(10, 0, 10), (2, 0), None, ((DAMAGED, "10 units"),)
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_transfer_ends(transfers: Transfers, shop: Shop, engine: Engine, ending: str) -> None:
    end = ENDINGS[ending]
    number, source, destination = await journey(transfers, shop, "PENDING")
    for name in end.commands:
        match name.split():
            case ["10", state]:
                line = arrived(destination, 10) if state == "fit" else arrived(destination, 0, 10)
                await transfers.receive(number, "truck-1", line)
            case _:
                await transfers.update(number, name, command(name, destination))
    state = await transfers.result(number)
    assert (state["status"], state["closed_reason"], state["notes"]) == (end.status, end.reason, [])
    assert (units(state), stocked(engine, source), stocked(engine, destination)) == (
        [end.line],
        end.source,
        end.destination,
    )
    assert await transfers.state(number) == state
    assert await transfers.status(number) == WorkflowExecutionStatus.COMPLETED
    row = stored(engine, number)
    assert (row.status, row.closed_reason) == (end.status, end.reason)
    [held] = hold(engine, number)
    assert held[4] == ("FULFILLED" if "dispatch" in end.commands else "CANCELLED")
    name = named(engine, number)
    await transfers.told(
        number, *(("WAREHOUSE", title.format(units=units, named=name)) for title, units in end.notices)
    )


COMMANDS = ("dispatch", "receive", "write_off", "cancel")
ALLOWED: dict[tuple[str, str], tuple[str, set[str]]] = {
    ("PENDING", "dispatch"): ("IN_TRANSIT", {"line_items", "dispatched_at", "departures"}),
    ("PENDING", "cancel"): ("CANCELLED", {"line_items", "closed_reason"}),
    ("IN_TRANSIT", "receive"): ("IN_TRANSIT", {"line_items", "receipts"}),
    ("IN_TRANSIT", "write_off"): ("RECEIVED", {"line_items", "write_offs", "closed_reason"}),
    ("IN_TRANSIT", "cancel"): ("CANCELLED", {"line_items", "closed_reason"}),
}
"""The status that it leads to, and what else changes."""


@pytest.mark.parametrize(("status", "name"), ALLOWED)
async def test_a_command_is_right_as_an_update_and_as_a_signal(
    transfers: Transfers, shop: Shop, engine: Engine, status: str, name: str
) -> None:
    then, changed = ALLOWED[status, name]

    async def changes(way: str) -> Journey:
        new = await journey(transfers, shop, status)
        before = less_notices(await transfers.state(new.number))
        await getattr(transfers, way)(new.number, name, command(name, new.source))
        after = await eventually(lambda: transfers.state(new.number), lambda state: less_notices(state) != before)
        assert after["status"] == then == stored(engine, new.number).status
        assert {field for field, value in less_notices(after).items() if value != before[field]} == changed | (
            {"status"} if then != status else set()
        )
        return new

    for _, source, destination in await at_once(changes("update"), changes("signal")):
        assert (level(engine, source), stocked(engine, destination)) == {
            "dispatch": ((2, 0), None),
            "receive": ((2, 0), (3, 0)),
            "write_off": ((2, 0), None),
            "cancel": ((12, 0), None),
        }[name]


@pytest.mark.parametrize("name", ["receive", "write_off"])
async def test_what_has_not_left_cannot_arrive_or_get_lost(
    transfers: Transfers, shop: Shop, engine: Engine, name: str
) -> None:
    number, source, _ = await journey(transfers, shop, "PENDING")
    before = await transfers.state(number)
    told = refusal_of("transfer", number, "PENDING", name)
    with nothing_is_stored(engine):
        refused = await refusal(transfers.update(number, name, command(name, source)))
        assert refused == Refusal("InvalidState", {"status": "PENDING", "command": name}, told)
        assert await transfers.state(number) == before
        await transfers.signal(number, name, command(name, source))
        assert await transfers.noted(number, 1) == [f"signal {name} refused: InvalidState: {told}"]
        assert (await transfers.state(number)) | {"notes": []} == before
    # What was refused isn't used up.
    await transfers.dispatch(number)
    assert (await transfers.update(number, name, command(name, source)))["notes"][1:] == []


async def test_a_dispatch_that_is_sent_again_changes_nothing(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    number, source, _ = await journey(transfers, shop, "PENDING")
    first, *others = await at_once(*(transfers.dispatch(number) for _ in range(5)))
    assert (first["status"], level(engine, source), others) == ("IN_TRANSIT", (2, 0), [first] * 4)
    with nothing_is_stored(engine):
        assert await transfers.dispatch(number) == first
        await transfers.signal(number, "dispatch", command("dispatch", source))
        assert await transfers.update(number, "dispatch", {"performed_by": "late shift"}) == first
        assert await transfers.state(number) == first
    await transfers.receive(number, "truck-1", arrived(source, 4))
    with nothing_is_stored(engine):
        again = await transfers.dispatch(number)
        assert (again["status"], units(again)) == ("IN_TRANSIT", [Units(10, 4, in_transit=6)])


async def test_a_command_that_comes_as_it_ends_is_refused_unless_it_is_what_was_done(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    brisk = Transfers(transfers.client, transfers.task_queue, task_timeout=BRISK)

    async def race(begun: str, last: str, status: str) -> None:
        number, source, destination = await journey(brisk, shop, begun)
        final = arrival("last", arrived(source, 10)) if last == "receive" else command(last, source)
        done = {last, "dispatch"} if status == "RECEIVED" else {last}
        refused = [name for name in COMMANDS if name not in done or name == "receive"]
        async with locked_transfer(engine, number) as lock:
            first = asyncio.ensure_future(brisk.update(number, last, final))
            await lock.has_somebody_waiting()
            same = [
                asyncio.ensure_future(brisk.update(number, name, final if name == last else command(name, source)))
                for name in done
            ]
            late = [
                asyncio.ensure_future(refusal(brisk.update(number, name, command(name, source)))) for name in refused
            ]
            await brisk.signal(number, "receive", arrival("truck-2", arrived(source, 1)))
            await brisk.accepted(number, (2 if begun == "IN_TRANSIT" else 1) + 1 + len(same) + len(late))
        ended = less_notices(await first)
        assert ended["status"] == status
        for each in same:
            assert less_notices(await each) | {"notes": []} == ended
        assert await asyncio.gather(*late) == [
            Refusal("InvalidState", {"status": status, "command": name}, refusal_of("transfer", number, status, name))
            for name in refused
        ]
        state = less_notices(await brisk.result(number))
        assert state | {"notes": []} == ended
        assert [note[25:] for note in state["notes"]] == [
            f"signal receive refused: InvalidState: {refusal_of('transfer', number, status, 'receive')}"
        ]
        assert level(engine, source) == ((2, 0) if status == "RECEIVED" else (12, 0))
        assert stocked(engine, destination) == ((10, 0) if last == "receive" else None)

    await at_once(
        race("IN_TRANSIT", "receive", "RECEIVED"),
        race("IN_TRANSIT", "write_off", "RECEIVED"),
        race("IN_TRANSIT", "cancel", "CANCELLED"),
        race("PENDING", "cancel", "CANCELLED"),
    )


async def test_signals_that_come_before_anybody_works_are_carried_out_in_order(
    branch: Branch, shop: Shop, engine: Engine
) -> None:
    transfers = Transfers(branch.purchasing.client, branch.purchasing.task_queue)
    source, short = shop.item(12), shop.item(9)
    target, number, rejected = shop.warehouse(), new_reference("load"), new_reference("load")
    for name, item in ((number, source), (rejected, short)):
        await transfers.start(name, [transfer(name, item.warehouse_id, target, moved(item, 10))])
        await transfers.signal(name, "receive", arrival("too-early", arrived(item, 1)))
        for each in ("dispatch", "receive", "dispatch", "receive", "write_off", "cancel"):
            await transfers.signal(name, each, command(each, item))
    async with branch.worker():
        state, no = await at_once(transfers.result(number), transfers.result(rejected))
    assert (state["status"], state["closed_reason"]) == ("RECEIVED", "lost on the way")
    assert (units(state), level(engine, source)) == ([Units(10, 3, 1, 6)], (2, 0))
    told = f"transfer {number}"
    assert [note[25:] for note in state["notes"]] == [
        f"signal receive refused: InvalidState: {told} hasn't been dispatched yet",
        f"signal cancel refused: InvalidState: {told} has been received and can't be cancelled",
    ]
    assert (no["status"], no["shortages"], level(engine, short)) == ("REJECTED", [shortage(short, 10, 9)], (9, 0))
    assert [note[25:] for note in no["notes"][1:]] == [
        f"signal {each} refused: InvalidState: {refusal_of('transfer', rejected, 'REJECTED', each)}"
        for each in ("receive", "dispatch", "receive", "dispatch", "receive", "write_off", "cancel")
    ]
