"""What the database itself refuses of counts, whatever the code thinks."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine

from database import ledger
from database.locks import lock_items
from database.operations import Operation
from database.sessions import Database
from database.stock_rows import Moving
from stockkeeper.domain.stock import ItemKey, MovementType
from tests.support.guards import Guarded, Roles
from tests.support.shop import Shop
from tests.support.steps.cycle_count import CountCalls, count_stays

_OF = "WHERE count_id = (SELECT count_id FROM cycle_counts WHERE count_number = :number)"
_ENTRY = """
    INSERT INTO cycle_count_entries (
        count_id, product_id, entry_number, counted_by, counted_quantity, system_quantity, within_tolerance, counted_at,
        operation_id)
    SELECT count_id, :product_id, :entry_number, :counted_by, :counted, :system, true, created_at, 'o'
    FROM cycle_counts WHERE count_number = :number
"""
_LINE = """
    INSERT INTO cycle_count_lines (count_id, product_id, line_number)
    SELECT count_id, :product_id, :line_number FROM cycle_counts WHERE count_number = :number
"""
_CLOSED = "closed_at = created_at, closed_by = 'test'"
_POSTED = "status = 'POSTED', posted_at = now(), posted_by = 'test', root_cause = 'DAMAGE'"


@dataclass(frozen=True)
class Going(Guarded):
    """A count of three products of ten units: tea is to be counted, mug in doubt at five, pot posted with nine."""

    tea: ItemKey
    mug: ItemKey
    pot: ItemKey


@pytest.fixture
def going(counting: CountCalls, shop: Shop) -> Going:
    """A count that goes on."""
    tea, mug, pot = shop.items(3, units=10)
    number = counting.opened(tea, mug, pot)
    counting.record(number, mug, 5)
    counting.record(number, pot, 9)
    return Going(number, partial(count_stays, shop.engine, number, tea, mug, pot), tea, mug, pot)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("status = 'POSTED'", "cycle_counts_closed"),
        ("status = 'CANCELLED', closed_at = created_at", "cycle_counts_closed"),
        (_CLOSED, "cycle_counts_closed"),
        ("status = 'REJECTED'", "cycle_counts_status_check"),
        ("tolerance_units = -1", "cycle_counts_tolerance_units_check"),
        ("tolerance_percent = -0.001", "cycle_counts_tolerance_percent_check"),
        ("count_number = ''", "cycle_counts_count_number_check"),
    ],
)
def test_a_count_cannot_be_what_makes_no_sense(going: Going, engine: Engine, change: str, constraint: str) -> None:
    going.refuses(engine, f"UPDATE cycle_counts SET {change} {_OF}", f'"{constraint}"')


@pytest.mark.parametrize(
    ("product", "change", "constraint"),
    [
        ("tea", "counted_by = 'ann'", "cycle_count_lines_counted"),
        ("tea", "counted_quantity = 5", "cycle_count_lines_counted"),
        ("tea", "system_quantity = 5", "cycle_count_lines_counted"),
        ("tea", "status = 'REVIEW'", "cycle_count_lines_counted"),
        ("mug", "counted_by = NULL", "cycle_count_lines_counted"),
        ("mug", "counted_quantity = NULL", "cycle_count_lines_counted"),
        ("mug", "status = 'COUNTING'", "cycle_count_lines_counted"),
        ("pot", "system_quantity = NULL", "cycle_count_lines_counted"),
        ("mug", "status = 'POSTED', root_cause = 'DAMAGE'", "cycle_count_lines_posted"),
        ("mug", "posted_at = now(), posted_by = 'test'", "cycle_count_lines_posted"),
        ("pot", "status = 'REVIEW'", "cycle_count_lines_posted"),
        ("pot", "posted_at = NULL", "cycle_count_lines_posted"),
        ("pot", "posted_by = NULL", "cycle_count_lines_posted"),
        ("pot", "root_cause = NULL", "cycle_count_lines_have_a_cause"),
        ("pot", "approved_by = 'ann'", "cycle_count_lines_not_own"),
        ("pot", "approved_by = 'ANN'", "cycle_count_lines_not_own"),
        ("mug", "status = 'LOST'", "cycle_count_lines_status_check"),
        ("tea", "count_class = 'D'", "cycle_count_lines_count_class_check"),
        ("tea", "line_number = 0", "cycle_count_lines_line_number_check"),
        ("tea", "line_number = 2", "cycle_count_lines_place"),
        ("mug", "counted_quantity = -1", "cycle_count_lines_counted_quantity_check"),
        ("mug", "system_quantity = -1", "cycle_count_lines_system_quantity_check"),
    ],
)
def test_a_line_cannot_be_what_makes_no_sense(
    going: Going, engine: Engine, product: str, change: str, constraint: str
) -> None:
    statement = f"UPDATE cycle_count_lines SET {change} {_OF} AND product_id = :product_id"
    going.refuses(engine, statement, f'"{constraint}"', product_id=getattr(going, product).product_id)


@pytest.mark.parametrize(
    ("entry", "constraint"),
    [
        ({"entry_number": 0}, "cycle_count_entries_entry_number_check"),
        ({"entry_number": 1}, "cycle_count_entries_pkey"),
        ({"counted": -1}, "cycle_count_entries_counted_quantity_check"),
        ({"system": -1}, "cycle_count_entries_system_quantity_check"),
        # The same person's second look is no second count.
        ({"counted_by": "ann"}, "cycle_count_entries_distinct"),
        ({"counted_by": "ANN"}, "cycle_count_entries_distinct"),
        ({"product_id": 2**62}, "cycle_count_entries_line"),
    ],
)
def test_nobody_counts_what_makes_no_sense(
    going: Going, engine: Engine, entry: dict[str, Any], constraint: str
) -> None:
    usual = {"product_id": going.mug.product_id, "entry_number": 2, "counted_by": "bob", "counted": 5, "system": 10}
    going.refuses(engine, _ENTRY, f'"{constraint}"', **usual | entry)


# What is in the books is in the ledger.


def test_no_variance_is_posted_without_its_movement(going: Going, both_roles: Roles) -> None:
    statement = f"UPDATE cycle_count_lines SET {_POSTED} {_OF} AND product_id = :product_id"
    refusal = f"product {going.mug.product_id} of count .* is off by -5, and 0 was booked"
    going.refuses(both_roles, statement, refusal, product_id=going.mug.product_id)


@pytest.mark.parametrize(
    ("units", "movement_type", "other_reference", "booked"),
    [
        (-4, MovementType.ADJUSTMENT, False, -4),
        (5, MovementType.ADJUSTMENT, False, 5),
        (-5, MovementType.SALE, False, 0),
        (-5, MovementType.ADJUSTMENT, True, 0),
    ],
)
def test_no_other_movement_will_do(
    going: Going,
    database: Database,
    engine: Engine,
    units: int,
    movement_type: MovementType,
    other_reference: bool,
    booked: int,
) -> None:
    operation = Operation("test", "test", {}, "tests", "test", "test")
    statement = f"UPDATE cycle_count_lines SET {_POSTED} {_OF} AND product_id = :product_id"
    with going.refused(database.engine, f"is off by -5, and {booked} was booked") as connection:
        lock_items(connection, [going.mug])
        ledger.move(
            connection,
            operation,
            movement_type,
            [Moving(going.mug, units)],
            reference_id="something else" if other_reference else going.number,
            reason="test",
        )
        going.run(connection, statement, product_id=going.mug.product_id)


@pytest.mark.parametrize(
    ("change", "off", "booked"),
    [("counted_quantity = 8", -2, -1), ("system_quantity = 9", 0, -1), ("posted_by = 'somebody else'", -1, 0)],
)
def test_what_is_posted_stays_as_it_was_booked(
    going: Going, both_roles: Roles, change: str, off: int, booked: int
) -> None:
    statement = f"UPDATE cycle_count_lines SET {change} {_OF} AND product_id = :product_id"
    going.refuses(both_roles, statement, f"is off by {off}, and {booked} was booked", product_id=going.pot.product_id)


# A count is where its lines are.


@pytest.mark.parametrize("status", ["REVIEW", "POSTED", "CANCELLED"])
def test_no_count_is_further_than_its_lines(going: Going, both_roles: Roles, status: str) -> None:
    closed = "" if status == "REVIEW" else f", {_CLOSED}"
    refusal = f"count {going.number} is {status}, and its lines are elsewhere"
    going.refuses(both_roles, f"UPDATE cycle_counts SET status = '{status}'{closed} {_OF}", refusal)


def test_no_line_is_further_than_its_count(going: Going, both_roles: Roles) -> None:
    # Nothing is to be counted any more: that is REVIEW.
    statement = f"UPDATE cycle_count_lines SET status = 'CANCELLED' {_OF} AND product_id = :product_id"
    refusal = f"count {going.number} is COUNTING, and its lines are elsewhere"
    going.refuses(both_roles, statement, refusal, product_id=going.tea.product_id)


def test_there_is_no_count_of_nothing(going: Going, engine: Engine) -> None:
    empty = f"""
        INSERT INTO cycle_counts (count_number, warehouse_id, requested_by, created_at, tolerance_units,
            tolerance_percent, operation_id, workflow_id, run_id)
        SELECT count_number || '-again', warehouse_id, requested_by, created_at, 1, 1, 'o', 'w', 'r'
        FROM cycle_counts {_OF}
    """
    refusal = f"count {going.number}-again is COUNTING, and its lines are elsewhere"
    going.refuses(engine, empty, refusal)


@pytest.mark.parametrize("status", ["REVIEW", "POSTED", "CANCELLED"])
def test_a_list_does_not_grow_once_it_has_been_counted(
    going: Going, counting: CountCalls, shop: Shop, both_roles: Roles, status: str
) -> None:
    if status == "CANCELLED":
        counting.cancel(going.number)
    else:
        counting.record(going.number, going.tea, 10)
    if status == "POSTED":
        counting.record(going.number, going.mug, 5, "bob")
    refusal = f"count {going.number} is {status}: it gets no more lines"
    going.refuses(both_roles, _LINE, refusal, product_id=shop.product(), line_number=4)


# Whoever has counted something has counted it.

_CHANGES = {
    "UPDATE of entries": "UPDATE cycle_count_entries SET counted_quantity = 1",
    "DELETE of entries": "DELETE FROM cycle_count_entries",
    "TRUNCATE of entries": "TRUNCATE cycle_count_entries",
    "DELETE of lines": "DELETE FROM cycle_count_lines",
    "DELETE of counts": "DELETE FROM cycle_counts",
    "TRUNCATE of all": "TRUNCATE cycle_counts CASCADE",
}


@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES)
def test_the_worker_has_no_right_to_change_what_was_counted(going: Going, database: Database, change: str) -> None:
    going.forbids(database.engine, change, "permission denied for table cycle_count")
