"""No answer isn't a no: a run that ends while its step is under way, and a database that is away."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.service import RPCError, RPCStatusCode
from typer.testing import CliRunner

from devstack.stack import StackInfo
from starter.cli.app import app
from stockkeeper import Connection, InvalidState, Line, Stockkeeper, Unreachable
from stockkeeper.contracts.policies import READ
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes, nothing_is_stored
from tests.support.commands import names
from tests.support.outages import Outages
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.wire import answer, eventually, few_at_once


@pytest.fixture
def stock(our_client: Client, worker: None, stack: StackInfo) -> Stockkeeper:
    """A service's client, while a worker runs."""
    del worker
    return Stockkeeper(Connection(our_client, stack.task_queue))


def _line(item: ItemKey, quantity: int) -> Line:
    return Line(item.product_id, item.warehouse_id, quantity=quantity)


@pytest.mark.parametrize("parcel", ["parcel-1", None])
async def test_a_step_that_is_carried_out_after_its_run_was_terminated_is_no_refusal(
    stock: Stockkeeper, shop: Shop, engine: Engine, parcel: str | None
) -> None:
    item = shop.item(10)
    hold = await stock.reserve(new_reference(), [_line(item, 3)], performed_by="checkout")
    part = [Line(item.product_id, quantity=1)]
    async with locked(engine, item) as lock:
        shipping = asyncio.ensure_future(hold.fulfill(part, performed_by="packing", fulfillment_id=parcel))
        await lock.has_somebody_waiting()
        await stock.client.get_workflow_handle(f"reservation-{hold.reference_id}").terminate("by mistake")
    state = await shipping
    assert (state.status, state.lines[0].quantity_fulfilled) == ("ACTIVE", 1)
    assert level(engine, item) == (9, 2)
    with nothing_changes(engine, item):
        if parcel is not None:
            assert await hold.fulfill(part, performed_by="the next shift", fulfillment_id=parcel) == state
        with pytest.raises(InvalidState, match="stopped; start it again with the same contents"):
            await hold.fulfill(performed_by="packing")


async def test_a_step_that_does_not_come_to_its_end_may_have_been_done(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    reference = new_reference()
    hasty = Stockkeeper(Connection(stock.client, stock.connection.task_queue, answer_within=timedelta(seconds=2)))
    hold = await hasty.reserve(reference, [_line(item, 3)], performed_by="checkout")
    async with locked(engine, item) as lock:
        shipping = asyncio.ensure_future(hold.fulfill(performed_by="packing", fulfillment_id="all"))
        await lock.has_somebody_waiting()
        await stock.client.get_workflow_handle(f"reservation-{reference}").terminate("by mistake")
        with pytest.raises(Unreachable, match=f"^reservation {reference}: it may have been done; ask again"):
            await shipping
    await eventually(_level_of(engine, item), lambda seen: seen == (7, 0))
    with nothing_changes(engine, item):
        assert (await hold.fulfill(performed_by="packing", fulfillment_id="all")).status == "FULFILLED"


def _level_of(engine: Engine, item: ItemKey) -> Callable[[], Awaitable[tuple[int, int]]]:
    async def probe() -> tuple[int, int]:
        return level(engine, item)

    return probe


async def test_a_command_while_the_database_is_away_is_not_called_refused(
    stock: Stockkeeper, outages: Outages, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(READ, "retry_policy", RetryPolicy(maximum_attempts=1))
    item = shop.item(10)
    hasty = Stockkeeper(Connection(stock.client, stock.connection.task_queue, answer_within=timedelta(seconds=0.7)))
    hold = await hasty.reserve(new_reference(), [_line(item, 3)], performed_by="checkout")
    item_at_rest, part = shop.item(10), [Line(item.product_id, quantity=1)]
    with outages.database_away():
        with pytest.raises(Unreachable) as unknown:
            await hold.fulfill(performed_by="packing", fulfillment_id="all")
        with pytest.raises(Unreachable, match=r": it may have been done; look at it before you send it again"):
            await hold.fulfill(part, performed_by="packing")
        reference = new_reference()
        with pytest.raises(Unreachable, match=r"ask again with the same name: the database is away$"):
            await hasty.reserve(reference, [_line(item_at_rest, 1)], performed_by="checkout")
        with pytest.raises(Unreachable, match=r"^the database is away; nothing was booked$"):
            await hasty.hold(hold.reference_id)
    assert str(unknown.value) == (
        f"reservation {hold.reference_id}: it may have been done; ask again with the same name: the database is away"
    )
    # It waited, and asking again by its name finds it.
    assert (await stock.hold(hold.reference_id)).state.status in ("ACTIVE", "FULFILLED")
    hold = await stock.hold(hold.reference_id)
    assert (await hold.fulfill(performed_by="packing", fulfillment_id="all")).status == "FULFILLED"
    assert level(engine, item) == (7, 0)
    assert (await stock.reserve(reference, [_line(item_at_rest, 1)], performed_by="checkout")).state.status == "ACTIVE"
    assert level(engine, item_at_rest) == (10, 1)


async def test_orders_whose_callers_have_gone_are_not_held_when_the_database_is_back(
    stock: Stockkeeper, outages: Outages, shop: Shop, engine: Engine
) -> None:
    item = shop.item(100)
    hasty = Stockkeeper(Connection(stock.client, stock.connection.task_queue, answer_within=timedelta(seconds=0.7)))
    references = [new_reference() for _ in range(20)]

    async def gives_up(reference: str) -> None:
        with pytest.raises(Unreachable):
            await hasty.reserve(reference, [_line(item, 1)], performed_by="checkout")

    async def is_known(reference: str) -> bool:
        try:
            await stock.client.get_workflow_handle(f"reservation-{reference}").describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    async def will_be_late(reference: str) -> None:
        """Wait until its next attempt is one that Temporal has scheduled after its caller gave up."""
        handle = stock.client.get_workflow_handle(f"reservation-{reference}")

        async def scheduled() -> list[datetime]:
            pending = (await handle.describe()).raw_description.pending_activities
            return [each.scheduled_time.ToDatetime(UTC) for each in pending if each.HasField("scheduled_time")]

        await eventually(scheduled, lambda times: bool(times) and min(times) > gave_up)

    with nothing_changes(engine, item):
        with outages.database_away():
            await asyncio.gather(*map(gives_up, references))
            gave_up = datetime.now(UTC)
            # On a busy machine some may not have come as far as Temporal.
            references = [each for each in references if await is_known(each)]
            assert references
            await few_at_once(*(lambda of=each: will_be_late(of) for each in references))
        ended = [await answer(stock.client.get_workflow_handle(f"reservation-{each}").result()) for each in references]
        assert [each["status"] for each in ended] == ["REJECTED"] * len(references)
        assert all("wasn't held: it was to be held by" in each["notes"][0] for each in ended)
    # Who stays on the line is held, with the same reference.
    assert (await stock.reserve(references[0], [_line(item, 1)], performed_by="checkout")).state.status == "ACTIVE"
    assert level(engine, item) == (100, 1)


async def test_every_command_says_in_one_line_that_the_database_is_away(
    stock: Stockkeeper,
    outages: Outages,
    stack: StackInfo,
    shop: Shop,
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(READ, "retry_policy", RetryPolicy(maximum_attempts=1))
    item = shop.item(10)
    sku, place = names(engine, item)
    hold = await stock.reserve(new_reference(), [_line(item, 3)], performed_by="checkout")
    order = hold.reference_id
    file = tmp_path / "warehouses.csv"
    file.write_text("name,address,timezone\nNowhere,,UTC\n")
    by = ("--performed-by", "ann")
    one = ("--line", f"{sku}=1")
    commands: list[tuple[str, ...]] = [
        ("reserve", "show", order),
        ("reserve", "list"),
        ("reserve", "start", new_reference(), "--line", f"{sku}@{place}=1", *by),
        ("reserve", "fulfill", order, *by),
        ("reserve", "extend", order, "--ttl-minutes", "5", *by),
        ("reserve", "cancel", order, "--reason", "no", *by),
        ("reserve", "hold-again", order, *by),
        ("reserve", "release", order, *one, "--reason", "no", *by),
        ("inbox",),
        ("po", "amend", "PO-1", *one, "--reason", "more", *by),
        ("po", "approve-difference", "PO-1", "--value", "5.00", "--approver", "ann"),
        ("po", "create", "PO-1", "--supplier", "S", "--warehouse", place, "--line", f"{sku}=1@1", *by, "--reason", "r"),
        ("po", "approve", "PO-1", "PO-2", "--approver", "ann"),
        ("po", "receive", "PO-1", "--receipt-id", "R", *one, *by),
        ("po", "inbox"),
        ("transfer", "create", "T-1", "--from", place, "--to", "B", *one, *by),
        ("transfer", "dispatch", "T-1", *by),
        ("transfer", "write-off", "T-1", "--reason", "lost", *by),
        ("transfer", "in-transit"),
        ("count", "start", "C-1", "--warehouse", place, "--sku", sku, *by),
        ("count", "record", "C-1", *one, *by),
        ("count", "sheet", "C-1"),
        ("count", "review"),
        ("count", "accuracy"),
        ("count", "plan"),
        ("adjust", "create", "A-1", "--warehouse", place, *one, "--reason", "found", *by),
        ("adjust", "inbox"),
        ("return", "create", "R-1", "--warehouse", place, "--reference", "1042", *one, *by),
        ("return", "show", "R-1"),
        ("import", "warehouses", str(file), *by),
        ("import", "warehouses", str(file), "--dry-run"),
        ("product", "show", sku),
        ("product", "rename", sku, "ANOTHER", *by),
        ("stock", "show"),
        ("stock", "buffer", sku, "2", "--warehouse", place, *by),
        ("stock", "history", sku),
        ("stock", "at", "2026-01-01"),
        ("stock", "history", sku, "--warehouse", place),
        ("stock", "chart", sku, "--warehouse", place),
        ("stock", "export", "movements", str(tmp_path / "movements.csv")),
        ("plan", "show"),
        ("plan", "explain", sku, "--warehouse", place),
        ("plan", "accuracy"),
        ("plan", "set", sku, place, "--reorder-point", "5", *by),
        ("plan", "auto", sku, place, *by),
        ("plan",),
        ("reorder",),
        ("audit",),
        ("audit", "list"),
        ("audit", "accept", "1", "--reason", "known", *by),
    ]
    environment = {
        "TEMPORAL_ADDRESS": stack.temporal_address,
        "TEMPORAL_NAMESPACE": stack.namespace,
        "STOCKKEEPER_TASK_QUEUE": stack.task_queue,
    }
    with nothing_changes(engine, item), nothing_is_stored(engine), outages.database_away():
        for command in commands:
            done = await asyncio.to_thread(CliRunner().invoke, app, list(command), env=environment)
            seen = (done.exit_code, done.stdout, done.stderr.splitlines())
            line = "Unreachable: the database is away; nothing was booked"
            several = [f"{name}: {line}" for name in command[2:4]] if command[1:2] == ("approve",) else [line]
            assert seen == (1, "", several), command
