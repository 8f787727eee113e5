"""What can be asked about counts: what waits for a decision, and how right the books were, page by page."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from activities.count_questions import CountQuestions
from database.sessions import Database
from stockkeeper.contracts.count_questions import Accuracies, Accuracy, ShowAccuracy, ShowVariances, Variance, Variances
from stockkeeper.domain.cycle_count import RootCause
from stockkeeper.domain.stock import ItemKey
from tests.support.past import local, warehouse_in
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.cycle_count import CountCalls
from tests.support.steps.replenishment_plan import names

LATER = NOON + 5 * MINUTE
EAST, WEST = "Pacific/Kiritimati", "Pacific/Pago_Pago"


class Asking:
    """Whoever asks."""

    def __init__(self, database: Database) -> None:
        self._questions = CountQuestions(database)

    def variances(self, **question: Any) -> Variances:
        return ActivityEnvironment().run(self._questions.show_variances, ShowVariances(**question))

    def accuracy(self, **question: Any) -> Accuracies:
        return ActivityEnvironment().run(self._questions.show_accuracy, ShowAccuracy(**question))


@pytest.fixture
def asking(database: Database) -> Asking:
    """In the same role."""
    return Asking(database)


# What waits.


def test_what_is_beyond_tolerance_is_shown_with_its_numbers_until_it_is_settled(
    counting: CountCalls, asking: Asking, shop: Shop
) -> None:
    tea, mug, pot = shop.items(3, units=10)
    sku, warehouse = names(shop.engine, mug)
    number = counting.opened(tea, mug, pot)
    counting.record(number, pot, 9)
    assert asking.variances(warehouse=warehouse) == Variances(variances=[], more=False)
    counting.record(number, mug, 4, "ann", RootCause.THEFT, as_of=LATER)
    found = asking.variances(warehouse=warehouse)
    with shop.engine.connect() as connection:
        query = text("SELECT name FROM products WHERE product_id = :product_id")
        name = connection.execute(query, mug._asdict()).scalar_one()
    variance = Variance(
        count_number=number,
        **mug._asdict(),
        warehouse=warehouse,
        sku=sku,
        name=name,
        counted_by="ann",
        counted_at=LATER,
        counted_quantity=4,
        system_quantity=10,
        delta=-6,
        root_cause=RootCause.THEFT,
    )
    assert found == Variances(variances=[variance], more=False)
    # Once nothing is to be counted any more, it is in REVIEW as a whole, and this is all that is left of it.
    counting.record(number, tea, 10)
    assert asking.variances(warehouse=warehouse) == found
    counting.record(number, mug, 4, "bob")
    assert asking.variances(warehouse=warehouse).variances == []


@pytest.mark.parametrize("end", ["approval", "cancellation"])
def test_what_was_approved_or_given_up_waits_no_longer(
    counting: CountCalls, asking: Asking, shop: Shop, end: str
) -> None:
    item = shop.item(10)
    number = counting.opened(item)
    counting.record(number, item, 14)
    assert [each.delta for each in asking.variances(count_number=number).variances] == [4]
    ends: dict[str, Callable[[], object]] = {
        "approval": partial(counting.approve, number, item),
        "cancellation": partial(counting.cancel, number),
    }
    ends[end]()
    assert asking.variances(count_number=number).variances == []


def test_variances_are_of_one_warehouse_or_of_one_count_and_in_their_order(
    counting: CountCalls, asking: Asking, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = shop.items(3, units=10), shop.items(1, units=10)
    run = new_reference("v")
    for number, items in ((f"{run}-2", here), (f"{run}-1", here[::-1]), (f"{run}-3", there)):
        counting.open(number, items[0].warehouse_id, *(item.product_id for item in items))
        for item in items:
            counting.record(number, item, 4)
    warehouse = names(shop.engine, here[0])[1]
    by_sku = sorted(here, key=lambda item: names(shop.engine, item)[0])
    expected = [(f"{run}-{number}", item.product_id) for number in (1, 2) for item in by_sku]

    def seen(page: Variances) -> list[tuple[str, int]]:
        return [(each.count_number, each.product_id) for each in page.variances]

    assert seen(asking.variances(warehouse=warehouse)) == expected
    assert seen(asking.variances(warehouse=str(here[0].warehouse_id), count_number=f"{run}-2")) == expected[3:]
    assert seen(asking.variances(count_number=f"{run}-3")) == [(f"{run}-3", there[0].product_id)]
    assert seen(asking.variances(warehouse=warehouse, count_number=f"{run}-3")) == []
    assert seen(asking.variances(count_number=new_reference())) == []
    monkeypatch.setattr("activities.count_questions.VARIANCES_AT_ONCE", 4)
    first = asking.variances(warehouse=warehouse)
    assert (seen(first), first.more) == (expected[:4], True)
    last = first.variances[-1]
    rest = asking.variances(warehouse=warehouse, after=(last.count_number, last.sku))
    assert (seen(rest), rest.more) == (expected[4:], False)
    monkeypatch.setattr("activities.count_questions.VARIANCES_AT_ONCE", 6)
    assert not asking.variances(warehouse=warehouse).more
    # Without a name, it is everybody's: seven at least.
    assert asking.variances().more


# How right the books were.


def _classify(shop: Shop, **classes: list[ItemKey]) -> None:
    query = text("INSERT INTO item_classes VALUES (:warehouse_id, :product_id, :count_class, 0, now())")
    rows = [item._asdict() | {"count_class": name} for name, items in classes.items() for item in items]
    with shop.engine.begin() as connection:
        connection.execute(query, rows)


def _count(counting: CountCalls, item: ItemKey, *counted: int, at: datetime = NOON) -> None:
    """Somebody counts it, and if need be somebody else."""
    number = counting.opened(item, as_of=at)
    for by, units in zip(("ann", "bob"), counted, strict=False):
        counting.record(number, item, units, by, as_of=at)


def _row(shop: Shop, item: ItemKey, month: str, count_class: str, *numbers: int) -> Accuracy:
    """Counted and accurate lines; units counted, of the system, and off."""
    fields = ("counted", "accurate", "units_counted", "units_system", "units_off")
    return Accuracy(
        warehouse_id=item.warehouse_id,
        warehouse=names(shop.engine, item)[1],
        month=month,
        count_class=count_class,
        **dict(zip(fields, numbers, strict=True)),
    )


def test_a_line_was_accurate_if_its_first_count_was_within_tolerance(
    counting: CountCalls, asking: Asking, shop: Shop
) -> None:
    fast, also_fast, third, slow, unknown, doubted, left = shop.items(7, units=100)
    _classify(shop, A=[fast, also_fast, third], C=[slow])
    _count(counting, fast, 100)
    _count(counting, also_fast, 101)
    # Wrong at first, and the books were right: a count, too, has to be.
    _count(counting, third, 90, 100)
    _count(counting, slow, 50, 60)
    _count(counting, unknown, 99)
    approved = counting.opened(doubted)
    counting.record(approved, doubted, 110)
    counting.approve(approved, doubted)
    # What waits, or was given up, isn't known yet.
    counting.record(counting.opened(left), left, 3)
    given_up = counting.opened(left)
    counting.record(given_up, left, 3)
    counting.cancel(given_up)
    warehouse = names(shop.engine, fast)[1]
    assert asking.accuracy(warehouse=warehouse) == Accuracies(
        accuracies=[
            _row(shop, fast, "2026-06", "-", 2, 1, 209, 200, 11),
            _row(shop, fast, "2026-06", "A", 3, 2, 301, 300, 1),
            _row(shop, fast, "2026-06", "C", 1, 0, 60, 100, 40),
        ],
        more=False,
    )


@pytest.mark.parametrize(
    ("timezone", "moments"),
    [
        (EAST, ["2026-05-31T23:59", "2026-06-01T00:00", "2026-06-30T23:59"]),
        (WEST, ["2026-05-31T23:59", "2026-06-01T00:00", "2026-06-30T23:59"]),
        ("UTC", ["2026-05-31T23:59", "2026-06-01T00:00", "2026-06-30T23:59"]),
    ],
)
def test_a_month_and_a_day_are_the_warehouses_own(
    counting: CountCalls, asking: Asking, shop: Shop, timezone: str, moments: list[str]
) -> None:
    item = shop.item(10, warehouse=warehouse_in(shop, timezone))
    for moment in moments:
        _count(counting, item, 10, at=local(timezone, moment))
    may, june = (
        _row(shop, item, *row, 10 * row[2], 10 * row[2], 0) for row in (("2026-05", "-", 1, 1), ("2026-06", "-", 2, 2))
    )
    warehouse = names(shop.engine, item)[1]
    for since, shown in (
        (None, [may, june]),
        (date(2026, 5, 31), [may, june]),
        (date(2026, 6, 1), [june]),
        (date(2026, 7, 1), []),
    ):
        assert asking.accuracy(warehouse=warehouse, since=since).accuracies == shown


def test_accuracy_comes_page_by_page_in_the_order_of_warehouse_month_and_class(
    counting: CountCalls, asking: Asking, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two warehouses, two months, two classes, so far ahead that nobody else has counted then."""
    far = datetime(2190, 3, 1, 12, tzinfo=UTC)
    rows = []
    for item, other in (shop.items(2, units=10) for _ in range(2)):
        _classify(shop, B=[other])
        for at in (far, far.replace(month=4)):
            _count(counting, item, 10, at=at)
            _count(counting, other, 9 if at is far else 10, at=at)
        rows += [
            _row(shop, item, "2190-03", "-", 1, 1, 10, 10, 0),
            _row(shop, item, "2190-03", "B", 1, 1, 9, 10, 1),
            _row(shop, item, "2190-04", "-", 1, 1, 10, 10, 0),
            _row(shop, item, "2190-04", "B", 1, 1, 10, 9, 1),
        ]
    since = date(2190, 1, 1)
    rows.sort(key=lambda row: (row.warehouse, row.month, row.count_class))
    assert asking.accuracy(since=since) == Accuracies(accuracies=rows, more=False)
    for size in (3, 4, 8):
        monkeypatch.setattr("activities.count_questions.ACCURACIES_AT_ONCE", size)
        pages = [asking.accuracy(since=since)]
        while pages[-1].more:
            last = pages[-1].accuracies[-1]
            pages.append(asking.accuracy(since=since, after=(last.warehouse, last.month, last.count_class)))
        assert [page.accuracies for page in pages] == [rows[place : place + size] for place in range(0, 8, size)]


@pytest.mark.parametrize("question", ["variances", "accuracy"])
def test_a_warehouse_that_is_not_there_has_no_answer(asking: Asking, question: str) -> None:
    asked = partial(getattr(asking, question), warehouse=new_reference("nowhere"))
    assert refused(asked) == ("UnknownWarehouse", {"warehouse_ids": []})
