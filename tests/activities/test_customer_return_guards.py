"""What the database itself refuses of customer returns, whatever the code thinks, and what the auditor finds."""

from functools import partial

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from tests.support.guards import Guarded, Roles
from tests.support.shop import Shop
from tests.support.steps.customer_return import ReturnCalls, found, return_stays
from tests.support.tampering import tampering, told_of

_OF = "WHERE return_id = (SELECT return_id FROM returns WHERE return_number = :number)"
_LINE = f"{_OF} AND line_number = 1"
_CLOSED = "closed_at = created_at, closed_by = 'test'"
_FOUND = """
    INSERT INTO return_inspection_lines (return_id, line_number, inspection_id, restocked, scrapped)
    SELECT return_id, :line_number, '1', :restocked, :scrapped FROM returns WHERE return_number = :number
"""
_ANOTHER_LINE = f"""
    INSERT INTO return_lines (return_id, line_number, product_id, quantity, scrapped)
    SELECT return_id, 3, product_id, 2, :scrapped FROM return_lines {_LINE}
"""
UNEXPLAINED = "doesn't have what its inspections and the ledger say"


@pytest.fixture
def came(taking: ReturnCalls, shop: Shop) -> Guarded:
    """A return of five tins and a mug: two tins were restocked and one was scrapped; two and the mug are expected."""
    tin, mug = shop.items(2, units=2)
    number = taking.expected((tin, 5), (mug, 1))
    taking.inspect(number, "1", found(tin, 2, 1))
    return Guarded(number, partial(return_stays, shop.engine, number, tin))


SENSELESS = {
    "return_lines_restocked_check": f"UPDATE return_lines SET restocked = -1 {_LINE}",
    "return_lines_scrapped_check": f"UPDATE return_lines SET scrapped = -1 {_LINE}",
    "return_lines_quantity_check": f"UPDATE return_lines SET quantity = 0, restocked = 0, scrapped = 0 {_LINE}",
    "return_lines_not_too_much": f"UPDATE return_lines SET quantity = 2 {_LINE}",
    "returns_status_check": f"UPDATE returns SET status = 'REJECTED', {_CLOSED} {_OF}",
    "returns_closed": f"UPDATE returns SET {_CLOSED} {_OF}",
    "returns_return_number_key": """
        INSERT INTO returns (return_number, warehouse_id, reference_id, requested_by, created_at, operation_id,
            workflow_id, run_id)
        SELECT return_number, warehouse_id, reference_id, requested_by, created_at, operation_id, workflow_id, run_id
        FROM returns WHERE return_number = :number
    """,
    "return_inspection_lines_something": _FOUND.replace(":line_number, '1', :restocked, :scrapped", "2, '1', 0, 0"),
    "return_inspection_lines_pkey": _FOUND.replace(":line_number, '1', :restocked, :scrapped", "1, '1', 1, 0"),
    "return_inspection_lines_line": _FOUND.replace(":line_number, '1', :restocked, :scrapped", "9, '1', 1, 0"),
    "return_inspection_lines_inspection": _FOUND.replace(":line_number, '1', :restocked, :scrapped", "2, '9', 1, 0"),
}


@pytest.mark.parametrize("constraint", SENSELESS)
def test_a_return_cannot_be_what_makes_no_sense(came: Guarded, engine: Engine, constraint: str) -> None:
    came.refuses(engine, SENSELESS[constraint], f'"{constraint}"')


@pytest.mark.parametrize(
    "change",
    ["restocked = restocked + 1", "scrapped = scrapped + 1", "restocked = restocked - 1, scrapped = scrapped + 1"],
)
def test_no_counter_moves_without_an_inspection(came: Guarded, both_roles: Roles, change: str) -> None:
    came.refuses(both_roles, f"UPDATE return_lines SET {change} {_LINE}", UNEXPLAINED)


def test_no_line_begins_with_units_from_nowhere(came: Guarded, both_roles: Roles) -> None:
    came.refuses(both_roles, _ANOTHER_LINE, UNEXPLAINED, scrapped=1)


@pytest.mark.parametrize(("restocked", "scrapped"), [(1, 0), (0, 1)])
def test_nothing_is_found_without_its_line(came: Guarded, both_roles: Roles, restocked: int, scrapped: int) -> None:
    came.refuses(both_roles, _FOUND, UNEXPLAINED, line_number=2, restocked=restocked, scrapped=scrapped)


def test_nothing_is_restocked_without_the_ledger(came: Guarded, both_roles: Roles) -> None:
    restock = f"UPDATE return_lines SET restocked = 1 {_OF} AND line_number = 2"
    for opened in both_roles:
        with came.refused(opened, f"line 2 of return [0-9]+ {UNEXPLAINED}") as connection:
            # So that only the ledger is missing.
            came.run(connection, _FOUND, line_number=2, restocked=1, scrapped=0)
            came.run(connection, restock)


ENDS = {
    "INSPECTED with 3 inspected and 3 missing": f"UPDATE returns SET status = 'INSPECTED', {_CLOSED} {_OF}",
    "CANCELLED with 3 inspected and 3 missing": (
        f"UPDATE returns SET status = 'CANCELLED', {_CLOSED}, closed_reason = 'r' {_OF}"
    ),
    "EXPECTED with 3 inspected and 3 missing": f"UPDATE returns SET closed_reason = 'kept' {_OF}",
}


@pytest.mark.parametrize("told", ENDS)
def test_no_return_says_that_it_is_where_its_lines_are_not(came: Guarded, both_roles: Roles, told: str) -> None:
    came.refuses(both_roles, ENDS[told], f"return {came.number} is {told}")


def test_what_has_not_come_is_not_inspected_nor_is_it_cancelled_without_a_reason(
    taking: ReturnCalls, shop: Shop, engine: Engine
) -> None:
    item = shop.item(2)
    number = taking.expected((item, 5))
    waited_for = Guarded(number, partial(return_stays, engine, number, item))
    told = f"return {number} is {{}} with 0 inspected and 5 missing"
    reasoned = f"UPDATE returns SET status = 'INSPECTED', {_CLOSED}, closed_reason = 'r' {_OF}"
    waited_for.refuses(engine, reasoned, told.format("INSPECTED"))
    cancelled = f"UPDATE returns SET status = 'CANCELLED', {_CLOSED} {_OF}"
    waited_for.refuses(engine, cancelled, told.format("CANCELLED"))


def test_the_last_unit_does_not_come_without_the_end(came: Guarded, both_roles: Roles) -> None:
    for opened in both_roles:
        told = f"return {came.number} is EXPECTED with 4 inspected and 0 missing"
        with came.refused(opened, told) as connection:
            # The first line has what it was to have, and now the second has, too.
            came.run(connection, f"UPDATE return_lines SET quantity = 3 {_LINE}")
            came.run(connection, _FOUND, line_number=2, restocked=0, scrapped=1)
            came.run(connection, f"UPDATE return_lines SET scrapped = 1 {_OF} AND line_number = 2")


CHANGES = {
    "UPDATE return_inspections SET inspected_by = 'nobody'": "return_inspections",
    "DELETE FROM return_inspections": "return_inspections",
    "TRUNCATE return_inspections CASCADE": "return_inspections",
    "UPDATE return_inspection_lines SET scrapped = scrapped + 1": "return_inspection_lines",
    "DELETE FROM return_inspection_lines": "return_inspection_lines",
    "TRUNCATE return_inspection_lines": "return_inspection_lines",
    "DELETE FROM return_lines": "return_lines",
    "DELETE FROM returns": "returns",
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_worker_has_no_right_to_change_what_was_found(came: Guarded, database: Database, change: str) -> None:
    came.forbids(database.engine, change, f"permission denied for table {CHANGES[change]}\n")


FOUND = "LINE_IS_NOT_ITS_ENTRIES"
BOOKED = "RETURNED_IS_NOT_BOOKED"
NOT_FOUND = "line 1: not what its inspections found"
_MOVEMENT = "WHERE reference_id = :number AND movement_type = 'RETURN'"

# Of five tins two were restocked and one was scrapped.
TAMPERED: dict[str, tuple[str, list[str], set[str]]] = {
    "scrapped units": (f"UPDATE return_lines SET scrapped = 2 {_LINE}", [NOT_FOUND], {FOUND}),
    "restocked units": (
        f"UPDATE return_lines SET restocked = 1 {_LINE}",
        [NOT_FOUND, "restocked 1, RETURN of 2"],
        {FOUND, BOOKED},
    ),
    "a lost inspection": (f"DELETE FROM return_inspection_lines {_LINE}", [NOT_FOUND], {FOUND}),
    "another inspection": (f"UPDATE return_inspection_lines SET scrapped = 3 {_LINE}", [NOT_FOUND], {FOUND}),
    "a lost line": (f"DELETE FROM return_lines {_LINE}", ["restocked 0, RETURN of 2"], {BOOKED}),
    "units for something else": (
        f"UPDATE stock_movements SET reference_id = 'something else' {_MOVEMENT}",
        ["restocked 2, RETURN of 0", "return something else", "restocked 0, RETURN of 2"],
        {BOOKED, "MOVEMENT_WITHOUT_DOCUMENT"},
    ),
    "units that somebody found": (
        f"UPDATE stock_movements SET movement_type = 'ADJUSTMENT' {_MOVEMENT}",
        ["restocked 2, RETURN of 0"],
        {BOOKED},
    ),
    "an end without a reason": (
        f"UPDATE returns SET status = 'INSPECTED', {_CLOSED} {_OF}",
        ["INSPECTED with 3 of 6 inspected"],
        set(),
    ),
    "an end as if nothing had come": (
        f"UPDATE returns SET status = 'CANCELLED', {_CLOSED}, closed_reason = 'kept' {_OF}",
        ["CANCELLED with 3 of 6 inspected"],
        set(),
    ),
}


@pytest.mark.parametrize(("change", "told", "rules"), TAMPERED.values(), ids=TAMPERED)
def test_the_auditor_finds_of_a_return(
    came: Guarded, engine: Engine, change: str, told: list[str], rules: set[str]
) -> None:
    with tampering(engine) as connection:
        assert connection.execute(text(change), {"number": came.number}).rowcount
        told_of(connection, told, rules)


def test_the_auditor_finds_a_return_that_ought_to_have_ended(came: Guarded, engine: Engine) -> None:
    with tampering(engine) as connection:
        connection.execute(text(f"DELETE FROM return_lines {_OF} AND line_number = 2"), {"number": came.number})
        connection.execute(text(f"UPDATE return_lines SET quantity = 3 {_LINE}"), {"number": came.number})
        told_of(connection, ["EXPECTED with 3 of 3 inspected"], set())
