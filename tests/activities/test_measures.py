"""What a transaction tells of itself: what it has changed, once, and only when it is committed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig
from temporalio.testing import ActivityEnvironment

from activities.gauges import Gauges
from activities.measured import HOLDS, PendingNotices
from activities.metrics import Metrics
from database.locked_stock import LockedStock
from database.measures import Measures, Tally
from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON
from tests.support.steps.adjustment import AdjustmentCalls
from tests.support.steps.reservation import Steps
from tests.support.steps.together import together
from worker import Settings, build_database


class Told(Measures):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.tallies: list[dict[str, Any]] = []
        self.round_trips: list[bool] = []

    def round_trip(self, seconds: float, *, commits: bool) -> None:
        assert 0 < seconds < 60
        self.round_trips.append(commits)

    def committed(self, tally: Tally) -> None:
        told = {name: getattr(tally, name) for name in Tally.__slots__ if name != "measures"}
        self.tallies.append({name: value for name, value in told.items() if value})

    def take(self) -> list[dict[str, Any]]:
        """What it was told since the last time."""
        taken, self.tallies = self.tallies, []
        return taken


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def measured(settings: Settings, told: Told) -> Iterator[Database]:
    """The database as a worker with metrics sees it."""
    database = Database(build_database(settings).engine, measures=told)
    yield database
    database.engine.dispose()


@pytest.fixture
def item(shop: Shop) -> ItemKey:
    """An item of which there are ten units."""
    return shop.item(10)


def test_a_hold_is_told_by_its_beginning_and_its_end_and_a_repeat_by_neither(
    measured: Database, told: Told, item: ItemKey, shop: Shop
) -> None:
    steps, other, (first, second) = Steps(measured), shop.item(5), (new_reference(), new_reference())
    steps.reserve(first, (item, 3), (other, 1))
    assert told.take() == [{"steps": 1, "placed": {"ORDER": 2}}]
    # What is locked and read comes in one round trip, what is written goes with the commit.
    assert told.round_trips[-2:] == [False, True]
    steps.reserve(first, (item, 3), (other, 1))
    steps.fulfill(first)
    steps.fulfill(first)
    assert told.take() == [{"steps": 1}, {"steps": 1, "ended": {"FULFILLED": 2}}, {"steps": 1}]
    steps.reserve(second, (item, 2))
    steps.cancel(second)
    assert told.take() == [{"steps": 1, "placed": {"ORDER": 1}}, {"steps": 1, "ended": {"CANCELLED": 1}}]


def test_an_overdue_hold_is_told_with_its_deadline_also_where_a_buyer_ends_it(
    measured: Database, told: Told, item: ItemKey
) -> None:
    steps, (mine, theirs) = Steps(measured), (new_reference(), new_reference())
    steps.reserve(mine, (item, 8), ttl=MINUTE)
    steps.reserve(theirs, (item, 8), as_of=NOON + 2 * MINUTE)
    assert told.take()[1:] == [
        {"steps": 1, "placed": {"ORDER": 1}, "ended": {"EXPIRED": 1}, "overdue_since": [NOON + MINUTE]}
    ]
    steps.expire(mine, as_of=NOON + 3 * MINUTE)
    assert told.take() == [{"steps": 1}]


def test_who_is_refused_changes_nothing_and_who_waits_is_told(measured: Database, told: Told, item: ItemKey) -> None:
    steps, order = Steps(measured), new_reference()
    with pytest.raises(ApplicationError):
        steps.reserve(new_reference(), (item, 11))
    assert told.take() == [{"steps": 1}]
    steps.reserve(order, (item, 11), wait=30 * MINUTE)
    assert told.take() == [{"steps": 1, "waits_begun": 1}]
    steps.cancel(order)
    assert [each.get("waits_ended") for each in told.take()] == [{"CANCELLED": 1}]


def test_a_hold_that_gives_way_is_told_as_that_and_again_when_it_is_back(
    measured: Database, told: Told, item: ItemKey
) -> None:
    steps, correcting, order = Steps(measured), AdjustmentCalls(measured), new_reference()
    steps.reserve(order, (item, 6))
    told.take()
    correcting.approve(correcting.submitted((item, -9)))
    assert [each["ended"] for each in told.take() if "ended" in each] == [{"GAVE_WAY": 1}]
    correcting.submit(new_reference("a"), (item, 9))
    told.take()
    steps.hold_again(order, (item, 6))
    assert told.take() == [{"steps": 1, "held_again": 1}]


def test_steps_that_share_a_transaction_are_told_together(measured: Database, told: Told, item: ItemKey) -> None:
    steps = Steps(measured)
    together(measured, *(lambda: steps.reserve(new_reference(), (item, 2)) for _ in range(3)))
    assert told.take() == [{"steps": 3, "placed": {"ORDER": 3}}]


def test_what_is_rolled_back_is_told_nobody(
    measured: Database, told: Told, item: ItemKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, write = Steps(measured), LockedStock.write

    def write_and_fail(stock: LockedStock, **options: Any) -> None:
        write(stock, **options | {"commit": False})
        raise RuntimeError("after the write")

    with monkeypatch.context() as broken:
        broken.setattr(LockedStock, "write", write_and_fail)
        with pytest.raises(RuntimeError):
            steps.reserve(new_reference(), (item, 1))
    assert told.take() == []


def _attempt(number: int, activity_id: str = "1") -> activity.Info:
    default = ActivityEnvironment.default_info()
    values = {**vars(default), "attempt": number, "activity_id": activity_id, "scheduled_time": NOON}
    return activity.Info(**values)


def test_a_notice_is_pending_until_its_next_attempt_should_have_ended() -> None:
    pending = PendingNotices()
    assert pending.at(NOON) == (0, 0.0)
    pending.failed(_attempt(1), NOON + MINUTE)
    pending.failed(_attempt(3, "2"), NOON + MINUTE)
    assert pending.at(NOON + MINUTE) == (2, 60.0)
    # The first is tried again after a second, the other after four; an attempt takes a minute, half of one is spared.
    at = NOON + MINUTE + timedelta(seconds=91)
    assert pending.at(at) == (1, 151.0)
    pending.failed(_attempt(40, "2"), at)
    assert pending.at(at + 6 * MINUTE) == (1, 511.0)
    pending.is_over(_attempt(41, "2"))
    assert pending.at(at) == (0, 0.0)


def test_the_steps_that_ask_for_a_hold_are_named() -> None:
    assert {"reserve_stock", "hold_again", "hold_transfer"} == HOLDS


async def test_a_look_shows_the_pool_and_the_pending_notices_also_without_the_database(
    measured: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer, pending = MetricBuffer(10_000), PendingNotices()
    metrics = Metrics(Runtime(telemetry=TelemetryConfig(metrics=buffer)).metric_meter)
    pending.failed(_attempt(1), datetime.now(UTC))
    gauges = Gauges(metrics, measured, pending)
    with measured.engine.connect():
        await gauges.look()
    shown = {each.metric.name: each.value for each in buffer.retrieve_updates()}
    assert shown["stockkeeper_pool_connections"] == 20
    assert (shown["stockkeeper_pool_in_use"], shown["stockkeeper_pool_in_use_most"]) == (1, 1)
    assert shown["stockkeeper_notices_pending"] == 1
    assert shown["stockkeeper_figures_read_timestamp_seconds"] > NOON.timestamp()

    def fail(connection: Connection, **_: object) -> None:
        with measured.engine.connect():
            connection.execute(text("no"))

    monkeypatch.setattr("activities.gauges.read_figures", fail)
    await gauges.look()
    shown = {each.metric.name: each.value for each in buffer.retrieve_updates()}
    assert shown["stockkeeper_pool_in_use_most"] == 2
    assert "stockkeeper_figures_read_timestamp_seconds" not in shown
    assert "the figures for the metrics can't be read" in caplog.text
