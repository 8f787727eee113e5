"""A worker is paused with a step, and goes on when a later attempt has been refused: it changes nothing any more.

The attempt that was refused is the one that a caller has been told of. As soon as what it lacked is there, the paused
one could carry out what nobody waits for: a hold of a rejected order, say, which no run would release.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.faults.workplace import Workplace
from tests.support.books import level, nothing_changes
from tests.support.reservation import shortage
from tests.support.shop import Shop
from tests.support.wire import Json, refusal
from worker import working


class Wanted(NamedTuple):
    """Three units of an item that has two; the step that takes them, and how they are asked for."""

    step: str
    ask: Callable[[Workplace, ItemKey], Coroutine[Any, Any, Json]]
    taken: tuple[int, int]
    """On hand and reserved, of twelve, when they are."""


def _orders(place: Workplace, item: ItemKey) -> Coroutine[Any, Any, Json]:
    return place.orders.reserve(f"order-of-{item.product_id}", (item, 3))


def _moves(place: Workplace, item: ItemKey) -> Coroutine[Any, Any, Json]:
    return place.transfers.create(f"load-of-{item.product_id}", item.warehouse_id - 1, [(item, 3)])


def _takes_off(place: Workplace, item: ItemKey) -> Coroutine[Any, Any, Json]:
    return place.adjusting.adjust(f"broken-{item.product_id}", (item, -3))


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted("reserve_stock", _orders, (12, 3)),
        Wanted("hold_transfer", _moves, (12, 3)),
        Wanted("submit_adjustment", _takes_off, (9, 0)),
    ],
    ids=lambda wanted: wanted.step,
)
async def test_what_a_later_attempt_was_refused_is_not_done_by_one_that_comes_late(
    workplace: Callable[[], Workplace],
    our_client: Client,
    database: Database,
    shop: Shop,
    engine: Engine,
    wanted: Wanted,
) -> None:
    shop.warehouse()  # For the transfer.
    place, item = workplace(), shop.item(2)
    async with place.worker(wanted.step, "late") as late:
        asked = asyncio.create_task(wanted.ask(place, item))
        await late.has_paused()
        async with working(our_client, database, place.settings):
            refused = await refusal(asked)
            assert (refused.type, refused.details) == ("InsufficientStock", [shortage(item, 3, 2)])
            shop.move(item, 10)
            with nothing_changes(engine, item):
                late.goes_on()
                await late.has_killed_itself()
            await wanted.ask(place, item)
    assert level(engine, item) == wanted.taken
