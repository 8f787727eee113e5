"""Events as a service follows them, and as people see them."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from devstack.stack import StackInfo
from stockkeeper import Event, InvalidRequest, Stockkeeper
from stockkeeper.client.connection import Connection
from stockkeeper.contracts.question import READ_EVENTS_AFTER
from tests.support.commands import Command
from tests.support.events import happen, last_number, level
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.wire import ANSWER_SECONDS, eventually


@pytest.fixture
def stock(our_client: Client, worker: None, stack: StackInfo) -> Stockkeeper:
    """A service."""
    del worker
    return Stockkeeper(Connection(our_client, stack.task_queue))


async def _next(events: AsyncGenerator[Event], count: int) -> list[int]:
    async with asyncio.timeout(ANSWER_SECONDS):
        return [(await anext(events)).number for _ in range(count)]


async def test_a_service_reads_the_past_and_then_what_comes(stock: Stockkeeper, engine: Engine, shop: Shop) -> None:
    product = shop.product()
    begin = await stock.events_cursor()
    numbers = happen(engine, *[level(product, quantity_on_hand=units) for units in range(3)])
    async with aclosing(_events(stock, after=begin, product=product, types=["level.changed"])) as events:
        assert await _next(events, 3) == numbers
        more = await asyncio.to_thread(happen, engine, level(product), level(product))
        assert await _next(events, 2) == more
    # Whoever comes later reads the same, and whoever goes on from a number sees what follows.
    async with aclosing(_events(stock, after=numbers[1], product=product)) as events:
        assert await _next(events, 3) == [numbers[2], *more]
    past = [each.number async for each in stock.events(after=begin, product=product, follow_on=False)]
    assert past == [*numbers, *more]
    assert await stock.events_cursors() == {stock.connection.task_queue: await stock.events_cursor()}


def _events(stock: Stockkeeper, **asked: Any) -> AsyncGenerator[Event]:
    found = stock.events(**asked)
    assert isinstance(found, AsyncGenerator)
    return found


async def test_a_caller_in_another_language_reads_a_shipment_by_the_contract(
    orders: Orders, plain_client: Client, stack: StackInfo, engine: Engine, shop: Shop
) -> None:
    item, reference = shop.item(10), new_reference()
    begin = last_number(engine)
    await orders.reserve(reference, (item, 3))
    await orders.update(reference, "fulfill", {"performed_by": "picker"})

    async def read(asked: dict[str, Any]) -> dict[str, Any]:
        page: dict[str, Any] = await plain_client.execute_activity(
            "read_events",
            asked,
            id=new_reference("events"),
            task_queue=stack.task_queue,
            result_type=dict,
            schedule_to_close_timeout=timedelta(seconds=ANSWER_SECONDS),
        )
        return page

    async def all_told() -> list[dict[str, Any]]:
        asked, told = {"after": str(begin), "types": [], "limit": 1000}, []
        while (page := await read(asked))["events"]:
            told += page["events"]
            asked["after"] = page["next"]
        return [each for each in told if each["workflowid"] == f"reservation-{reference}"]

    held_and_shipped = await eventually(all_told, lambda told: len(told) == 5)
    assert [each["type"] for each in held_and_shipped] == [
        *("stockkeeper.level.changed", "stockkeeper.hold.made"),
        *("stockkeeper.stock.moved", "stockkeeper.level.changed", "stockkeeper.hold.fulfilled"),
    ]
    assert {each["source"] for each in held_and_shipped} == {"stockkeeper"}
    sku = held_and_shipped[0]["data"]["sku"]
    assert [each["subject"] for each in held_and_shipped] == [sku, reference, sku, sku, reference]
    level, moved = held_and_shipped[3]["data"], held_and_shipped[2]["data"]
    units = [level[f"quantity_{name}"] for name in ("on_hand", "reserved", "available")]
    assert (units, level["product_id"], level["warehouse_id"]) == ([7, 0, 7], item.product_id, item.warehouse_id)
    assert (moved["movement_type"], moved["quantity"], moved["balance_after"], moved["performed_by"]) == (
        *("SALE", -3),
        *(7, "picker"),
    )
    assert moved["movement_id"] > 0
    first = held_and_shipped[0]["id"]
    [again] = (await read({"after": str(int(first) - 1), "limit": 1}))["events"]
    assert again == held_and_shipped[0]
    [oldest] = (await read({"after": "0", "types": [], "limit": 1}))["events"]
    assert int(oldest["id"]) <= int(first)


async def test_without_a_number_only_what_comes_is_read(stock: Stockkeeper, engine: Engine, shop: Shop) -> None:
    product = shop.product()
    happen(engine, level(product))
    async with aclosing(_events(stock, product=product)) as events:
        coming = asyncio.ensure_future(anext(events))
        while not coming.done():
            # Its first question finds the end; what is written before that is the past.
            written = await asyncio.to_thread(happen, engine, level(product))
            await asyncio.wait({coming}, timeout=0.2)
        assert (await coming).number >= 2
        assert (await coming).number <= written[0]


async def test_where_activities_of_their_own_are_off_a_small_run_reads(
    stock: Stockkeeper, engine: Engine, shop: Shop
) -> None:
    stock.connection.standalone_activities = False
    product = shop.product()
    numbers = happen(engine, level(product))
    async with aclosing(_events(stock, after=numbers[0] - 1, product=product)) as events:
        assert await _next(events, 1) == numbers
        more = await asyncio.to_thread(happen, engine, level(product))
        assert await _next(events, 1) == more


async def test_a_database_that_there_is_not_is_refused(stock: Stockkeeper) -> None:
    queue = stock.connection.task_queue
    with pytest.raises(InvalidRequest, match=f"^database: there is no 'north'; there are {queue}$"):
        await stock.events_cursor("north")
    with pytest.raises(InvalidRequest, match=f"^after: there is no database 'north'; there are {queue}$"):
        await anext(_events(stock, after={"north": 7}))


async def test_events_are_listed_in_the_words_of_a_warehouse(command: Command, engine: Engine, shop: Shop) -> None:
    product = shop.product()
    first, second = happen(
        engine, level(product), level(product, quantity_on_hand=2, quantity_available=-1, below_reorder_point=True)
    )
    listed = await command("events", "--after", str(first - 1), "--key", f"item/1/{product}")
    assert listed.exit_code == 0
    lines = listed.stdout.splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == [str(first), str(second)]
    assert [line.partition("UTC  ")[2] for line in lines] == [
        "TEA-100 Hamburg: 12 on hand, 9 available",
        "TEA-100 Hamburg: 2 on hand, -1 available, below its reorder point",
    ]
    of_type = ["--types", "hold.made,level.changed", "--json", "--limit", "1"]
    as_json = await command("events", "--after", str(first - 1), "--key", f"item/1/{product}", *of_type)
    [line] = as_json.stdout.splitlines()
    assert (json.loads(line)["id"], json.loads(line)["data"]["quantity_on_hand"]) == (str(first), 12)
    # Without a number, the latest hundred.
    assert str(second) in (await command("events", "--key", f"item/1/{product}")).stdout
    beyond = await command("events", "--after", str(last_number(engine) + 1000))
    assert (beyond.exit_code, beyond.stdout) == (1, "")
    assert "beyond the last event of this database" in beyond.stderr
    wrong = await command("events", "--after", "yesterday")
    assert wrong.exit_code == 1
    assert "--after 'yesterday': must be the number of an event, or QUEUE=NUMBER" in wrong.stderr


def test_the_question_has_a_queue_of_its_own() -> None:
    assert READ_EVENTS_AFTER.queue("stockkeeper") == "stockkeeper-events"
