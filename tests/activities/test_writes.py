"""What the database's errors mean to Temporal: what to try again, and what never to."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.writes import database_errors, effects_of
from database.corrections import Correction
from database.locks import lock_items
from database.sessions import Database, connect
from stockkeeper.contracts.messages import MAX_GAVE_WAY
from stockkeeper.domain.errors import InsufficientStock, Shortage
from stockkeeper.domain.reservation import HeldLine, ItemHold, ReservationStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.shop import Shop
from tests.support.steps.activity import NOON

SOON = timedelta(milliseconds=50)


def test_a_refusal_is_final_and_benign() -> None:
    refusal = InsufficientStock.of([Shortage(1, 2, 3, 0)])
    with pytest.raises(ApplicationError) as caught, database_errors():
        raise refusal
    error = caught.value
    assert (error.type, error.message, error.non_retryable) == ("InsufficientStock", refusal.message, True)
    assert error.details == ([{"product_id": 1, "warehouse_id": 2, "requested": 3, "available": 0}],)
    assert error.category is ApplicationErrorCategory.BENIGN


def test_a_deadlock_is_tried_again_soon(engine: Engine, shop: Shop) -> None:
    first, second = shop.items(2, units=1)
    both_have_one = Barrier(2)

    def lock(one: ItemKey, other: ItemKey) -> ApplicationError | None:
        try:
            with database_errors(), engine.begin() as connection:
                lock_items(connection, [one])
                both_have_one.wait(10)
                lock_items(connection, [other])
        except ApplicationError as error:
            return error
        return None

    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(lock, (first, second), (second, first)))
    [error] = [each for each in outcomes if each is not None]
    assert (error.type, error.message, error.next_retry_delay) == ("DatabaseBusy", "deadlock", SOON)
    assert not error.non_retryable


@pytest.mark.parametrize(
    ("setting", "problem"), [("lock_timeout", "lock timeout"), ("statement_timeout", "statement timeout")]
)
def test_a_row_that_stays_locked_is_tried_again_soon(engine: Engine, shop: Shop, setting: str, problem: str) -> None:
    item = shop.item(1)
    with engine.begin() as holder:
        lock_items(holder, [item])
        with engine.begin() as waiting:
            waiting.execute(text(f"SET LOCAL {setting} = '50ms'"))
            with pytest.raises(ApplicationError) as caught, database_errors(), waiting.begin_nested():
                lock_items(waiting, [item])
    error = caught.value
    assert (error.type, error.message, error.next_retry_delay) == ("DatabaseBusy", problem, SOON)
    assert not error.non_retryable


def test_a_failed_serialization_is_tried_again_soon(engine: Engine, shop: Shop) -> None:
    item = shop.item(1)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as early:
        early.execute(text("SELECT 1"))
        early.execute(text("SELECT count(*) FROM inventory_items"))
        shop.move(item, 1)
        with pytest.raises(ApplicationError) as caught, database_errors():
            lock_items(early, [item])
    assert (caught.value.type, caught.value.message) == ("DatabaseBusy", "serialization failure")
    assert not caught.value.non_retryable


@pytest.mark.parametrize("value", ["'\\u0000'::jsonb ->> 0", "(2::numeric ^ 70)::bigint", "'x'::integer"])
def test_a_value_that_cannot_be_stored_is_the_requests_fault_and_final(engine: Engine, value: str) -> None:
    with pytest.raises(ApplicationError) as caught, database_errors(), engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT {value}")
    assert (caught.value.type, caught.value.non_retryable) == ("InvalidRequest", True)


def test_any_other_trouble_is_tried_again_as_it_is(engine: Engine) -> None:
    with pytest.raises(DBAPIError, match='"nothing" does not exist'), database_errors(), engine.begin() as connection:
        connection.exec_driver_sql("SELECT 1 FROM nothing")


def test_a_snapshot_sees_one_instant_and_cannot_write(database: Database, shop: Shop) -> None:
    item = shop.item(1)
    query = text("SELECT quantity_on_hand FROM inventory_items WHERE product_id = :product_id")
    with database.snapshot() as connection:
        assert connection.execute(query, {"product_id": item.product_id}).scalar_one() == 1
        shop.move(item, 5)
        assert connection.execute(query, {"product_id": item.product_id}).scalar_one() == 1
        with pytest.raises(DBAPIError, match="read-only"):
            connection.execute(text("DELETE FROM import_pages"))


def test_values_stay_out_of_error_messages(engine: Engine) -> None:
    with pytest.raises(DBAPIError) as caught, engine.begin() as connection:
        connection.execute(text("SELECT CAST(:secret AS integer) / 0"), {"secret": 4711})
    assert "4711" not in str(caught.value)


def test_very_many_holds_that_gave_way_are_told_as_far_as_an_answer_goes_those_without_a_deadline_first() -> None:
    item = ItemKey(1, 2)
    orders = [_hold("ORDER", str(number), NOON) for number in range(MAX_GAVE_WAY + 3)]
    transfers = [_hold("TRANSFER", str(number), None) for number in range(2)]
    told = effects_of(Correction(fell_below=True, gave_way={item: [*orders, *transfers]}))
    assert [(each.workflow_id, each.quantity) for each in told.gave_way[:3]] == [
        ("transfer-0", 4),
        ("transfer-1", 4),
        ("order-0", 4),
    ]
    assert (len(told.gave_way), told.gave_way_untold, told.fell_below) == (2_000, 5, True)
    assert len(told.model_dump_json()) < 1024 * 1024


def _hold(reference_type: str, reference_id: str, expires_at: datetime | None) -> ItemHold:
    line = HeldLine(1, ItemKey(1, 2), 4, 0, ReservationStatus.ACTIVE, expires_at)
    return ItemHold(reference_type, reference_id, f"{reference_type.lower()}-{reference_id}", [line])


def test_a_database_that_is_away_is_called_so() -> None:
    nowhere = Database(connect("postgresql://nobody@127.0.0.1:1/nothing"))
    with pytest.raises(ApplicationError) as caught, database_errors(), nowhere.transaction():
        pass
    error = caught.value
    assert (error.type, error.message, error.non_retryable) == (
        *("DatabaseAway", "the database is away: Connection refused", False),
    )


def test_a_pool_without_a_free_connection_is_busy(database: Database) -> None:
    narrow = Database(connect(database.engine.url.render_as_string(hide_password=False), pool_size=1))
    narrow.engine.pool._timeout = 0.05  # type: ignore[attr-defined]
    with narrow.transaction(), pytest.raises(ApplicationError) as caught, database_errors(), narrow.transaction():
        pass
    narrow.engine.dispose()
    assert (caught.value.type, caught.value.message) == ("DatabaseBusy", "no connection to the database came free")
