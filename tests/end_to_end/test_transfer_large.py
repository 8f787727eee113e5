"""Transfers as large, and names as long, as the contract allows, and transfers that get very many commands."""

from datetime import datetime

from sqlalchemy import Engine, update
from temporalio.api.enums.v1 import EventType

from database.tables import products, warehouses
from stockkeeper.contracts.messages import utc
from tests.support.books import level, nothing_is_stored
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, Units, arrival, arrived, journey, moved, transfer, units
from tests.support.transfer_rows import movements, named, stocked, transit
from tests.support.wire import at_once, eventually, less_notices, refusal

LINES = 1_000
TIMER = EventType.EVENT_TYPE_TIMER_STARTED


async def test_a_thousand_lines_go_from_one_shelf_to_the_other(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=LINES + 4)
    number, to = new_reference("load"), shop.warehouse()
    lines = [moved(item if place % 2 else other, 2) for place in range(LINES)]
    state = await transfers.ask_raw(number, [transfer(number, item.warehouse_id, to, *lines)])
    assert (state["status"], len(state["line_items"])) == ("PENDING", LINES)
    assert [level(engine, each) for each in (item, other)] == [(LINES + 4, LINES)] * 2
    state = await transfers.dispatch(number)
    assert (state["status"], units(state)) == ("IN_TRANSIT", [Units(2, in_transit=2)] * LINES)
    half = [arrived(item if place % 2 else other, 1) for place in range(LINES)]
    state = await transfers.receive(number, "truck-1", *half)
    assert (state["status"], units(state)) == ("IN_TRANSIT", [Units(2, 2)] * 500 + [Units(2, in_transit=2)] * 500)
    state = await transfers.receive(number, "truck-2", *half)
    assert (state["status"], units(state)) == ("RECEIVED", [Units(2, 2)] * LINES)
    assert less_notices(await transfers.result(number)) == less_notices(state)
    assert [level(engine, each) for each in (item, other)] == [(4, 0)] * 2
    assert [stocked(engine, each._replace(warehouse_id=to)) for each in (item, other)] == [(LINES, 0)] * 2
    assert (len(movements(engine, number)), len(transit(engine, number))) == (2 * LINES, 2 * LINES)


async def test_the_most_that_may_be_moved_comes_back(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(10**12), new_reference("load")
    start = transfer(number, item.warehouse_id, shop.warehouse(), *[moved(item, 10**9)] * LINES)
    await transfers.ask_raw(number, [start])
    assert level(engine, item) == (10**12, 10**12)
    await transfers.dispatch(number)
    # Nobody damages so much alone.
    up_to = {"approver": "max", "value": "0", "unvalued_units": 10**12}
    await transfers.update(number, "approve_difference", up_to)
    await transfers.receive(number, "truck-1", *[arrived(item, 0, 10**9 - 1)] * LINES)
    state = await transfers.cancel(number)
    assert (state["status"], level(engine, item)) == ("CANCELLED", (LINES, 0))
    # A product that stands on several lines fills them in order.
    assert units(state)[:999] == [Units(10**9, damaged=10**9)] * 999
    assert units(state)[999] == Units(10**9, damaged=10**9 - LINES, returned=LINES)


class Chain:
    """A transfer whose history becomes too long, and which goes on in other runs."""

    def __init__(self, transfers: Transfers, number: str) -> None:
        self.transfers = transfers
        self.number = number
        self.notes: list[str] = []
        self._runs: list[str | None] = []

    async def goes_on(self) -> None:
        """More than a history takes, to the next run."""
        self._runs.append(await self._run())
        for _ in range(3):
            await self.transfers.signal(self.number, "nonsense", "x" * 1_500_000)
            self.notes.append("signal 'nonsense' isn't one of its commands")
            assert await self.transfers.noted(self.number, len(self.notes)) == self.notes
        await eventually(self._run, lambda run: run not in self._runs)

    async def _run(self) -> str | None:
        return (await self.transfers.handle(self.number).describe()).run_id


async def test_a_transfer_with_a_long_history_goes_on_in_other_runs_and_forgets_nothing(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    # It is overdue as soon as it has left.
    number, item, target = await journey(transfers, shop, "PENDING", expected_transit_hours=1e-6)
    chain = Chain(transfers, number)
    await transfers.signal(number, "receive", arrival("truck-1", arrived(item, 1)))
    chain.notes += [f"signal receive refused: InvalidState: transfer {number} hasn't been dispatched yet"]
    await transfers.noted(number, 1)
    await chain.goes_on()
    assert level(engine, item) == (12, 10)
    state = await transfers.dispatch(number)
    left, due = (utc(datetime.fromisoformat(state[field])) for field in ("dispatched_at", "due_at"))
    told = [("WAREHOUSE", f"Overdue: {named(engine, number)} was due at {due}, 10 units in transit")]
    await transfers.told(number, *told)
    assert f" 10 units in transit. Left at {left}. OVERDUE: due at {due}. " in (
        (await transfers.metadata(number)).current_details
    )
    booked = await transfers.receive(number, "truck-1", arrived(item, 3, 1))
    told += [("WAREHOUSE", f"Damaged on the way: 1 unit of {named(engine, number)}")]
    await transfers.told(number, *told)
    await chain.goes_on()

    # What an earlier run has done is known, in any way that it may come.
    with nothing_is_stored(engine):
        for again in (
            await transfers.receive(number, "truck-1", arrived(item, 3, 1)),
            await transfers.dispatch(number),
            await transfers.update(number, "held"),
        ):
            assert less_notices(again) | {"notes": []} == less_notices(booked) | {"notes": []}
        refused = await refusal(transfers.receive(number, "truck-1", arrived(item, 4)))
        assert refused.type == "OperationConflict"
        await transfers.signal(number, "receive", arrival("truck-1", arrived(item, 4)))
        chain.notes.append(f"signal receive refused: OperationConflict: {refused.message}")
        assert await transfers.noted(number, len(chain.notes)) == chain.notes
    await transfers.signal(number, "receive", arrival("truck-2", arrived(item, 2)))
    await eventually(lambda: transfers.state(number), lambda state: units(state) == [Units(10, 5, 1, in_transit=4)])
    # Neither that it is overdue nor what was damaged is told again.
    await transfers.told(number, *told)
    await transfers.write_off(number)
    state = await transfers.result(number)
    assert (state["status"], units(state)) == ("RECEIVED", [Units(10, 5, 1, 4)])
    assert [note[25:] for note in state["notes"]] == chain.notes
    assert [each["receipt_id"] for each in state["receipts"]] == ["truck-1", "truck-2"]
    assert (level(engine, item), stocked(engine, target)) == ((2, 0), (5, 0))
    told += [("WAREHOUSE", f"Written off: 4 units of {named(engine, number)}: lost on the way")]
    await transfers.told(number, *told)


async def test_the_run_that_goes_on_waits_until_the_same_time(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    number, item, _ = await journey(transfers, shop, expected_transit_hours=48)
    due = (await transfers.state(number))["due_at"]
    await Chain(transfers, number).goes_on()
    timer = f"overdue from {utc(datetime.fromisoformat(due))}"
    await eventually(lambda: transfers.summaries(number, TIMER), [timer].__eq__)
    await transfers.cancel(number)
    state = await transfers.result(number)
    assert (state["status"], state["due_at"], state["notices"]) == ("CANCELLED", due, [])
    assert level(engine, item) == (12, 0)


async def test_the_longest_names_there_can_be(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    items, to = shop.items(21, units=9), shop.warehouse()
    with engine.begin() as connection:
        for item in items:
            sku = f"{item.product_id}-".ljust(200, "ü")
            connection.execute(update(products).where(products.c.product_id == item.product_id).values(sku=sku))
        for place in (items[0].warehouse_id, to):
            name = new_reference("place").ljust(200, "ü")
            connection.execute(update(warehouses).where(warehouses.c.warehouse_id == place).values(name=name))
    people = [f"{each}".ljust(200, "ł") for each in range(4)]
    reason = "because".ljust(500, "😀")

    async def ends(command: str, status: str, line: Units) -> None:
        number = new_reference("load").ljust(200, "😀")
        state = await transfers.create(
            number, to, [(item, 3) for item in items], requested_by=people[0], expected_transit_hours=1e-6
        )
        assert (state["status"], state["transfer_number"]) == ("PENDING", number)
        await transfers.update(number, "dispatch", {"performed_by": people[1]})
        state = await transfers.receive(
            number, "truck".ljust(200, "🚚"), *(arrived(item, 1, 1) for item in items), performed_by=people[2]
        )
        assert units(state) == [Units(3, 1, 1, in_transit=1)] * 21
        await transfers.signal(number, "dispatch", {"performed_by": people[3] + "x"})
        assert len(await transfers.noted(number, 1)) == 1
        await transfers.quiet(number, 2)
        await transfers.update(number, command, {"performed_by": people[3], "reason": reason})
        state = await transfers.result(number)
        assert (state["status"], state["closed_reason"], units(state)) == (status, reason, [line] * 21)
        assert {notice["outcome"] for notice in state["notices"]} == {"LOGGED"}

    await at_once(
        ends("write_off", "RECEIVED", Units(3, 1, 1, written_off=1)),
        ends("cancel", "CANCELLED", Units(3, 1, 1, returned=1)),
    )
    assert [level(engine, item) for item in items] == [(4, 0)] * 21
    assert [level(engine, item._replace(warehouse_id=to)) for item in items] == [(2, 0)] * 21


async def test_the_steps_of_a_large_transfer_are_reported_one_by_one(transfers: Transfers, shop: Shop) -> None:
    """All local activities of a workflow task go into one message, and many large answers would be too much for it."""
    item, to = shop.item(101), shop.warehouse()

    async def by_the_task_queue(lines: int) -> list[str]:
        number = new_reference("load")
        await transfers.dispatched(number, to, [(item, 1)] * lines)
        await transfers.receive(number, "truck-1", arrived(item, 1))
        await transfers.cancel(number)
        await transfers.result(number)
        scheduled = await transfers.history(number, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
        return [each.activity_task_scheduled_event_attributes.activity_type.name for each in scheduled]

    assert await by_the_task_queue(50) == []
    steps = ["hold_transfer", "dispatch_transfer", "receive_transfer", "cancel_transfer"]
    assert await by_the_task_queue(51) == steps
