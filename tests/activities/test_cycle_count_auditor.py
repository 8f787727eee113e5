"""The tests' own auditor finds what is off with counts, and so does the product's audit."""

from typing import NamedTuple

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.support.auditor import findings
from tests.support.shop import Shop
from tests.support.steps.cycle_count import CountCalls
from tests.support.tampering import tampering, told_of

_OF = "WHERE count_id = (SELECT count_id FROM cycle_counts WHERE count_number = :number)"
_TEA, _MUG, _POT, _CUP = (f"{_OF} AND product_id = :{name}" for name in ("tea", "mug", "pot", "cup"))
_MOVED = "WHERE reference_id = :number AND product_id ="

BOOKED = "COUNTED_IS_NOT_BOOKED"
OWN = "APPROVAL_IS_MISSING"
ALONE = "MOVEMENT_WITHOUT_DOCUMENT"
LAST = "not what was counted last"

# Of ten units each: tea is to be counted, mug is in doubt at five, pot is posted with four by bob's second count, and
# cup with seven, approved by cid. All first counts are ann's.
TAMPERED: dict[str, tuple[list[str], list[str], set[str]]] = {
    "a lost movement": (
        [
            f"DELETE FROM stock_movements {_MOVED} :pot",
            "UPDATE inventory_items SET quantity_on_hand = 10 WHERE product_id = :pot",
        ],
        ["its line says -6, booked 0"],
        {BOOKED},
    ),
    "a movement for something else": (
        [f"UPDATE stock_movements SET reference_id = 'something else' {_MOVED} :pot"],
        ["its line says -6, booked 0", "count something else", "its line says 0, booked -6"],
        {BOOKED, ALONE},
    ),
    "a movement of another operation": (
        [f"UPDATE stock_movements SET operation_id = 'another' {_MOVED} :pot"],
        ["its line says -6, booked 0", "its line says 0, booked -6"],
        {BOOKED},
    ),
    "a movement that is none": (
        [f"UPDATE stock_movements SET movement_type = 'SALE' {_MOVED} :pot"],
        ["its line says -6, booked 0"],
        {BOOKED},
    ),
    "a movement of what is in doubt": (
        [f"UPDATE cycle_count_lines SET status = 'REVIEW', posted_at = NULL, posted_by = NULL {_POT}"],
        ["its line says 0, booked -6", "REVIEW after 2 looks, approved by nobody"],
        {BOOKED},
    ),
    "another number on the line": (
        [f"UPDATE cycle_count_lines SET counted_quantity = 5, system_quantity = 11 {_POT}"],
        [LAST],
        set(),
    ),
    "another person on the line": ([f"UPDATE cycle_count_lines SET counted_by = 'dora' {_POT}"], [LAST], set()),
    "another number in the entry": (
        [f"UPDATE cycle_count_entries SET counted_quantity = 6 {_MUG}"],
        [LAST],
        set(),
    ),
    "a lost entry": (
        [f"DELETE FROM cycle_count_entries {_MUG}"],
        [LAST, "REVIEW after 0 looks, approved by nobody"],
        set(),
    ),
    "a lost first entry": (
        [f"DELETE FROM cycle_count_entries {_POT} AND entry_number = 1"],
        ["POSTED after 1 looks, approved by nobody"],
        set(),
    ),
    "an entry of what is to be counted": (
        [
            f"""
                INSERT INTO cycle_count_entries
                SELECT count_id, :tea, 1, 'ann', 10, 10, true, NULL, counted_at, 0, 'o' FROM cycle_count_entries {_MUG}
            """
        ],
        [LAST, "COUNTING after 1 looks, approved by nobody"],
        set(),
    ),
    "a doubt that was none": (
        [f"UPDATE cycle_count_entries SET within_tolerance = true {_MUG}"],
        ["an entry misjudged", "REVIEW after 1 looks, approved by nobody"],
        set(),
    ),
    "a tolerance of later": (
        ["UPDATE cycle_counts SET tolerance_units = 5 WHERE count_number = :number"],
        ["an entry misjudged"],
        set(),
    ),
    "a lost approval": (
        [f"UPDATE cycle_count_lines SET approved_by = NULL {_CUP}"],
        ["POSTED after 1 looks, approved by nobody"],
        set(),
    ),
    "an approval of what is in doubt": (
        [f"UPDATE cycle_count_lines SET approved_by = 'cid' {_MUG}"],
        ["REVIEW after 1 looks, approved by cid"],
        set(),
    ),
    "an own approval": (
        [
            "ALTER TABLE cycle_count_lines DROP CONSTRAINT cycle_count_lines_not_own",
            f"UPDATE cycle_count_lines SET approved_by = 'ANN' {_CUP}",
        ],
        ["ANN counted it and approved it"],
        {OWN},
    ),
    "an approval by somebody who counted it first": (
        [f"UPDATE cycle_count_lines SET approved_by = 'Ann' {_POT}"],
        ["Ann counted it and approved it", "POSTED after 2 looks, approved by Ann"],
        {OWN},
    ),
    "a second look by the same person": (
        [
            "DROP INDEX cycle_count_entries_distinct",
            f"UPDATE cycle_count_entries SET counted_by = 'Bob' {_POT} AND entry_number = 1",
        ],
        ["counted twice by one person"],
        set(),
    ),
    "a count that is further than its lines": (
        ["UPDATE cycle_counts SET status = 'REVIEW' WHERE count_number = :number"],
        ["REVIEW with lines that are COUNTING, POSTED, REVIEW"],
        set(),
    ),
    "a count that was given up and isn't": (
        [
            f"UPDATE cycle_count_lines SET status = 'CANCELLED' {_TEA}",
            f"UPDATE cycle_count_lines SET status = 'CANCELLED' {_MUG}",
        ],
        ["COUNTING with lines that are CANCELLED, POSTED"],
        set(),
    ),
    "an item that was never counted": (
        ["UPDATE inventory_items SET last_counted_at = NULL WHERE product_id = :pot"],
        ["posted, and the item was never counted"],
        set(),
    ),
}


class Counted(NamedTuple):
    """A count, and its items."""

    number: str
    tea: ItemKey
    mug: ItemKey
    pot: ItemKey
    cup: ItemKey

    @property
    def named(self) -> dict[str, str | int]:
        products = {name: getattr(self, name).product_id for name in ("tea", "mug", "pot", "cup")}
        return {"number": self.number} | products


@pytest.fixture
def counted(database: Database, shop: Shop) -> Counted:
    """A count that goes on."""
    counting, items = CountCalls(database), shop.items(4, units=10)
    count = Counted(counting.opened(*items), *items)
    counting.record(count.number, count.mug, 5)
    for by in ("ann", "bob"):
        counting.record(count.number, count.pot, 4, by)
    counting.record(count.number, count.cup, 7)
    counting.approve(count.number, count.cup)
    return count


@pytest.mark.parametrize(("changes", "found", "rules"), TAMPERED.values(), ids=TAMPERED)
def test_the_auditor_finds_of_a_count(
    counted: Counted, engine: Engine, changes: list[str], found: list[str], rules: set[str]
) -> None:
    with tampering(engine) as connection:
        for change in changes:
            assert connection.execute(text(change), counted.named).rowcount
        told_of(connection, found, rules)


def test_nothing_is_said_of_a_count_that_agrees(counted: Counted, database: Database, engine: Engine) -> None:
    with engine.connect() as connection:
        assert findings(connection) == []
    CountCalls(database).cancel(counted.number)
    with engine.connect() as connection:
        assert findings(connection) == []
