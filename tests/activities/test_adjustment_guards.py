"""What the database itself refuses of adjustments, whatever the code thinks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.support.shop import Shop
from tests.support.steps.adjustment import AdjustmentCalls, adjustment_stays, dear_item

_OF = "WHERE adjustment_number = :number"
_CLOSED = "closed_at = created_at, closed_by = 'test'"
_POSTED = f"status = 'POSTED', approved_by = 'ann', {_CLOSED}"
UNBOOKED = "isn't booked as it stands"


@pytest.fixture
def putting_right(database: Database) -> AdjustmentCalls:
    """The activities, acting as the worker's role."""
    return AdjustmentCalls(database)


def _pending(putting_right: AdjustmentCalls, shop: Shop) -> tuple[str, ItemKey]:
    """An adjustment of two units that waits for approval."""
    item = dear_item(shop)
    return putting_right.submitted((item, -2)), item


def _posted(putting_right: AdjustmentCalls, shop: Shop) -> tuple[str, ItemKey]:
    """One that is in the books."""
    number, item = _pending(putting_right, shop)
    putting_right.approve(number)
    return number, item


def _run(connection: Connection, statement: str, number: str, **values: Any) -> None:
    assert connection.execute(text(statement), {"number": number} | values).rowcount == 1


@contextmanager
def _refused(opened: Engine, engine: Engine, number: str, item: ItemKey, message: str) -> Iterator[Connection]:
    """A transaction that can't be committed, and leaves everything as it was."""
    with (
        adjustment_stays(engine, number, item),
        pytest.raises(IntegrityError, match=message),
        opened.begin() as connection,
    ):
        yield connection


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        (_CLOSED, "adjustments_closed"),
        ("status = 'REJECTED'", "adjustments_closed"),
        ("status = 'CANCELLED', closed_at = created_at", "adjustments_closed"),
        ("approved_by = 'ann'", "adjustments_are_approved"),
        (f"status = 'REJECTED', approved_by = 'ann', {_CLOSED}", "adjustments_are_approved"),
        (f"status = 'POSTED', {_CLOSED}", "adjustments_are_approved"),
        (f"status = 'POSTED', needs_approval = false, approved_by = 'ann', {_CLOSED}", "adjustments_are_approved"),
        (f"status = 'POSTED', approved_by = 'tom', {_CLOSED}", "adjustments_not_own"),
        (f"status = 'POSTED', approved_by = 'TOM', {_CLOSED}", "adjustments_not_own"),
        (f"status = 'APPROVED', {_CLOSED}", "adjustments_status_check"),
        ("value = -1", "adjustments_value_check"),
        ("unvalued_units = -1", "adjustments_unvalued_units_check"),
        ("remind_after_hours = 0", "adjustments_remind_after_hours_check"),
        ("cancel_after_hours = 0", "adjustments_cancel_after_hours_check"),
        ("adjustment_number = ''", "adjustments_adjustment_number_check"),
    ],
)
def test_an_adjustment_cannot_be_what_makes_no_sense(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine, change: str, constraint: str
) -> None:
    number, item = _pending(putting_right, shop)
    with _refused(engine, engine, number, item, f'"{constraint}"') as connection:
        _run(connection, f"UPDATE adjustments SET {change} {_OF}", number)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ("2, product_id, 0, 1", "adjustment_lines_quantity_check"),
        ("2, product_id, 1, -1", "adjustment_lines_unit_cost_check"),
        ("0, product_id, 1, 1", "adjustment_lines_line_number_check"),
        ("1, product_id, 1, 1", "adjustment_lines_pkey"),
    ],
)
def test_a_line_cannot_be_what_makes_no_sense(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine, values: str, constraint: str
) -> None:
    number, item = _pending(putting_right, shop)
    another = f"""
        INSERT INTO adjustment_lines (adjustment_id, line_number, product_id, quantity, unit_cost)
        SELECT adjustment_id, {values} FROM adjustment_lines JOIN adjustments USING (adjustment_id) {_OF}
    """
    with _refused(engine, engine, number, item, f'"{constraint}"') as connection:
        _run(connection, another, number)


def test_nothing_is_posted_that_is_not_in_the_ledger(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine, database: Database
) -> None:
    number, item = _pending(putting_right, shop)
    for opened in (engine, database.engine):
        with _refused(opened, engine, number, item, UNBOOKED) as connection:
            _run(connection, f"UPDATE adjustments SET {_POSTED} {_OF}", number)


@pytest.mark.parametrize(
    "change",
    [
        # As if it had never been posted, or by something else.
        "status = 'PENDING', approved_by = NULL, closed_at = NULL, closed_by = NULL",
        "status = 'REJECTED', approved_by = NULL",
        "closed_by = 'test'",
    ],
)
def test_what_is_in_the_ledger_stays_posted(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine, database: Database, change: str
) -> None:
    number, item = _posted(putting_right, shop)
    for opened in (engine, database.engine):
        with _refused(opened, engine, number, item, UNBOOKED) as connection:
            _run(connection, f"UPDATE adjustments SET {change} {_OF}", number)


def test_what_was_decided_gets_no_more_lines(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine, database: Database
) -> None:
    number, item = _posted(putting_right, shop)
    another = f"""
        INSERT INTO adjustment_lines (adjustment_id, line_number, product_id, quantity)
        SELECT adjustment_id, 2, product_id, 1 FROM adjustment_lines JOIN adjustments USING (adjustment_id) {_OF}
    """
    refusal = f"adjustment {number} is POSTED: it gets no more lines"
    for opened in (engine, database.engine):
        with _refused(opened, engine, number, item, refusal) as connection:
            _run(connection, another, number)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE adjustment_lines SET quantity = -1",
        "DELETE FROM adjustment_lines",
        "DELETE FROM adjustments",
        "TRUNCATE adjustment_lines",
    ],
)
def test_the_worker_has_no_right_to_change_what_was_asked_for(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine, database: Database, change: str
) -> None:
    number, item = _pending(putting_right, shop)
    refusal = pytest.raises(ProgrammingError, match="permission denied for table adjustment")
    with adjustment_stays(engine, number, item), refusal, database.transaction() as connection:
        connection.exec_driver_sql(change)
