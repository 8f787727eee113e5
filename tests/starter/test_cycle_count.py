"""A Python service and its counts: typed calls, and errors of ours whatever Temporal calls them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine

from stockkeeper import (
    CycleCount,
    CycleCountState,
    InsufficientStock,
    InvalidRequest,
    InvalidState,
    NotFound,
    NotPermitted,
    OperationConflict,
    RootCause,
    Stockkeeper,
    UnknownProduct,
    UnknownWarehouse,
)
from stockkeeper import Line as ServiceLine
from stockkeeper.contracts.count_questions import Accuracy, Variance
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_is_stored
from tests.support.commands import names
from tests.support.cycle_count import Line, lines, midday
from tests.support.cycle_count_rows import entries, movements
from tests.support.shop import Shop, new_reference
from tests.support.wire import eventually

NO_ONE = 10**12


async def opened(stock: Stockkeeper, number: str, *items: ItemKey) -> CycleCount:
    return await stock.open_count(
        number,
        [item.product_id for item in items],
        warehouse_id=items[0].warehouse_id,
        requested_by="wanda",
    )


async def one(stock: Stockkeeper, shop: Shop, units: int = 10) -> tuple[CycleCount, ItemKey]:
    item = shop.item(units)
    return await opened(stock, new_reference("count"), item), item


def lines_of(state: CycleCountState) -> Sequence[Line]:
    return lines(state.model_dump())


async def has_ended(stock: Stockkeeper, count: CycleCount) -> None:
    """Return once the run has closed."""
    await stock.client.get_workflow_handle(f"cycle-count-{count.count_number}").result()


async def test_what_is_within_tolerance_is_in_the_books_and_the_rest_is_counted_again(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    near, far = shop.items(2, 10)
    number = new_reference("count")
    count = await opened(stock, number, near, far, near)
    assert (count.count_number, count.state.count_number, count.state.requested_by) == (number, number, "wanda")
    assert (count.state.status, lines_of(count.state)) == ("COUNTING", [Line(), Line()])
    first = await count.record(near.product_id, 9, performed_by="ann", root_cause=RootCause.DAMAGE)
    posted = Line("POSTED", 9, "ann", "DAMAGE", None, 10, -1)
    assert (first.status, lines_of(first)) == ("COUNTING", [posted, Line()])
    state = await count.record(far.product_id, 4, performed_by="ann", root_cause=RootCause.THEFT)
    # What the books have isn't told before somebody else has counted.
    assert (state.status, lines_of(state)) == ("REVIEW", [posted, Line("REVIEW", 4, "ann", "THEFT")])
    assert [level(engine, item) for item in (near, far)] == [(9, 0), (10, 0)]
    with (
        nothing_is_stored(engine),
        pytest.raises(NotPermitted, match="was counted by ann; another person"),
    ):
        await count.record(far.product_id, 5, performed_by="ann")
    shop.move(far, 3)  # ... and goods go on moving.
    state = await count.record(far.product_id, 7, performed_by="bob")
    assert (state.status, lines_of(state)) == ("POSTED", [posted, Line("POSTED", 7, "bob", "THEFT", None, 13, -6)])
    assert (count.state, level(engine, far)) == (state, (7, 0))
    assert [(row[1], row[3]) for row in movements(engine, number)] == [(near.product_id, -1), (far.product_id, -6)]


async def test_a_count_that_is_sent_again_is_taken_once_and_answered_with_what_is_true_now(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    near, far, other = shop.items(3, 10)
    count = await opened(stock, new_reference("count"), near, far, other)
    for item, units in ((near, 10), (far, 4)):
        await count.record(item.product_id, units, performed_by="ann")
    elsewhere = await stock.cycle_count(count.count_number)
    now = lines_of(await elsewhere.record(other.product_id, 11, performed_by="bob"))
    assert [line.status for line in now] == ["POSTED", "REVIEW", "POSTED"]
    with nothing_is_stored(engine):
        # Temporal has kept what the first answers were; by now more is counted.
        for asker in (count, elsewhere):
            for item, units in ((far, 4), (near, 10)):
                assert lines_of(await asker.record(item.product_id, units, performed_by="ann")) == now
        for units, person in ((11, "ann"), (10, "bob")):
            with pytest.raises(InvalidState) as refused:
                await count.record(near.product_id, units, performed_by=person)
            assert refused.value.details == {"status": "POSTED", "command": "record"}
    assert [row[:3] for row in entries(engine, count.count_number)] == [
        (near.product_id, "ann", 10),
        (far.product_id, "ann", 4),
        (other.product_id, "bob", 11),
    ]


async def test_after_the_end_only_what_is_in_the_books_was_recorded(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    count, item = await one(stock, shop)
    await count.record(item.product_id, 4, performed_by="ann")
    await count.record(item.product_id, 5, performed_by="bob")
    await has_ended(stock, count)
    last = await count.refresh()
    with nothing_is_stored(engine):
        assert await count.record(item.product_id, 5, performed_by="bob") == last
        # Nobody has sent this one, and it is what is there.
        assert await count.record(item.product_id, 5, performed_by="Bob") == last
        # The first count was taken, too, and it is known what came of it since.
        assert await count.record(item.product_id, 4, performed_by="ann") == last
        for units, person in ((5, "ann"), (4, "bob"), (5, "cid")):
            with pytest.raises(InvalidState) as refused:
                await count.record(item.product_id, units, performed_by=person)
            assert refused.value.details == {"status": "POSTED", "command": "record"}
        with pytest.raises(InvalidState):
            await count.approve_variance(item.product_id, approver="cid", root_cause=RootCause.THEFT)
        with pytest.raises(InvalidState):
            await count.cancel(performed_by="wanda", reason="too late")
    assert (count.state, level(engine, item)) == (last, (5, 0))


async def test_somebody_who_has_not_counted_it_approves_a_variance(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    count, item = await one(stock, shop)
    with nothing_is_stored(engine), pytest.raises(InvalidState) as early:
        await count.approve_variance(item.product_id, approver="cid", root_cause=RootCause.THEFT)
    assert early.value.details == {"status": "COUNTING", "command": "approve_variance"}
    await count.record(item.product_id, 4, performed_by="ann", root_cause=RootCause.DAMAGE)
    with (
        nothing_is_stored(engine),
        pytest.raises(NotPermitted, match="was counted by Ann; another person has to approve it"),
    ):
        await count.approve_variance(item.product_id, approver="Ann", root_cause=RootCause.THEFT)
    state = await count.approve_variance(item.product_id, approver="cid", root_cause=RootCause.THEFT)
    assert lines_of(state) == [Line("POSTED", 4, "ann", "THEFT", "cid", 10, -6)]
    assert level(engine, item) == (4, 0)
    await has_ended(stock, count)
    last = await count.refresh()
    with nothing_is_stored(engine):
        assert await count.approve_variance(item.product_id, approver="cid", root_cause=RootCause.THEFT) == last
        for approver, cause in (("cid", RootCause.DAMAGE), ("dora", RootCause.THEFT)):
            with pytest.raises(InvalidState):
                await count.approve_variance(item.product_id, approver=approver, root_cause=cause)


async def test_what_is_missing_cannot_be_taken_off_twice(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    count, item = await one(stock, shop)
    await count.record(item.product_id, 3, performed_by="ann")
    hold = await stock.reserve(
        new_reference(),
        [ServiceLine(product_id=item.product_id, warehouse_id=item.warehouse_id, quantity=8)],
        performed_by="shop",
    )
    await hold.fulfill(performed_by="picker")
    # How much was missing isn't told: somebody has to count again.
    told = f"^product {item.product_id} of count {count.count_number}: less is on hand than the count takes off"
    with nothing_is_stored(engine), pytest.raises(InsufficientStock, match=told) as refused:
        await count.approve_variance(item.product_id, approver="cid", root_cause=RootCause.THEFT)
    assert refused.value.shortages == []
    state = await count.record(item.product_id, 2, performed_by="bob")
    assert lines_of(state) == [Line("POSTED", 2, "bob", None, None, 2, 0)]


async def test_a_cancelled_one_keeps_what_is_in_the_books(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    near, far = shop.items(2, 10)
    count = await opened(stock, new_reference("count"), near, far)
    await count.record(near.product_id, 9, performed_by="ann")
    ended = await count.cancel(performed_by="wanda", reason="no time")
    assert (ended.status, ended.closed_reason) == ("CANCELLED", "no time")
    assert [line.status for line in ended.lines] == ["POSTED", "CANCELLED"]
    await has_ended(stock, count)
    with nothing_is_stored(engine):
        assert await count.cancel(performed_by="wanda", reason="once more") == ended
        assert await count.record(near.product_id, 9, performed_by="ann") == ended
        with pytest.raises(InvalidState) as refused:
            await count.record(far.product_id, 10, performed_by="ann")
        assert refused.value.details == {"status": "CANCELLED", "command": "record"}
    assert [level(engine, item) for item in (near, far)] == [(9, 0), (10, 0)]


async def test_one_that_is_asked_for_twice_is_one_count(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item, other = shop.items(2, 10)
    number = new_reference("count")
    first = await opened(stock, number, item)
    with nothing_is_stored(engine):
        assert (await opened(stock, number, item, item)).state == first.state
        there = shop.warehouse()
        one, another = f"product {item.product_id}", f"product {other.product_id}"
        for products, what in (
            ((other,), f"{another} isn't on it; {one} is on it"),
            ((item, other), f"{another} isn't on it"),
            (
                (item._replace(warehouse_id=there),),
                f"its warehouse is warehouse {item.warehouse_id}, not warehouse {there}",
            ),
        ):
            conflict = f"^count {number} already exists with other contents: {what}$"
            with pytest.raises(OperationConflict, match=conflict):
                await opened(stock, number, *products)
    posted = await first.record(item.product_id, 10, performed_by="ann")
    await has_ended(stock, first)
    with nothing_is_stored(engine):
        assert (await opened(stock, number, item)).state == posted
        with pytest.raises(OperationConflict):
            await opened(stock, number, other)


async def test_one_that_was_opened_elsewhere_is_found_by_its_number(stock: Stockkeeper, shop: Shop) -> None:
    count, item = await one(stock, shop)
    found = await stock.cycle_count(count.count_number)
    assert (found.count_number, found.state) == (count.count_number, count.state)
    assert (await found.record(item.product_id, 10, performed_by="ann")).status == "POSTED"
    with pytest.raises(NotFound):
        await stock.cycle_count(new_reference("count"))


async def test_a_wrong_count_stores_nothing(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    count, item = await one(stock, shop)
    number = new_reference("count")
    with nothing_is_stored(engine):
        with pytest.raises(InvalidRequest, match=r"^product_ids: List should have at least 1 item"):
            await stock.open_count(number, [], warehouse_id=item.warehouse_id, requested_by="wanda")
        # Nothing was sent.
        with pytest.raises(NotFound):
            await stock.cycle_count(number)
        with pytest.raises(UnknownProduct) as nothing:
            await opened(stock, new_reference("count"), item, item._replace(product_id=NO_ONE))
        assert nothing.value.ids == [NO_ONE]
        with pytest.raises(UnknownWarehouse) as nowhere:
            await opened(stock, new_reference("count"), item._replace(warehouse_id=NO_ONE))
        assert nowhere.value.ids == [NO_ONE]
        with pytest.raises(InvalidRequest, match=r"^counted_quantity: Input should be greater than or equal to 0$"):
            await count.record(item.product_id, -1, performed_by="ann")
        with pytest.raises(InvalidRequest, match=f"^product {NO_ONE} isn't on count {count.count_number}$"):
            await count.record(NO_ONE, 1, performed_by="ann")
    assert lines_of(count.state) == [Line()]


async def test_variances_and_accuracy_come_page_by_page(
    stock: Stockkeeper, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VARIANCES_AT_ONCE", "ACCURACIES_AT_ONCE"):
        monkeypatch.setattr(f"activities.count_questions.{name}", 2)
    right, *wrong = shop.items(4, 10)
    _, place = names(engine, right)
    count = await opened(stock, new_reference("count"), right, *wrong)
    await count.record(right.product_id, 11, performed_by="ann", root_cause=RootCause.RECEIVING_ERROR)
    for item, units in zip(wrong, (1, 2, 3), strict=True):
        await count.record(item.product_id, units, performed_by="ann")

    async def waiting(**asked: str) -> list[Variance]:
        found = stock.variances(**asked)
        return [each async for each in found]

    found = await waiting(warehouse=place)
    assert [(each.product_id, each.counted_quantity, each.system_quantity, each.delta) for each in found] == [
        (wrong[0].product_id, 1, 10, -9),
        (wrong[1].product_id, 2, 10, -8),
        (wrong[2].product_id, 3, 10, -7),
    ]
    assert await waiting(count_number=count.count_number) == found
    assert await waiting(count_number=new_reference("count")) == []
    with pytest.raises(UnknownWarehouse, match=r"^no warehouse is called 'nowhere'$"):
        await waiting(warehouse="nowhere")
    await count.record(wrong[0].product_id, 0, performed_by="bob")

    async def accurate(since: date | None = None) -> list[Accuracy]:
        found = stock.accuracies(warehouse=place, since=since)
        return [each async for each in found]

    [shown] = await accurate()
    assert (shown.warehouse, shown.count_class, shown.counted, shown.accurate) == (place, "-", 2, 1)
    assert (shown.units_counted, shown.units_system, shown.units_off) == (11, 20, 11)
    today = datetime.now(UTC).date()
    assert await accurate(today - timedelta(days=1)) == [shown]
    assert await accurate(today + timedelta(days=2)) == []


async def test_the_count_of_the_day_is_started_once(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    items = shop.items(2, 10)
    place = items[0].warehouse_id
    day = midday(engine, place)
    number = f"CC-{place}-{day}"
    first = await stock.plan_counts(warehouse_id=place)
    assert (first.status, first.counts_started, first.items, first.skipped) == ("DONE", 1, 2, [])
    assert [(each.count_number, each.warehouse_id, each.items, each.late) for each in first.counts] == [
        (number, place, 2, 0)
    ]
    # Its list is stored by the count itself, which goes on by itself.
    count = await stock.cycle_count(number)
    await eventually(count.refresh, lambda state: state.count_id is not None)
    again = await stock.plan_counts(warehouse_id=place)
    assert (again.counts_started, again.counts, [(each.warehouse_id, each.reason) for each in again.skipped]) == (
        0,
        [],
        [(place, f"count {number} was made before")],
    )
    assert sorted(line.product_id for line in count.state.lines) == sorted(item.product_id for item in items)
    assert count.state.requested_by == "cycle-count-plan"
    with pytest.raises(UnknownWarehouse):
        await stock.plan_counts(warehouse_id=NO_ONE)
