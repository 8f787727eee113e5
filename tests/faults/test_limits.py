"""Limits of the database: what is asked for waits, says why, and is done when there is room again."""

import asyncio
import logging
import re

import pytest
from sqlalchemy import Engine

from tests.support.books import level
from tests.support.outages import Outages
from tests.support.reservation import Orders
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.wire import eventually

SDK_LOG = "temporalio.activity"


def log_of_attempts(caplog: pytest.LogCaptureFixture) -> set[tuple[str, bool]]:
    """What the log says of attempts, and whether it has a stack; without their numbers."""
    return {
        (re.sub(r"^attempt \d+ ", "attempt N ", record.getMessage()), bool(record.exc_info))
        for record in caplog.records
        if record.name == SDK_LOG
    }


async def test_a_run_whose_database_is_away_says_so_and_the_attempts_say_why_in_one_line(
    orders: Orders, outages: Outages, shop: Shop, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    item = shop.item(10)
    reference = new_reference()
    await orders.reserve(reference, (item, 4))
    name = str(engine.url.database)
    why = f'the database is away: database "{name}" is not currently accepting connections'

    async def details() -> str:
        return (await orders.metadata(reference)).current_details

    # From anybody else: what doesn't fit is noted, and a step that isn't under way isn't waited for.
    await orders.signal(reference, "attempt_failed", {"step": 7})
    late = {"step": "fulfill_reservation", "attempt": 9, "failed_at": "2026-01-01T00:00:00Z", "why": "late"}
    await orders.signal(reference, "attempt_failed", late)
    [note] = await orders.noted(reference, 1)
    assert "signal attempt_failed refused: InvalidRequest: step: Input should be a valid string" in note
    before = await details()
    with caplog.at_level(logging.INFO, logger=SDK_LOG), outages.database_away():
        shipping = asyncio.ensure_future(orders.fulfill(reference))
        await eventually(details, lambda seen: seen.startswith("**waiting for the database** since "))
        told = await eventually(details, lambda seen: "attempt 4" in seen)
        [pending] = (await orders.handle(reference).describe()).raw_description.pending_activities
        assert not shipping.done()
    first, _, rest = told.partition("\n\n")
    assert re.fullmatch(
        r"\*\*waiting for the database\*\*, attempt 4 since \d{4}-\d\d-\d\d \d\d:\d\d UTC: "
        rf"{re.escape(why)}\. It goes on by itself; \*pending activities\* has the latest attempt\.",
        first,
    )
    assert rest == before
    failure = pending.last_failure
    assert (failure.message, failure.application_failure_info.type, failure.HasField("cause")) == (
        *(why, "DatabaseAway", False),
    )
    assert (await shipping)["status"] == "FULFILLED"
    assert (await details()).startswith(f"**FULFILLED** · Everything has left for order {reference}.\n")
    assert log_of_attempts(caplog) == {
        (f"attempt N of fulfill_reservation for reservation-{reference} failed: DatabaseAway: {why}", False)
    }
    assert level(engine, item) == (6, 0)


async def test_a_row_that_stays_locked_holds_up_those_who_want_it_and_nobody_else(
    orders: Orders, shop: Shop, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Those are more than a worker carries out at a time, and more than it has connections."""
    popular, other = shop.items(2, units=100)
    async with locked(engine, popular) as lock:
        held_up = [asyncio.ensure_future(orders.reserve(new_reference(), (popular, 2))) for _ in range(45)]
        await lock.has_somebody_waiting()
        for _ in range(5):
            assert (await orders.reserve(new_reference(), (other, 3)))["status"] == "ACTIVE"
        assert not any(each.done() for each in held_up)
    assert {state["status"] for state in await asyncio.gather(*held_up)} == {"ACTIVE"}
    assert [level(engine, each) for each in (popular, other)] == [(100, 90), (100, 15)]
    whys = {message.rpartition(": ")[2] for message, _ in log_of_attempts(caplog)}
    assert "lock timeout" in whys
    assert "no connection to the database came free" not in whys
