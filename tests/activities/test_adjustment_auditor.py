"""The tests' own auditor finds what is off with an adjustment, and so does the product's audit."""

from sqlalchemy import Engine, text

from database.sessions import Database
from tests.support.shop import Shop
from tests.support.steps.adjustment import AdjustmentCalls, dear_item
from tests.support.tampering import tampering, told_of

_OF = "WHERE adjustment_id = (SELECT adjustment_id FROM adjustments WHERE adjustment_number = :number)"
_LEDGER = "WHERE reference_id = :number"

BOOKED = "ADJUSTED_IS_NOT_BOOKED"
ALONE = "MOVEMENT_WITHOUT_DOCUMENT"
WORTH = "VALUE_IS_NOT_THE_LINES"
APPROVED = "APPROVAL_IS_MISSING"
SUM = "ON_HAND_IS_NOT_THE_SUM"
BALANCE = "ON_HAND_IS_NOT_THE_LAST_BALANCE"

# Of twelve units two are taken off, worth 1,000.00; ann has approved.
TAMPERED: dict[str, tuple[list[str], list[str], set[str]]] = {
    "other units": (
        [f"UPDATE adjustment_lines SET quantity = -1 {_OF}"],
        ["its lines say -1, booked -2", "worth 1000.000000 and 0 units, its lines say 500.000000 and 0"],
        {BOOKED, WORTH},
    ),
    "units the other way": (
        [f"UPDATE adjustment_lines SET quantity = 2 {_OF}"],
        ["its lines say 2, booked -2"],
        {BOOKED},
    ),
    "a lost line": (
        [f"DELETE FROM adjustment_lines {_OF}"],
        ["its lines say 0, booked -2", "worth 1000.000000 and 0 units, its lines say 0 and 0"],
        {BOOKED, WORTH},
    ),
    "a lost movement": (
        [f"DELETE FROM stock_movements {_LEDGER}"],
        ["its lines say -2, booked 0", "add up to 12", "last balance 12"],
        {BOOKED, SUM, BALANCE},
    ),
    "a movement of something else": (
        [f"UPDATE stock_movements SET operation_id = 'something else' {_LEDGER}"],
        ["its lines say -2, booked 0", "its lines say 0, booked -2"],
        {BOOKED},
    ),
    "a movement without its adjustment": (
        [f"DELETE FROM adjustment_lines {_OF}", f"DELETE FROM adjustments {_OF}"],
        ["its lines say 0, booked -2"],
        {ALONE},
    ),
    "one that was never posted": (
        [
            f"""
                UPDATE adjustments SET status = 'PENDING', approved_by = NULL, closed_at = NULL, closed_by = NULL
                {_OF}
            """
        ],
        ["its lines say 0, booked -2"],
        {BOOKED},
    ),
    "another value": (
        [f"UPDATE adjustments SET value = 500 {_OF}"],
        ["worth 500.000000 and 0 units, its lines say 1000.000000 and 0"],
        {WORTH},
    ),
    "a cost that nobody knew": (
        [f"UPDATE adjustment_lines SET unit_cost = NULL {_OF}"],
        ["worth 1000.000000 and 0 units, its lines say 0 and 2"],
        {WORTH},
    ),
    # What the database refuses as long as the constraint is there.
    "nobody's approval": (
        [
            "ALTER TABLE adjustments DROP CONSTRAINT adjustments_are_approved",
            f"UPDATE adjustments SET approved_by = NULL {_OF}",
        ],
        ["posted, approved by nobody"],
        {APPROVED},
    ),
    "their own approval": (
        [
            "ALTER TABLE adjustments DROP CONSTRAINT adjustments_not_own",
            f"UPDATE adjustments SET approved_by = 'TOM' {_OF}",
        ],
        ["posted, approved by TOM"],
        {APPROVED},
    ),
}


def test_the_auditor_finds_of_an_adjustment(engine: Engine, database: Database, shop: Shop) -> None:
    calls = AdjustmentCalls(database)
    number = calls.submitted((dear_item(shop), -2))
    calls.approve(number)
    with tampering(engine) as connection:
        for name, (changes, found, rules) in TAMPERED.items():
            try:
                with connection.begin_nested() as as_it_was:
                    for change in changes:
                        connection.execute(text(change), {"number": number})
                    told_of(connection, found, rules)
                    as_it_was.rollback()
            except AssertionError as error:
                error.add_note(name)
                raise
        told_of(connection, [], set())
