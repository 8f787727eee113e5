"""A count's steps on PostgreSQL: every command in every status, what each leaves behind, and repeats."""

from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.cycle_count import CountedLine, CountPolicy, StoredCount
from stockkeeper.domain.cycle_count import CountStatus, RootCause
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_is_stored
from tests.support.cycle_count import Line
from tests.support.cycle_count_rows import entries, last_count, movements, stored
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.cycle_count import CountCalls, count_stays, line_of, lines_of
from tests.support.steps.reservation import Steps

S = CountStatus
LATER = NOON + 5 * MINUTE


Command = Callable[[CountCalls, str, ItemKey], CountedLine | StoredCount]
COMMANDS: dict[str, Command] = {
    "right": lambda counting, number, item: counting.record(number, item, 9, "bob", as_of=LATER),
    "off": lambda counting, number, item: counting.record(number, item, 4, "bob", as_of=LATER),
    "approve_variance": lambda counting, number, item: counting.approve(number, item, as_of=LATER),
    "cancel": lambda counting, number, item: counting.cancel(number, as_of=LATER),
}
# What each command makes of a count of one product of which the books have ten: its line, and what is on hand then.
# Who is in REVIEW has been counted by ann, who found seven. What isn't here is refused.
AFTER: dict[CountStatus, dict[str, tuple[Line, int]]] = {
    S.COUNTING: {
        "right": (Line("POSTED", 9, "bob", "UNEXPLAINED", None, 10, -1), 9),
        "off": (Line("REVIEW", 4, "bob"), 10),
        "cancel": (Line("CANCELLED"), 10),
    },
    S.REVIEW: {
        "right": (Line("POSTED", 9, "bob", "UNEXPLAINED", None, 10, -1), 9),
        "off": (Line("POSTED", 4, "bob", "UNEXPLAINED", None, 10, -6), 4),
        "approve_variance": (Line("POSTED", 7, "ann", "DAMAGE", "cid", 10, -3), 7),
        "cancel": (Line("CANCELLED", 7, "ann"), 10),
    },
    S.POSTED: {},
    S.CANCELLED: {},
}


def _in(status: CountStatus, counting: CountCalls, shop: Shop) -> tuple[str, ItemKey]:
    """A count in this status, and its item."""
    item = shop.item(10)
    number = counting.opened(item)
    ways: dict[CountStatus, list[Callable[[], object]]] = {
        S.COUNTING: [],
        S.REVIEW: [partial(counting.record, number, item, 7)],
        S.POSTED: [partial(counting.record, number, item, 10)],
        S.CANCELLED: [partial(counting.cancel, number)],
    }
    for step in ways[status]:
        step()
    return number, item


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("status", AFTER)
def test_every_command_in_every_status(
    counting: CountCalls, shop: Shop, engine: Engine, status: CountStatus, command: str
) -> None:
    number, item = _in(status, counting, shop)
    if command in AFTER[status]:
        line, on_hand = AFTER[status][command]
        answer = COMMANDS[command](counting, number, item)
        told = line_of(answer.line) if isinstance(answer, CountedLine) else lines_of(answer)[0]
        # A count of one line is where its line is.
        assert (told, answer.status) == (line, line.status)
        assert (stored(engine, number).status, level(engine, item)) == (line.status, (on_hand, 0))
        return
    with count_stays(engine, number, item):
        asked = "record" if command in ("right", "off") else command
        assert refused(partial(COMMANDS[command], counting, number, item)) == (
            "InvalidState",
            {"status": status.value, "command": asked},
        )


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_on_a_count_that_was_never_opened(
    counting: CountCalls, shop: Shop, engine: Engine, command: str
) -> None:
    item = shop.item(10)
    with nothing_is_stored(engine):
        assert refused(partial(COMMANDS[command], counting, new_reference("cc"), item)) == ("InvalidRequest", {})


@pytest.mark.parametrize("command", ["right", "off", "approve_variance"])
def test_no_command_on_a_product_that_is_not_on_the_count(
    counting: CountCalls, shop: Shop, engine: Engine, command: str
) -> None:
    tea, mug = shop.items(2, units=10)
    number = counting.opened(tea)
    with count_stays(engine, number, tea, mug):
        call = partial(COMMANDS[command], counting, number, mug)
        assert refused(call) == ("InvalidRequest", {"product_id": mug.product_id})


# What is opened.


def test_a_count_is_kept_with_the_tolerance_and_the_classes_of_its_day(
    database: Database, shop: Shop, engine: Engine
) -> None:
    tea, mug, pot = shop.items(3, units=1_000)
    classify = text("INSERT INTO item_classes VALUES (:warehouse_id, :product_id, :count_class, 0, now())")
    with engine.begin() as connection:
        connection.execute(
            classify, [item._asdict() | {"count_class": name} for item, name in ((tea, "B"), (pot, "A"))]
        )
    counting = CountCalls(database, CountPolicy.model_validate({"tolerance_units": 3, "tolerance_percent": "0.5"}))
    number = new_reference("cc")
    opened = counting.open(number, tea.warehouse_id, pot.product_id, mug.product_id, tea.product_id)
    assert (opened.status, opened.count_number, opened.warehouse_id) == (S.COUNTING, number, tea.warehouse_id)
    assert (opened.requested_by, opened.requested_at, opened.closed_reason) == ("rita", NOON, None)
    assert [line.product_id for line in opened.lines] == [pot.product_id, mug.product_id, tea.product_id]
    assert lines_of(opened) == [Line()] * 3
    count = stored(engine, number)
    assert (count.tolerance_units, str(count.tolerance_percent)) == (3, "0.500")
    assert (count.operation_id, count.workflow_id, count.run_id) == (
        f"cycle-count-{number}/open",
        f"cycle-count-{number}",
        "run",
    )
    # Later settings and classes are none of its business.
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE item_classes SET count_class = 'C' WHERE product_id = :product_id"), tea._asdict()
        )
    stricter = CountCalls(database, CountPolicy(tolerance_units=0))
    assert stricter.record(number, tea, 995).line.status is S.POSTED
    assert stricter.record(number, mug, 994).line.status is S.REVIEW
    classes = (
        "SELECT count_class FROM cycle_count_lines JOIN cycle_counts USING (count_id) WHERE count_number = :number"
    )
    with engine.connect() as connection:
        kept = connection.execute(text(f"{classes} ORDER BY line_number"), {"number": number}).scalars().all()
    assert kept == ["A", None, "B"]


@pytest.mark.parametrize("what", ["warehouse", "product"])
def test_a_count_of_what_is_not_there_is_not_stored(
    counting: CountCalls, shop: Shop, engine: Engine, what: str
) -> None:
    item, nowhere = shop.item(10), 2**62
    warehouse_id, product_id = (nowhere, item.product_id) if what == "warehouse" else (item.warehouse_id, nowhere)
    with nothing_is_stored(engine):
        call = partial(counting.open, new_reference("cc"), warehouse_id, item.product_id, product_id)
        assert refused(call) == (f"Unknown{what.capitalize()}", {f"{what}_ids": [nowhere]})


def test_what_is_not_sold_any_more_and_what_was_never_stocked_can_be_counted(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    warehouse_id = shop.warehouse()
    old, never, found = (ItemKey(warehouse_id, shop.product(is_active=active)) for active in (False, True, True))
    number = counting.opened(old, never, found)
    stocked = text("SELECT count(*) FROM inventory_items WHERE warehouse_id = :warehouse_id")
    with engine.connect() as connection:
        assert connection.execute(stocked, {"warehouse_id": warehouse_id}).scalar_one() == 0
    assert line_of(counting.record(number, old, 1).line) == Line("POSTED", 1, "ann", "UNEXPLAINED", None, 0, 1)
    assert line_of(counting.record(number, never, 0).line) == Line("POSTED", 0, "ann", None, None, 0, 0)
    assert line_of(counting.record(number, found, 7).line) == Line("REVIEW", 7, "ann")
    assert counting.record(number, found, 7, "bob").status is S.POSTED
    assert [level(engine, item) for item in (old, never, found)] == [(1, 0), (0, 0), (7, 0)]


# What is recorded.


def test_a_count_within_tolerance_brings_the_books_to_what_is_there(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=1_000)
    number = counting.opened(tea, mug)
    answer = counting.record(number, mug, 990, "ann", RootCause.THEFT, as_of=LATER, operation="1")
    assert (answer.status, answer.fell_below, answer.gave_way) == (S.COUNTING, False, [])
    assert answer.line.product_id == mug.product_id
    assert line_of(answer.line) == Line("POSTED", 990, "ann", "THEFT", None, 1_000, -10)
    assert [level(engine, item) for item in (tea, mug)] == [(1_000, 0), (990, 0)]
    reason = f"THEFT: count {number}: counted 990 by ann; system 1000"
    assert movements(engine, number) == [(*mug, "ADJUSTMENT", -10, 990, "ann", reason)]
    assert entries(engine, number) == [(mug.product_id, "ann", 990, 1_000)]
    assert [last_count(engine, item) for item in (tea, mug)] == [(None, False), (LATER, False)]
    query = text("""
        SELECT posted_at, posted_by, entry.counted_at, entry.operation_id, moved.operation_id, moved.workflow_id, run_id
        FROM cycle_count_lines AS line JOIN cycle_count_entries AS entry USING (count_id, product_id)
        JOIN stock_movements AS moved ON moved.operation_id = posted_by
        WHERE posted_by = :operation_id
    """)
    operation = f"cycle-count-{number}/record/1"
    with engine.connect() as connection:
        row = connection.execute(query, {"operation_id": operation}).one()
    assert tuple(row) == (LATER, operation, LATER, operation, operation, f"cycle-count-{number}", "run")


def test_where_the_books_are_right_nothing_moves(counting: CountCalls, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    number = counting.opened(item)
    answer = counting.record(number, item, 10, "ann", RootCause.DAMAGE, as_of=LATER)
    # Nothing was wrong, and so there is no cause for it.
    assert line_of(answer.line) == Line("POSTED", 10, "ann", None, None, 10, 0)
    assert (level(engine, item), movements(engine, number)) == ((10, 0), [])
    assert last_count(engine, item) == (LATER, False)


def test_more_than_the_books_have_is_put_into_them(counting: CountCalls, shop: Shop, engine: Engine) -> None:
    item = shop.item(100)
    number = counting.opened(item)
    answer = counting.record(number, item, 101)
    assert line_of(answer.line) == Line("POSTED", 101, "ann", "UNEXPLAINED", None, 100, 1)
    reason = f"UNEXPLAINED: count {number}: counted 101 by ann; system 100"
    assert movements(engine, number) == [(*item, "ADJUSTMENT", 1, 101, "ann", reason)]


def test_what_moves_while_people_count_is_no_variance(
    counting: CountCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    item, buying, order = shop.item(100), Steps(database), new_reference()
    number = counting.opened(item)
    buying.reserve(order, (item, 30))
    buying.fulfill(order)
    shop.move(item, 50)
    answer = counting.record(number, item, 120)
    assert line_of(answer.line) == Line("POSTED", 120, "ann", None, None, 120, 0)
    assert level(engine, item) == (120, 0)


def test_a_count_ends_when_and_by_what_its_last_line_does(counting: CountCalls, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=10)
    number = counting.opened(tea, mug)
    assert counting.record(number, tea, 10).status is S.COUNTING
    count = stored(engine, number)
    assert (count.status, count.closed_at, count.closed_by, count.closed_reason) == ("COUNTING", None, None, None)
    assert counting.record(number, mug, 10, as_of=LATER, operation="last").status is S.POSTED
    count = stored(engine, number)
    ended = ("POSTED", LATER, f"cycle-count-{number}/record/last", None)
    assert (count.status, count.closed_at, count.closed_by, count.closed_reason) == ended


def test_what_is_not_in_the_books_is_given_up_and_what_is_stays(
    counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    tea, mug, pot = shop.items(3, units=10)
    number = counting.opened(tea, mug, pot)
    counting.record(number, tea, 9)
    counting.record(number, mug, 5)
    cancelled = counting.cancel(number, "the roof leaks", as_of=LATER, operation="1")
    assert (cancelled.status, cancelled.closed_reason) == (S.CANCELLED, "the roof leaks")
    assert lines_of(cancelled) == [
        Line("POSTED", 9, "ann", "UNEXPLAINED", None, 10, -1),
        Line("CANCELLED", 5, "ann"),
        Line("CANCELLED"),
    ]
    count = stored(engine, number)
    assert (count.closed_at, count.closed_by) == (LATER, f"cycle-count-{number}/cancel/1")
    assert [level(engine, item) for item in (tea, mug, pot)] == [(9, 0), (10, 0), (10, 0)]
    assert [last_count(engine, item)[0] for item in (tea, mug, pot)] == [NOON, None, None]
