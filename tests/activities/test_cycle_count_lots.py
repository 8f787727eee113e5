"""Counts of tracked products: a line for each lot, those that are found among them, and each corrected by itself."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from activities.count_questions import CountQuestions
from activities.cycle_count import start_again
from database.sessions import Database
from stockkeeper.contracts.count_questions import ShowAccuracy, ShowVariances
from stockkeeper.contracts.cycle_count import CountedLine, StoredCount
from stockkeeper.domain.cycle_count import CountStatus
from stockkeeper.domain.lot import LotFacts, Tracking
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level
from tests.support.cycle_count import Line
from tests.support.cycle_count_rows import last_count, movements
from tests.support.lots import TODAY, bring_lots, lot_books, lot_item, lots_of
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.cycle_count import CountCalls, count_stays, line_of
from tests.support.steps.reservation import Steps

S = CountStatus
LATER = NOON + 5 * MINUTE
SOON, LAST = TODAY + timedelta(days=3), TODAY + timedelta(days=30)
A, B, C = LotFacts("A"), LotFacts("B"), LotFacts("C", LAST)


def _lots(database: Database, number: str) -> list[tuple[int, str, str]]:
    """The lines of a count as the database has them: place, lot and status."""
    query = text("""
        SELECT line_number, lot_number, line.status FROM cycle_count_lines AS line JOIN cycle_counts USING (count_id)
        WHERE count_number = :number ORDER BY line_number
    """)
    with database.engine.connect() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query, {"number": number})]


def _message(call: Callable[[], object]) -> str:
    with pytest.raises(ApplicationError) as caught:
        call()
    return str(caught.value)


def _opened(counting: CountCalls, *items: ItemKey) -> StoredCount:
    return counting.open(new_reference("cc"), items[0].warehouse_id, *(item.product_id for item in items))


def _posted(answer: CountedLine) -> tuple[str | None, Line]:
    return answer.line.lot_number, line_of(answer.line)


def test_a_count_has_a_line_for_each_lot_and_names_no_quantity(
    counting: CountCalls, database: Database, shop: Shop
) -> None:
    tea = shop.item(10)
    milk = lot_item(shop, ("B", LAST, 5), ("A", SOON, 5), ("gone", SOON, 1), warehouse=tea.warehouse_id)
    bring_lots(shop.engine, milk, ("gone", SOON, -1))
    salt = lot_item(shop, warehouse=tea.warehouse_id)
    opened = _opened(counting, milk, tea, salt)
    assert [(line.product_id, line.lot_number, line.expires_on) for line in opened.lines] == [
        (milk.product_id, "A", SOON),
        (milk.product_id, "B", LAST),
        (tea.product_id, None, None),
        (salt.product_id, None, None),
    ]
    assert [line_of(line) for line in opened.lines] == [Line()] * 4
    # What isn't tracked is told as it always was.
    assert "lot_number" not in opened.lines[2].model_dump()
    assert "expires_on" not in opened.lines[2].model_dump()
    # The same start again is the same count, and so is another run of it.
    again = counting.open(opened.count_number, tea.warehouse_id, milk.product_id, tea.product_id, salt.product_id)
    assert again == opened
    with database.engine.connect() as connection:
        request = start_again(connection, opened.count_number, NOON, "rita")
    assert request.product_ids == [milk.product_id, tea.product_id, salt.product_id]
    call = partial(counting.open, opened.count_number, tea.warehouse_id, milk.product_id, tea.product_id)
    assert refused(call)[0] == "OperationConflict"


def test_each_lot_is_posted_by_itself_though_their_sum_is_right(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("A", SOON, 50), ("B", LAST, 50))
    number = counting.opened(item)
    first = counting.record(number, item, 49, lot=A, as_of=LATER)
    assert (first.status, _posted(first)) == (
        S.COUNTING,
        ("A", Line("POSTED", 49, "ann", "UNEXPLAINED", None, 50, -1)),
    )
    last = counting.record(number, item, 51, lot=B, as_of=LATER)
    assert (last.status, _posted(last)) == (S.POSTED, ("B", Line("POSTED", 51, "ann", "UNEXPLAINED", None, 50, 1)))
    assert lot_books(engine, item) == {"A": (49, 0, 0), "B": (51, 0, 0)}
    assert [row[3:5] for row in movements(engine, number)] == [(-1, 99), (1, 100)]
    assert (level(engine, item), last_count(engine, item)) == ((100, 0), (LATER, False))


def test_a_lot_that_is_beyond_tolerance_waits_while_the_others_are_posted(
    counting: CountCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("A", SOON, 10), ("B", LAST, 100))
    number = counting.opened(item)
    waiting = counting.record(number, item, 7, lot=A)
    assert (waiting.status, _posted(waiting)) == (S.COUNTING, ("A", Line("REVIEW", 7, "ann")))
    # The same person counts another lot; the same lot twice needs another person.
    assert counting.record(number, item, 99, lot=B).status is S.REVIEW
    with count_stays(engine, number, item):
        assert refused(partial(counting.record, number, item, 8, lot=A)) == ("NotPermitted", {})
        assert refused(partial(counting.approve, number, item, "ann", lot_number="A")) == ("NotPermitted", {})
        assert refused(partial(counting.approve, number, item)) == ("InvalidRequest", {"product_id": item.product_id})
    questions = CountQuestions(database)
    [variance] = questions.show_variances(ShowVariances(count_number=number)).variances
    assert (variance.lot_number, variance.expires_on, variance.delta) == ("A", SOON, -3)
    # A correction of another lot, by hand, doesn't put this one right.
    bring_lots(engine, item, ("B", LAST, 1))
    approved = counting.approve(number, item, lot_number="A", as_of=LATER)
    assert (approved.status, _posted(approved)) == (
        S.POSTED,
        ("A", Line("POSTED", 7, "ann", "DAMAGE", "cid", 10, -3)),
    )
    assert lot_books(engine, item) == {"A": (7, 0, 0), "B": (100, 0, 0)}
    # One of the two was off: the product is counted again the next day.
    assert last_count(engine, item) == (NOON, True)
    assert counting.approve(number, item, lot_number="A", as_of=LATER).line == approved.line
    [accuracy] = [
        each for each in questions.show_accuracy(ShowAccuracy()).accuracies if each.warehouse_id == item.warehouse_id
    ]
    assert (accuracy.counted, accuracy.accurate, accuracy.units_off) == (2, 1, 4)


def test_a_lot_that_was_corrected_since_has_to_be_counted_again(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("A", SOON, 10), ("B", LAST, 10))
    number = counting.opened(item)
    counting.record(number, item, 7, lot=A)
    bring_lots(engine, item, ("A", SOON, -3))
    with count_stays(engine, number, item):
        assert refused(partial(counting.approve, number, item, lot_number="A"))[0] == "InvalidState"
    again = counting.record(number, item, 7, "bob", lot=A)
    assert _posted(again) == ("A", Line("POSTED", 7, "bob", None, None, 7, 0))


def test_variances_of_a_product_come_lot_by_lot(counting: CountCalls, database: Database, shop: Shop) -> None:
    item = lot_item(shop, ("A", SOON, 10), ("B", LAST, 10))
    number = counting.opened(item)
    for lot in (A, B):
        counting.record(number, item, 0, lot=lot)
    questions = CountQuestions(database)
    first, second = questions.show_variances(ShowVariances(count_number=number)).variances
    assert (first.lot_number, second.lot_number) == ("A", "B")
    after = ShowVariances(count_number=number, after_line=(number, first.sku, "A"))
    assert questions.show_variances(after).variances == [second]
    # Who goes on behind the product has seen all of its lots.
    after = ShowVariances(count_number=number, after=(number, first.sku))
    assert questions.show_variances(after).variances == []


def test_a_lot_that_is_found_gets_a_line_behind_the_others(
    counting: CountCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("A", SOON, 10))
    tea = shop.item(10, warehouse=item.warehouse_id)
    number = counting.opened(item, tea)
    found = counting.record(number, item, 1, lot=C)
    assert (found.status, found.line.expires_on) == (S.COUNTING, LAST)
    assert _posted(found) == ("C", Line("POSTED", 1, "ann", "UNEXPLAINED", None, 0, 1))
    assert _lots(database, number) == [(1, "A", "COUNTING"), (2, "", "COUNTING"), (3, "C", "POSTED")]
    assert lot_books(engine, item) == {"A": (10, 0, 0), "C": (1, 0, 0)}
    # One of which the books had none, and more than the tolerance: another person looks, and reads what was missing.
    waiting = counting.record(number, item, 5, lot=LotFacts("D"))
    assert (waiting.line.status, waiting.line.expires_on) == (S.REVIEW, None)
    assert lot_books(engine, item) == {"A": (10, 0, 0), "C": (1, 0, 0)}
    again = counting.record(number, item, 5, "bob", lot=LotFacts("D", LAST))
    assert (again.line.status, again.line.expires_on, again.line.delta) == (S.POSTED, LAST, 5)
    assert lot_books(engine, item)["D"] == (5, 0, 0)
    counting.record(number, item, 10, lot=A)
    counting.record(number, tea, 5)
    # All has been counted; some of it waits, and so a lot may still be found, but not once the count has ended.
    assert counting.record(number, item, 1, lot=LotFacts("E", LAST)).status is S.REVIEW
    assert counting.approve(number, tea).status is S.POSTED
    with count_stays(engine, number, item):
        assert refused(partial(counting.record, number, item, 1, lot=LotFacts("F", LAST))) == (
            "InvalidState",
            {"status": "POSTED", "command": "record"},
        )


def test_the_first_lot_that_is_found_of_a_product_without_any_takes_its_line(
    counting: CountCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop)
    number = counting.opened(item)
    assert _lots(database, number) == [(1, "", "COUNTING")]
    found = counting.record(number, item, 1, lot=C, operation="1")
    assert (found.status, found.line.lot_number) == (S.POSTED, "C")
    assert _lots(database, number) == [(1, "C", "POSTED")]
    assert counting.record(number, item, 1, lot=C, operation="2").line == found.line
    # It is approved after all that the counter knows: the days, too.
    other = counting.opened(item)
    counting.record(other, item, 9, lot=LotFacts("N", LAST, made_on=TODAY))
    approved = counting.approve(other, item, lot_number="N")
    assert (approved.line.delta, approved.line.expires_on) == (9, LAST)
    with engine.connect() as connection:
        days = text(
            "SELECT expires_on, best_before, made_on FROM lots WHERE (product_id, lot_number) = (:product, 'N')"
        )
        assert tuple(connection.execute(days, {"product": item.product_id}).one()) == (LAST, None, TODAY)


def test_that_there_is_no_lot_is_said_without_one(
    counting: CountCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop)
    number = counting.opened(item)
    with count_stays(engine, number, item):
        assert "name the lot number of all 5 units" in _message(partial(counting.record, number, item, 5))
    answer = counting.record(number, item, 0)
    assert (answer.status, _posted(answer)) == (S.POSTED, (None, Line("POSTED", 0, "ann", None, None, 0, 0)))
    # Where lots have come meanwhile, each is to be counted.
    place = lot_item(shop, product=item.product_id)
    second = counting.opened(place)
    bring_lots(engine, place, ("A", SOON, 3))
    with count_stays(engine, second, place):
        assert "has lots: name each that was counted" in _message(partial(counting.record, second, place, 0))
    assert counting.record(second, place, 3, lot=A).status is S.POSTED
    assert _lots(database, second) == [(1, "A", "POSTED")]


def test_what_is_said_of_a_lot_has_to_agree_with_what_is_known(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    item = lot_item(shop, ("A", SOON, 10))
    plain = shop.item(10, warehouse=item.warehouse_id)
    # One that is known from another warehouse, and one that waits for an approval.
    lot_item(shop, ("W", LAST, 10), product=item.product_id)
    number = counting.opened(item, plain)
    counting.record(number, item, 5, lot=LotFacts("N", LAST))
    with count_stays(engine, number, item, plain):
        for found, message in [
            (LotFacts("A", LAST), f"expires on {SOON}, not {LAST}"),
            (LotFacts("W", SOON), f"expires on {LAST}, not {SOON}"),
            (LotFacts("N", SOON), f"expires on {LAST}, not {SOON}"),
            (LotFacts("a"), "differs from a by upper and lower case alone"),
            (LotFacts("n", LAST), "differs from n by upper and lower case alone"),
            (LotFacts("M", SOON, made_on=LAST), "can't be made on"),
        ]:
            call = partial(counting.record, number, item, 10, "bob", lot=found)
            assert message in _message(call)
            assert refused(call)[0] == "InvalidRequest"
        assert "isn't tracked by lot: leave out lot A" in _message(partial(counting.record, number, plain, 9, lot=A))
        assert "has lots: name each" in _message(partial(counting.record, number, item, 0))
    assert lot_books(engine, item) == {"A": (10, 0, 0)}


def test_who_holds_a_lot_that_is_missing_gets_another_or_waits_for_an_approval(
    counting: CountCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, first, last = lot_item(shop, ("A", SOON, 100), ("B", LAST, 2)), new_reference(), new_reference()
    steps.reserve(first, (item, 98))
    assert lots_of(steps.reserve(last, (item, 2))) == [("A", 2)]
    number = counting.opened(item)
    # One is missing: whoever was promised last gets one of the other lot for it, and keeps the other unit.
    swapped = counting.record(number, item, 99, lot=A)
    assert (swapped.line.status, swapped.gave_way) == (S.POSTED, [])
    assert lot_books(engine, item) == {"A": (99, 99, 0), "B": (2, 1, 0)}
    # Of that both are missing, and none is free of the first: somebody would lose theirs.
    waiting = counting.record(number, item, 0, lot=B)
    assert (waiting.line.status, waiting.line.needs_approval, waiting.gave_way) == (S.REVIEW, True, [])
    assert lot_books(engine, item) == {"A": (99, 99, 0), "B": (2, 1, 0)}
    assert counting.review(number, item, lot_number="B").line == waiting.line
    approved = counting.approve(number, item, lot_number="B")
    assert [(hold.reference_id, hold.quantity) for hold in approved.gave_way] == [(last, 2)]
    assert lot_books(engine, item) == {"A": (99, 98, 0)}


def test_a_serial_number_is_there_or_it_is_not(counting: CountCalls, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("S1", None, 1), ("S2", None, 1), tracking=Tracking.SERIAL)
    lot_item(shop, ("S9", None, 1), product=item.product_id, tracking=Tracking.SERIAL)
    number = counting.opened(item)
    with count_stays(engine, number, item):
        many = partial(counting.record, number, item, 2, lot=LotFacts("S1"))
        assert "serial number S1 is of one unit, not of 2" in _message(many)
        elsewhere = partial(counting.record, number, item, 1, lot=LotFacts("S9"))
        assert "serial number S9 is on hand in" in _message(elsewhere)
    assert counting.record(number, item, 1, lot=LotFacts("S1")).line.delta == 0
    assert counting.record(number, item, 1, lot=LotFacts("S3")).line.delta == 1
    assert counting.record(number, item, 0, lot=LotFacts("S2")).line.delta == -1
    assert lot_books(engine, item) == {"S1": (1, 0, 0), "S3": (1, 0, 0)}


def test_a_count_with_too_many_lots_is_refused(
    counting: CountCalls, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = lot_item(shop, ("A", SOON, 1), ("B", SOON, 1), ("C", LAST, 1))
    number = new_reference("cc")
    monkeypatch.setattr("activities.cycle_count.MOST_LINES", 2)
    call = partial(counting.open, number, item.warehouse_id, item.product_id)
    assert f"count {number} would have 3 lines, one for each lot; 2 at most" in _message(call)
    with engine.connect() as connection:
        found = text("SELECT count(*) FROM cycle_counts WHERE count_number = :number")
        assert connection.execute(found, {"number": number}).scalar_one() == 0
