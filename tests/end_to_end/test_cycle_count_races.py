"""Many want the same at once, or different things of one count: nothing is in the books twice, and nothing hangs."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from tests.support.books import ItemBooks, books, level
from tests.support.cycle_count import COMMANDS, Counts, Line, command, counted, half_counted, lines, one_count
from tests.support.cycle_count_rows import locked_count, movements
from tests.support.refusals import refusal_of
from tests.support.reservation import Orders
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.wire import Refusal, at_once, less_notices, refusal

BRISK = timedelta(seconds=1)
"""A short task, because a command is only let in between two of them."""


async def test_a_command_that_comes_as_it_ends_is_refused_unless_it_is_what_was_done(
    counts: Counts, shop: Shop, engine: Engine
) -> None:
    brisk = Counts(counts.client, counts.task_queue, task_timeout=BRISK)

    async def race(last: str, status: str) -> None:
        number, item = await one_count(brisk, shop, first=5)
        async with locked_count(engine, number) as lock:
            ending = asyncio.ensure_future(brisk.update(number, last, command(last, item)))
            await lock.has_somebody_waiting()
            same = asyncio.ensure_future(brisk.update(number, last, command(last, item)))
            late = [
                asyncio.ensure_future(refusal(brisk.update(number, name, command(name, item))))
                for name in COMMANDS
                if name != last
            ]
            await brisk.signal(number, "record", counted(item, 3, "dora"))
            await brisk.accepted(number, 2 + 1 + 1 + len(late))
        ended = less_notices(await ending)
        assert (ended["status"], less_notices(await same) | {"notes": []}) == (status, ended)

        def told(name: str) -> str:
            one = refusal_of("count", number, status, name)
            return one if name == "cancel" else f"product {item.product_id} of {one}"

        assert await asyncio.gather(*late) == [
            Refusal("InvalidState", {"status": status, "command": name}, told(name))
            for name in COMMANDS
            if name != last
        ]
        state = less_notices(await brisk.result(number))
        assert state | {"notes": []} == ended
        assert [note[25:] for note in state["notes"]] == [f"signal record refused: InvalidState: {told('record')}"]

    await at_once(race("record", "POSTED"), race("approve_variance", "POSTED"), race("cancel", "CANCELLED"))


async def test_fifty_sales_while_people_count_leave_the_right_balance(
    counts: Counts, orders: Orders, shop: Shop, engine: Engine
) -> None:
    """What moves while people count isn't a variance: three of one product are missing, and twenty of the other."""
    # A sale locks them in this order: as long as the first is locked, none comes as far as the second.
    beyond, within = shop.items(2, units=500)
    number = new_reference("count")
    await counts.open(number, within, beyond)
    sales = [new_reference() for _ in range(50)]
    await at_once(*(orders.reserve(sale, (within, 1), (beyond, 1)) for sale in sales))
    await at_once(*(orders.fulfill(sale) for sale in sales[:20]))
    async with locked(engine, beyond) as lock:
        # Fewer than the worker does at once, so that the count needn't wait for them.
        selling = asyncio.ensure_future(at_once(*(orders.fulfill(sale) for sale in sales[20:26])))
        await lock.has_somebody_waiting()
        # Twenty have left the shelf, and these are about to.
        state = await counts.record(number, within, 477)
        assert lines(state)[0] == Line("POSTED", 477, "ann", "UNEXPLAINED", None, 480, -3)
    await selling
    await counts.record(number, beyond, 454)
    # While somebody makes up their mind the rest is sold.
    *_, state = await at_once(*(orders.fulfill(sale) for sale in sales[26:]), counts.approve(number, beyond))
    assert (state["status"], lines(state)[1]) == ("POSTED", Line("POSTED", 454, "ann", "DAMAGE", "cid", 474, -20))
    assert books(engine, within, beyond).items == (
        ItemBooks(on_hand=447, reserved=0, held=0, open_lines=0, movements=52, moved=447),
        ItemBooks(on_hand=430, reserved=0, held=0, open_lines=0, movements=52, moved=430),
    )


async def test_only_one_of_a_second_count_and_an_approval_at_once_is_in_the_books(
    counts: Counts, shop: Shop, engine: Engine
) -> None:
    # As long as there is another product to be counted the run doesn't end by either.
    number, item, _ = await half_counted(counts, shop, 5)
    async with locked_count(engine, number) as lock:
        recounting = asyncio.ensure_future(counts.record(number, item, 7, "bob"))
        await lock.has_somebody_waiting()
        approving = asyncio.ensure_future(refusal(counts.approve(number, item)))
    assert lines(await recounting)[0] == Line("POSTED", 7, "bob", "UNEXPLAINED", None, 10, -3)
    refused = await approving
    assert (refused.type, refused.details) == ("InvalidState", {"status": "POSTED", "command": "approve_variance"})
    assert (level(engine, item), len(movements(engine, number))) == ((7, 0), 1)


async def test_promised_goods_leave_while_they_are_counted_whoever_is_first(
    counts: Counts, orders: Orders, shop: Shop, engine: Engine
) -> None:
    """Two counts alone end no hold; what has left meanwhile has to be counted again."""

    async def leave(order: str) -> None:
        assert (await orders.fulfill(order))["status"] == "FULFILLED"

    async def race(which: int) -> str:
        number, item = await one_count(counts, shop, 4, first=0)
        order = new_reference()
        await orders.reserve(order, (item, 4))
        racers: list[Coroutine[Any, Any, object]] = [leave(order), counts.record(number, item, 0, "bob")]
        await at_once(*(racers if which % 2 else reversed(racers)))
        by = "bob"
        if (await counts.state(number))["status"] == "REVIEW":
            by = "cid"
            assert (await refusal(counts.approve(number, item, "dan"))).type == "InsufficientStock"
            await counts.record(number, item, 0, by)
        state = await counts.result(number)
        assert (lines(state), state["gave_way"]) == ([Line("POSTED", 0, by, None, None, 0, 0)], [])
        assert books(engine, item).items == (
            ItemBooks(on_hand=0, reserved=0, held=0, open_lines=0, movements=2, moved=0),
        )
        return str((await orders.result(order))["status"])

    assert set(await at_once(*(race(which) for which in range(6)))) == {"FULFILLED"}
