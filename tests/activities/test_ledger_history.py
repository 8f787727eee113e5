"""Why an item's stock changed, how it went, and all of it for a file."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from activities import ledger as questions
from database.sessions import Database
from stockkeeper.contracts.ledger import MOVEMENT_COLUMNS
from stockkeeper.domain.stock import ItemKey, MovementType
from tests.support.audit_tampering import tampering
from tests.support.folding import tell_again
from tests.support.past import Past, write
from tests.support.replenishment_rows import set_point
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import refused
from tests.support.steps.ledger import A_MICROSECOND, Asking, ledger_of, now, point, points
from tests.support.steps.reservation import Steps

LONG_AGO = datetime(2025, 6, 10, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def asking(database: Database) -> Asking:
    return Asking(database)


def moved(shop: Shop, *units: int) -> ItemKey:
    """An item that was adjusted by so many units, once an hour."""
    item = shop.item(0)
    hourly = [(LONG_AGO + number * HOUR, MovementType.ADJUSTMENT, each) for number, each in enumerate(units)]
    Past(shop).happened(item, *hourly)
    return item


@pytest.mark.parametrize(("size", "pages"), [(1, [1] * 5), (2, [2, 2, 1]), (4, [4, 1]), (5, [5]), (6, [5])])
def test_a_history_is_the_latest_first_page_by_page(
    asking: Asking, shop: Shop, monkeypatch: pytest.MonkeyPatch, size: int, pages: list[int]
) -> None:
    item = moved(shop, 9, -1, -2, 3, -4)
    monkeypatch.setattr(questions, "MOVEMENTS_AT_ONCE", size)
    found = asking.history(item)
    assert [len(page) for page in found] == pages
    assert [(movement.quantity, movement.balance_after) for page in found for movement in page] == [
        (-4, 5),
        (3, 9),
        (-2, 6),
        (-1, 8),
        (9, 9),
    ]


def test_a_history_goes_from_an_instant_until_just_before_another(
    asking: Asking, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = moved(shop, 1, 2, 3, 4)
    monkeypatch.setattr(questions, "MOVEMENTS_AT_ONCE", 1)
    first, third = LONG_AGO + HOUR, LONG_AGO + 3 * HOUR

    def units(since: datetime | None, until: datetime | None) -> list[int]:
        return [movement.quantity for page in asking.history(item, since, until) for movement in page]

    assert units(first, third) == [3, 2]
    assert units(first + A_MICROSECOND, third + A_MICROSECOND) == [4, 3]
    assert units(None, first) == [1]
    assert units(third, None) == [4]
    assert units(third, first) == []


def test_a_movement_says_who_why_and_by_which_run(
    asking: Asking, database: Database, shop: Shop, engine: Engine
) -> None:
    item, order = shop.item(10), new_reference()
    Steps(database).reserve(order, (item, 3))
    Steps(database).fulfill(order)
    [[sold, opening]] = asking.history(item)
    written = ledger_of(engine, item.warehouse_id)
    assert [opening.created_at, sold.created_at] == [each.at for each in written]
    assert opening.movement_id < sold.movement_id
    assert sold.model_dump(exclude={"movement_id", "created_at"}) == {
        "movement_type": "SALE",
        "quantity": -3,
        "balance_after": 7,
        "reference_id": order,
        "performed_by": "picker",
        "reason": f"fulfilled ORDER {order}",
        "workflow_id": f"reservation-{order}",
        "run_id": "run",
    }


def test_an_item_that_was_never_stocked_has_no_history(asking: Asking, shop: Shop) -> None:
    nowhere = ItemKey(shop.warehouse(), shop.product())
    assert asking.history(nowhere) == [[]]
    assert points(asking.course(nowhere, LONG_AGO, LONG_AGO + HOUR, 2), "on_hand") == [0, 0]
    assert refused(lambda: asking.history(ItemKey(nowhere.warehouse_id, 2**62)))[0] == "UnknownProduct"
    assert refused(lambda: asking.history(ItemKey(2**62, nowhere.product_id)))[0] == "UnknownWarehouse"


_PROMISED = text("""
    INSERT INTO reservations (warehouse_id, product_id, quantity, quantity_fulfilled, reference_type, reference_id,
        status, created_at, closed_at, closed_by, performed_by, operation_id, workflow_id, run_id)
    VALUES (:warehouse_id, :product_id, :quantity, :fulfilled, 'ORDER', 'test', :status, :since, :until, :closed_by,
        'test', 'test', 'test', 'test')
""")
_POINT_SINCE = text("INSERT INTO reorder_points VALUES (:warehouse_id, :product_id, :since, :point)")


def at(clock: str) -> datetime:
    """An instant of the story's day."""
    hours, _, minutes = clock.removeprefix("-").partition(":")
    after = int(hours) * HOUR + int(minutes) * MINUTE
    return LONG_AGO - after if clock.startswith("-") else LONG_AGO + after


MOVED = (
    ("-1:00", MovementType.ADJUSTMENT, 9),
    ("0:00", MovementType.PURCHASE, 1),
    ("1:00", MovementType.PURCHASE, 5),
    ("2:10", MovementType.SALE, -3),
    ("4:15", MovementType.SALE, -1),
    ("5:40", MovementType.TRANSFER_OUT, -11),
    ("5:50", MovementType.RETURN, 2),
    ("5:55", MovementType.TRANSFER_IN, 4),
    ("6:10", MovementType.SALE, -1),
    ("6:20", MovementType.ADJUSTMENT, -2),
    ("7:30", MovementType.ADJUSTMENT, 6),
    ("8:00", MovementType.PURCHASE, 1),
    ("8:30", MovementType.PURCHASE, 7),
)
# Units, how many of them have left, and from when until when they were promised.
PROMISED = (
    (1, 0, "CANCELLED", "-0:30", "3:00"),
    # In two parcels, with the second of which everything has left.
    (4, 4, "FULFILLED", "0:30", "4:15"),
    (6, 0, "CANCELLED", "2:20", "3:30"),
    (2, 0, "EXPIRED", "4:30", "5:00"),
    (11, 11, "FULFILLED", "5:35", "5:40"),
    # Some of it has left when the rest is given back.
    (5, 1, "CANCELLED", "6:05", "7:00"),
    (3, 0, "ACTIVE", "7:10", None),
    (2, 0, "ACTIVE", "8:01", None),
)
POINTS = (("-1:00", 3), ("2:00", 8), ("4:30", None), ("6:59", 2))


@pytest.fixture
def story(engine: Engine, shop: Shop) -> Iterator[tuple[Asking, ItemKey]]:
    """A day in the life of an item, which nobody remembers afterwards: there are no documents behind it."""
    item = shop.item(0)
    with tampering(engine) as tampered:
        with tampered.as_owner() as connection:
            write(connection, item, [(at(clock), why, units) for clock, why, units in MOVED])
            for units, fulfilled, status, since, until in PROMISED:
                values = {
                    "quantity": units,
                    "fulfilled": fulfilled,
                    "status": status,
                    "since": at(since),
                    "until": at(until) if until else None,
                    "closed_by": "test" if until else None,
                }
                connection.execute(_PROMISED, item._asdict() | values)
            for since, point_then in POINTS:
                connection.execute(_POINT_SINCE, item._asdict() | {"since": at(since), "point": point_then})
        yield Asking(tampered), item


def test_the_course_of_an_item(story: tuple[Asking, ItemKey]) -> None:
    """What happens at the full hour belongs to the step that ends then."""
    asking, item = story
    course = asking.course(item, at("0:00"), at("8:00"), 8)
    assert points(course, "at") == [at(f"{hour}:00") for hour in range(1, 9)]
    assert points(course, "on_hand") == [15, 15, 12, 12, 11, 6, 3, 10]
    assert points(course, "lowest") == [10, 15, 12, 12, 11, 0, 3, 3]
    assert points(course, "reserved") == [5, 5, 7, 1, 0, 0, 0, 3]
    assert points(course, "reorder_point") == [3, 8, 8, 8, None, None, 2, 2]
    assert points(course, "received") == [5, 0, 0, 0, 0, 6, 0, 1]
    assert points(course, "left") == [0, 0, 3, 0, 1, 11, 1, 0]


def test_the_course_of_an_item_in_one_step(story: tuple[Asking, ItemKey]) -> None:
    asking, item = story
    assert point(asking.course(item, at("0:00"), at("8:00"), 1)).model_dump() == {
        "at": at("8:00"),
        "on_hand": 10,
        "lowest": 0,
        "reserved": 3,
        "reorder_point": 2,
        "received": 12,
        "left": 16,
    }


def test_the_course_of_an_item_before_it_was_there(story: tuple[Asking, ItemKey]) -> None:
    asking, item = story
    assert point(asking.course(item, at("-3:00"), at("-2:00"), 1)).model_dump() == {
        "at": at("-2:00"),
        "on_hand": 0,
        "lowest": None,
        "reserved": 0,
        "reorder_point": None,
        "received": 0,
        "left": 0,
    }


def test_a_course_says_what_it_is_of(asking: Asking, shop: Shop, engine: Engine) -> None:
    item = shop.item(3)
    with engine.connect() as connection:
        query = text("""
            SELECT sku, products.name, warehouses.name FROM products, warehouses
            WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
        """)
        names = tuple(connection.execute(query, item._asdict()).one())
    course = asking.course(item, LONG_AGO, LONG_AGO + HOUR, 1)
    assert (course.sku, course.name, course.warehouse) == names


def test_the_course_of_today_has_what_has_really_happened(
    asking: Asking, database: Database, shop: Shop, engine: Engine
) -> None:
    """By the real activities, whose holds have the workflow's times and whose sales have the ledger's."""
    item, steps = shop.item(10), Steps(database)
    begun = ledger_of(engine, item.warehouse_id)[0].at
    shipped, given_up, kept = (new_reference() for _ in range(3))
    steps.reserve(shipped, (item, 4), as_of=now())
    steps.reserve(given_up, (item, 2), as_of=now())
    steps.fulfill(shipped, as_of=now())
    steps.cancel(given_up, as_of=now())
    steps.reserve(kept, (item, 3), as_of=now())
    course = point(asking.course(item, begun - MINUTE, now() + MINUTE, 1))
    assert (course.on_hand, course.lowest, course.reserved, course.received, course.left) == (6, 6, 3, 0, 4)


def test_what_a_reorder_point_was_is_kept_whoever_changes_it(asking: Asking, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    for units in (5, 5, 8, None):
        set_point(engine, item, units)
    with engine.connect() as connection:
        query = text("""
            SELECT since, reorder_point FROM reorder_points
            WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) ORDER BY since
        """)
        kept = connection.execute(query, item._asdict()).all()
    assert [row.reorder_point for row in kept] == [5, 8, None]
    begun = ledger_of(engine, item.warehouse_id)[0].at

    def known(until: datetime) -> int | None:
        return point(asking.course(item, begun, until, 1)).reorder_point

    assert [known(row.since) for row in kept] == [5, 8, None]
    assert [known(row.since - A_MICROSECOND) for row in kept] == [None, 5, 8]


@pytest.mark.parametrize("until", [LONG_AGO, LONG_AGO - HOUR])
def test_a_course_begins_before_it_ends(asking: Asking, shop: Shop, until: datetime) -> None:
    item = shop.item(3)
    assert refused(lambda: asking.course(item, LONG_AGO, until, 1)) == ("InvalidRequest", {})


_STORY = """
    INSERT INTO stock_movements (warehouse_id, product_id, movement_type, quantity, balance_after, reference_id,
        performed_by, reason, operation_id, workflow_id, run_id, created_at)
    VALUES (:warehouse_id, :product_id, 'ADJUSTMENT', 2, 5, :reference_id, 'Ann, "the" boss', :reason, 'o', 'w', 'r',
        '2025-06-10 01:00:00.000007+00')
"""


def test_a_file_has_every_column_of_every_movement(asking: Asking, shop: Shop, engine: Engine) -> None:
    item = moved(shop, 3)
    reason, reference = 'two were "found"; müde,\nand counted', "a,b"
    quoted = '"two were ""found""; müde,\nand counted"'
    with engine.begin() as connection:
        connection.execute(text(_STORY), item._asdict() | {"reference_id": reference, "reason": reason})
        on_hand = """
            UPDATE inventory_items SET quantity_on_hand = 5, last_moved_at = '2025-06-10 01:00:00.000007+00'
            WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
        """
        connection.execute(text(on_hand), item._asdict())
        tell_again(connection, item.warehouse_id)
        query = text("""
            SELECT movement_id, sku, warehouses.name, operation_id
            FROM stock_movements JOIN products USING (product_id) JOIN warehouses USING (warehouse_id)
            WHERE warehouse_id = :warehouse_id ORDER BY movement_id
        """)
        [first, second] = connection.execute(query, item._asdict()).all()
    page = asking.export(warehouse=item.warehouse_id)
    number, sku, warehouse, operation = first
    kind = f"{sku},{warehouse},ADJUSTMENT"
    assert page.rows == [
        f"{number},2025-06-10T00:00:00+00:00,{kind},3,3,the past,tests,long ago,{operation},test,test,",
        f'{second[0]},2025-06-10T01:00:00.000007+00:00,{kind},2,5,"a,b","Ann, ""the"" boss",{quoted},o,w,r,',
    ]
    [_, row] = csv.DictReader(page.rows, MOVEMENT_COLUMNS)
    assert (row["performed_by"], row["reason"], row["reference_id"]) == ('Ann, "the" boss', reason, reference)
    assert page.after_movement_id is None
    assert page.through_movement_id == page.expected >= second[0]


def units_of(*pages: Any) -> list[int]:
    """What the rows of these pages have moved, in order."""
    rows = csv.DictReader([row for page in pages for row in page.rows], MOVEMENT_COLUMNS)
    return [int(row["quantity"]) for row in rows]


@pytest.mark.parametrize(("size", "pages"), [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (4, [4, 1]), (5, [5]), (6, [5])])
def test_a_file_ends_where_it_ended_when_it_was_begun(
    asking: Asking, shop: Shop, monkeypatch: pytest.MonkeyPatch, size: int, pages: list[int]
) -> None:
    first, second = shop.items(2, units=10)
    here = first.warehouse_id
    shop.move(second, 1, 2)
    shop.move(first, 3)
    monkeypatch.setattr(questions, "MOVEMENTS_A_PAGE", size)
    page = asking.export(warehouse=here)
    shop.move(second, 4)
    rest = asking.rest_of_the_file(page, warehouse=here)
    assert units_of(page, *rest) == [10, 10, 1, 2, 3]
    assert {each.through_movement_id for each in rest} <= {page.through_movement_id}
    # An empty one may be the last: what was written elsewhere counts as looked at.
    assert [len(each.rows) for each in (page, *rest) if each.rows] == pages


def test_a_page_goes_through_so_much_of_the_ledger_and_no_further(
    asking: Asking, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few are asked for: a page may be short or empty, and another one follows it."""
    first, second = shop.items(2, units=10)
    asked: dict[str, Any] = {"warehouse": first.warehouse_id, "product": first.product_id}
    start = asking.export(**asked).through_movement_id
    numbers = []
    for item, units in ((first, 1), (second, 2), (second, 3), (second, 4), (second, 5), (first, 6), (second, 7)):
        shop.move(item, units)
        numbers.append(asking.export(**asked, after_movement_id=start).through_movement_id)
    assert numbers == list(range(start + 1, start + 8))
    monkeypatch.setattr(questions, "MOVEMENTS_LOOKED_AT", 2)

    def course(after: int, through: int) -> list[tuple[list[int], int | None]]:
        page = asking.export(**asked, after_movement_id=after, through_movement_id=through)
        pages = [page, *asking.rest_of_the_file(page, **asked)]
        return [(units_of(each), each.after_movement_id and each.after_movement_id - start) for each in pages]

    assert course(start, numbers[-1]) == [([1], 2), ([], 4), ([6], 6), ([], None)]
    assert course(start, numbers[3]) == [([1], 2), ([], None)]
    assert course(start + 4, numbers[5]) == [([6], None)]
    # A page that is full ends with its last line.
    monkeypatch.setattr(questions, "MOVEMENTS_A_PAGE", 1)
    assert course(start, numbers[1]) == [([1], 1), ([], None)]
    assert course(start + 5, numbers[5]) == [([6], None)]


def test_a_file_may_be_of_one_item_and_of_some_days(asking: Asking, shop: Shop) -> None:
    item = moved(shop, 1, 2, 3, 4)
    other = Past(shop).item(LONG_AGO, units=5, warehouse=item.warehouse_id)
    here = {"warehouse": item.warehouse_id}
    assert units_of(asking.export(**here)) == [1, 2, 3, 4, 5]
    assert units_of(asking.export(**here, product=other.product_id)) == [5]
    assert units_of(asking.export(**here, since=LONG_AGO + HOUR, until=LONG_AGO + 3 * HOUR)) == [2, 3]
    assert units_of(asking.export(product=item.product_id, until=LONG_AGO + HOUR)) == [1]
    assert refused(lambda: asking.export(product=2**62))[0] == "UnknownProduct"
