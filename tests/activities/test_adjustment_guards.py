"""What the database itself refuses of adjustments, whatever the code thinks."""

from functools import partial

import pytest
from sqlalchemy import Engine

from database.sessions import Database
from tests.support.guards import Guarded, Roles
from tests.support.shop import Shop
from tests.support.steps.adjustment import AdjustmentCalls, adjustment_stays, dear_item

_OF = "WHERE adjustment_number = :number"
_CLOSED = "closed_at = created_at, closed_by = 'test'"
_POSTED = f"status = 'POSTED', approved_by = 'ann', {_CLOSED}"
UNBOOKED = "isn't booked as it stands"


@pytest.fixture
def pending(putting_right: AdjustmentCalls, shop: Shop) -> Guarded:
    """An adjustment of two units that waits for approval."""
    item = dear_item(shop)
    number = putting_right.submitted((item, -2))
    return Guarded(number, partial(adjustment_stays, shop.engine, number, item))


@pytest.fixture
def posted(putting_right: AdjustmentCalls, pending: Guarded) -> Guarded:
    """The same, approved and in the books."""
    putting_right.approve(pending.number)
    return pending


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
    pending: Guarded, engine: Engine, change: str, constraint: str
) -> None:
    pending.refuses(engine, f"UPDATE adjustments SET {change} {_OF}", f'"{constraint}"')


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ("2, product_id, 0, 1", "adjustment_lines_quantity_check"),
        ("2, product_id, 1, -1", "adjustment_lines_unit_cost_check"),
        ("0, product_id, 1, 1", "adjustment_lines_line_number_check"),
        ("1, product_id, 1, 1", "adjustment_lines_pkey"),
    ],
)
def test_a_line_cannot_be_what_makes_no_sense(pending: Guarded, engine: Engine, values: str, constraint: str) -> None:
    another = f"""
        INSERT INTO adjustment_lines (adjustment_id, line_number, product_id, quantity, unit_cost)
        SELECT adjustment_id, {values} FROM adjustment_lines JOIN adjustments USING (adjustment_id) {_OF}
    """
    pending.refuses(engine, another, f'"{constraint}"')


def test_nothing_is_posted_that_is_not_in_the_ledger(pending: Guarded, both_roles: Roles) -> None:
    pending.refuses(both_roles, f"UPDATE adjustments SET {_POSTED} {_OF}", UNBOOKED)


@pytest.mark.parametrize(
    "change",
    [
        # As if it had never been posted, or by something else.
        "status = 'PENDING', approved_by = NULL, closed_at = NULL, closed_by = NULL",
        "status = 'REJECTED', approved_by = NULL",
        "closed_by = 'test'",
    ],
)
def test_what_is_in_the_ledger_stays_posted(posted: Guarded, both_roles: Roles, change: str) -> None:
    posted.refuses(both_roles, f"UPDATE adjustments SET {change} {_OF}", UNBOOKED)


def test_what_was_decided_gets_no_more_lines(posted: Guarded, both_roles: Roles) -> None:
    another = f"""
        INSERT INTO adjustment_lines (adjustment_id, line_number, product_id, quantity)
        SELECT adjustment_id, 2, product_id, 1 FROM adjustment_lines JOIN adjustments USING (adjustment_id) {_OF}
    """
    posted.refuses(both_roles, another, f"adjustment {posted.number} is POSTED: it gets no more lines")


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
    pending: Guarded, database: Database, change: str
) -> None:
    pending.forbids(database.engine, change, "permission denied for table adjustment")
