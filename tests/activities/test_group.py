"""Steps that share a transaction: each has its own answer, and none is hurt by another one."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from psycopg.errors import CheckViolation
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from temporalio.exceptions import ApplicationError

from activities import stock_steps
from database import pipeline
from database.pipeline import Statement
from database.sessions import Database
from stockkeeper.contracts.reservation import FulfillLine, Holding
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import ItemBooks, books, level
from tests.support.meetings import WAIT_SECONDS, held_rows, until_waiting
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON
from tests.support.steps.adjustment import AdjustmentCalls
from tests.support.steps.reservation import Steps
from tests.support.steps.together import Call, outcome, persistently, together, transactions
from tests.support.steps.transfer import TransferCalls
from worker import Settings, build_database

ACTIVE, FULFILLED, CANCELLED, EXPIRED = (
    ReservationStatus.ACTIVE,
    ReservationStatus.FULFILLED,
    ReservationStatus.CANCELLED,
    ReservationStatus.EXPIRED,
)
_ITEM = "inventory_items WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"


def _reserve(reference: str) -> str:
    return f"reservation-{reference}/reserve"


def _statuses(outcomes: list[Any]) -> list[Any]:
    return [each.status if isinstance(each, Holding) else each for each in outcomes]


def _refusal(error: Any) -> tuple[str | None, Any]:
    assert isinstance(error, ApplicationError), repr(error)
    return error.type, error.details[0] if error.details else None


def _reserving(steps: Steps, *wanted: tuple[str, ItemKey, int]) -> list[Call]:
    calls = [partial(steps.reserve, reference, (item, units)) for reference, item, units in wanted]
    return [partial(persistently, call) for call in calls]


@pytest.fixture
def another(settings: Settings) -> Iterator[Database]:
    """The database as another worker sees it."""
    database = build_database(settings)
    yield database
    database.engine.dispose()


def test_all_share_one_transaction_and_each_decides_on_what_the_one_before_has_left(
    database: Database, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    references = [new_reference() for _ in range(6)]
    wanted = zip(references, (4, 7, 5, 2, 1, 1), strict=True)
    outcomes = together(database, *_reserving(steps, *((reference, item, units) for reference, units in wanted)))
    assert [_statuses(outcomes)[each] for each in (0, 2, 4)] == [ACTIVE, ACTIVE, ACTIVE]
    assert [_refusal(outcomes[each]) for each in (1, 3, 5)] == [
        ("InsufficientStock", [shortage(item, 7, 6)]),
        ("InsufficientStock", [shortage(item, 2, 1)]),
        ("InsufficientStock", [shortage(item, 1, 0)]),
    ]
    assert transactions(engine, *map(_reserve, references)) == (3, 1)
    assert books(engine, item).items == (ItemBooks(10, 10, 10, 3, 1, 10),)


def test_steps_of_each_kind_share_one_transaction(database: Database, steps: Steps, shop: Shop, engine: Engine) -> None:
    item, other = shop.items(2, units=20)
    new, shipped, cancelled, lowered, extended, overdue = (new_reference() for _ in range(6))
    for reference in (shipped, cancelled, lowered, extended):
        steps.reserve(reference, (item, 3), (other, 1))
    steps.reserve(overdue, (item, 2), ttl=MINUTE)
    later = NOON + 2 * MINUTE
    part = FulfillLine(quantity=2, product_id=item.product_id)
    outcomes = together(
        database,
        lambda: steps.fulfill(shipped, [part], as_of=later),
        lambda: steps.fulfill(shipped, as_of=later, operation="2"),
        lambda: steps.cancel(cancelled, as_of=later),
        lambda: steps.lower(lowered, part, as_of=later),
        lambda: steps.extend(extended, 60 * MINUTE, as_of=later),
        lambda: steps.fulfill(overdue, as_of=later),
        # What is free by now, and what the overdue hold still has.
        lambda: steps.reserve(new, (item, 13), as_of=later),
        lambda: steps.expire(overdue, as_of=later),
    )
    kinds = [_statuses(outcomes)[each] for each in (0, 1, 2, 3, 4, 6, 7)]
    assert kinds == [ACTIVE, FULFILLED, CANCELLED, ACTIVE, ACTIVE, ACTIVE, EXPIRED]
    assert _refusal(outcomes[5])[0] == "InvalidState"
    assert [outcomes[4].expires_at, outcomes[6].expires_at] == [later + 60 * MINUTE, later + 30 * MINUTE]
    operations = [f"reservation-{shipped}/fulfill/1", f"reservation-{shipped}/fulfill/2"]
    operations += [f"reservation-{cancelled}/cancel/1", f"reservation-{lowered}/release/1"]
    operations += [f"reservation-{extended}/extend/1", _reserve(new), f"reservation-{overdue}/expire"]
    assert transactions(engine, *operations) == (7, 1)
    # 20 less the 3 shipped; held by the lowered, the extended and the new one.
    assert books(engine, item, other).items == (
        ItemBooks(on_hand=17, reserved=17, held=17, open_lines=3, movements=3, moved=17),
        ItemBooks(on_hand=19, reserved=2, held=2, open_lines=2, movements=2, moved=19),
    )


def test_the_same_operation_twice_in_a_group_happens_once(
    database: Database, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, reference, other = shop.item(10), new_reference(), new_reference()
    first, again, otherwise, neighbour = together(
        database, *_reserving(steps, (reference, item, 3), (reference, item, 3), (reference, item, 4), (other, item, 1))
    )
    assert first == again
    assert (first.status, neighbour.status) == (ACTIVE, ACTIVE)
    assert _refusal(otherwise)[0] == "OperationConflict"
    assert level(engine, item) == (10, 4)
    # Shipped under one name by two at once, and then by two workers at once.
    shipments: list[Call] = [
        lambda: steps.fulfill(reference, [FulfillLine(product_id=item.product_id, quantity=1)])
    ] * 2
    assert [each.lines[0].quantity_fulfilled for each in together(database, *shipments)] == [1, 1]
    assert level(engine, item) == (9, 3)


def test_the_same_operation_in_two_workers_at_once_happens_once(
    database: Database, another: Database, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, theirs = shop.item(100), Steps(another)
    references = [new_reference() for _ in range(8)]
    with ThreadPoolExecutor(2) as workers:
        for units in (1, 2):
            # In the other worker in the other order.
            here = [(reference, item, units) for reference in references]
            begun = [
                workers.submit(together, database, *_reserving(steps, *here)),
                workers.submit(together, another, *_reserving(theirs, *reversed(here))),
            ]
            ours, others = begun[0].result(WAIT_SECONDS), begun[1].result(WAIT_SECONDS)[::-1]
            if units == 1:
                assert ours == others
                assert {each.status for each in ours} == {ACTIVE}
            else:
                assert {_refusal(each)[0] for each in (*ours, *others)} == {"OperationConflict"}
    assert books(engine, item).items == (ItemBooks(100, 8, 8, 8, 1, 100),)


@contextmanager
def _refused_by_the_database(engine: Engine, reference: str, *, at_commit: bool) -> Iterator[None]:
    """The database refuses a line of this order, when it is written or at the commit."""
    with engine.begin() as connection:
        connection.execute(
            text("""
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    RAISE EXCEPTION 'not this one' USING ERRCODE = 'check_violation';
                END $$
            """)
        )
        connection.execute(
            text(f"""
                CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON reservations
                DEFERRABLE INITIALLY {"DEFERRED" if at_commit else "IMMEDIATE"}
                FOR EACH ROW WHEN (NEW.reference_id = '{reference}') EXECUTE FUNCTION refuse()
            """)
        )
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP FUNCTION refuse CASCADE"))


@pytest.mark.parametrize("at_commit", [False, True], ids=["when it is written", "at the commit"])
@pytest.mark.parametrize("place", [0, 1, 3], ids=["the first", "one in between", "the last"])
def test_one_that_the_database_refuses_hurts_no_other_one(
    database: Database, steps: Steps, shop: Shop, engine: Engine, place: int, *, at_commit: bool
) -> None:
    item = shop.item(10)
    references = [new_reference() for _ in range(4)]
    with _refused_by_the_database(engine, references[place], at_commit=at_commit):
        outcomes = together(database, *_reserving(steps, *((reference, item, 2) for reference in references)))
    refused = outcomes.pop(place)
    assert _statuses(outcomes) == [ACTIVE] * 3
    assert isinstance(refused, IntegrityError)
    assert isinstance(refused.orig, CheckViolation)
    assert transactions(engine, *map(_reserve, references)) == (3, 3)
    assert books(engine, item).items == (ItemBooks(10, 6, 6, 3, 1, 10),)
    assert steps.reserve(references[place], (item, 2)).status == ACTIVE


@pytest.mark.parametrize("place", [0, 1, 3], ids=["the first", "one in between", "the last"])
def test_one_whose_step_breaks_hurts_no_other_one(
    database: Database, steps: Steps, shop: Shop, engine: Engine, place: int
) -> None:
    """Its stored answer can't be read, so that it ends with an error that nobody has thought of."""
    item = shop.item(10)
    references = [new_reference() for _ in range(4)]
    broken = references[place]
    steps.reserve(broken, (item, 2))
    with engine.begin() as connection:
        connection.execute(
            text('UPDATE operations SET result = \'{"status": "ODD"}\' WHERE operation_id = :id'),
            {"id": _reserve(broken)},
        )
    outcomes = together(database, *_reserving(steps, *((reference, item, 2) for reference in references)))
    assert "ODD" in str(outcomes.pop(place))
    assert _statuses(outcomes) == [ACTIVE] * 3
    assert books(engine, item).items == (ItemBooks(10, 8, 8, 4, 1, 10),)


def test_an_item_that_stays_locked_holds_up_only_the_step_that_needs_it(
    database: Database, steps: Steps, shop: Shop, engine: Engine
) -> None:
    free, busy = shop.items(2, units=10)
    references = [new_reference() for _ in range(4)]
    items = (free, busy, free, free)
    answered = {reference: threading.Event() for reference in references}

    def reserving(reference: str, item: ItemKey) -> Call:
        def call() -> Any:
            try:
                return persistently(partial(steps.reserve, reference, (item, 2)))
            finally:
                answered[reference].set()

        return call

    with ThreadPoolExecutor(1) as threads:
        with held_rows(engine, _ITEM, **busy._asdict()):
            calls = map(reserving, references, items)
            begun = threads.submit(together, database, *calls)
            for reference, item in zip(references, items, strict=True):
                assert item == busy or answered[reference].wait(WAIT_SECONDS)
            until_waiting(engine, 1)
            assert not answered[references[1]].is_set()
            assert level(engine, free) == (10, 6)
        assert _statuses(begun.result(WAIT_SECONDS)) == [ACTIVE] * 4
    assert [level(engine, each) for each in (free, busy)] == [(10, 6), (10, 2)]


def test_steps_that_come_while_one_waits_for_a_lock_go_on_without_it(steps: Steps, shop: Shop, engine: Engine) -> None:
    free, busy = shop.items(2, units=100)
    with ThreadPoolExecutor(9) as threads:
        with held_rows(engine, _ITEM, **busy._asdict()):
            held_up = threads.submit(persistently, partial(steps.reserve, new_reference(), (busy, 1)))
            until_waiting(engine, 1)
            others = [threads.submit(steps.reserve, new_reference(), (free, 1)) for _ in range(8)]
            assert {each.result(WAIT_SECONDS).status for each in others} == {ACTIVE}
            assert not held_up.done()
        assert held_up.result(WAIT_SECONDS).status == ACTIVE
    assert [level(engine, each) for each in (free, busy)] == [(100, 8), (100, 1)]


def test_an_operation_that_another_worker_is_carrying_out_holds_up_only_itself(
    database: Database, another: Database, steps: Steps, shop: Shop, engine: Engine
) -> None:
    """The other worker has it locked, and is held up itself."""
    free, busy = shop.items(2, units=10)
    reference, others = new_reference(), [new_reference() for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        with held_rows(engine, _ITEM, **busy._asdict()):
            theirs = threads.submit(persistently, partial(Steps(another).reserve, reference, (busy, 2)))
            until_waiting(engine, 1)
            wanted = [(others[0], free, 1), (reference, busy, 2), (others[1], free, 1)]
            ours = threads.submit(together, database, *_reserving(steps, *wanted))
            # The item has the other one waiting, and that one has ours.
            until_waiting(engine, 2)
            while transactions(engine, *map(_reserve, others)) != (2, 2):
                assert not ours.done()
        assert _statuses(ours.result(WAIT_SECONDS)) == [ACTIVE] * 3
        assert theirs.result(WAIT_SECONDS) == ours.result(WAIT_SECONDS)[1]
    assert [level(engine, each) for each in (free, busy)] == [(10, 2), (10, 2)]


Send = Callable[..., list[list[Any]]]


@pytest.fixture
def cut(engine: Engine) -> Callable[[Any], None]:
    """Cuts a connection to the database."""

    def terminate(connection: Any) -> None:
        pid = connection.connection.driver_connection.info.backend_pid
        with engine.connect() as owner:
            assert owner.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}).scalar_one()

    return terminate


@pytest.mark.parametrize("moment", ["before it writes", "after the commit"])
def test_a_connection_that_is_cut_loses_nothing_and_doubles_nothing(
    database: Database,
    steps: Steps,
    shop: Shop,
    engine: Engine,
    cut: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    item = shop.item(20)
    references = [new_reference() for _ in range(4)]
    held = new_reference()
    steps.reserve(held, (item, 5))
    send: Send = pipeline.send
    cuts: list[str] = []

    def send_and_lose(connection: Any, statements: list[Statement], *, commit: bool = False) -> list[list[Any]]:
        is_first = not cuts
        cuts.append(moment)
        if is_first and moment == "before it writes":
            cut(connection)
        rows = send(connection, statements, commit=commit)
        if is_first and moment == "after the commit":
            cut(connection)
            connection.exec_driver_sql("SELECT 1")
        return rows

    monkeypatch.setattr("database.locked_stock.send", send_and_lose)
    outcomes = together(
        database,
        *_reserving(steps, *((reference, item, 2) for reference in references)),
        lambda: steps.fulfill(held, [FulfillLine(product_id=item.product_id, quantity=3)]),
    )
    assert _statuses(outcomes) == [ACTIVE] * 5
    assert outcomes[-1].lines[0].quantity_fulfilled == 3
    operations = [*map(_reserve, references), f"reservation-{held}/fulfill/1"]
    assert transactions(engine, *operations) == (5, 1 if moment == "after the commit" else 5)
    assert books(engine, item).items == (ItemBooks(17, 10, 10, 5, 2, 17),)


def test_a_connection_that_is_cut_at_its_commit_is_found_out_about(
    database: Database, steps: Steps, shop: Shop, engine: Engine
) -> None:
    """The commit waits, in a deferred trigger, until the connection is cut."""
    item = shop.item(20)
    references = [new_reference() for _ in range(3)]
    with engine.begin() as connection:
        connection.execute(
            text("""
                CREATE FUNCTION wait_for_it() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    PERFORM pg_advisory_xact_lock(77);
                    RETURN NULL;
                END $$
            """)
        )
        connection.execute(
            text(f"""
                CREATE CONSTRAINT TRIGGER wait_for_it AFTER INSERT ON reservations DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW WHEN (NEW.reference_id = '{references[1]}') EXECUTE FUNCTION wait_for_it()
            """)
        )
    try:
        with ThreadPoolExecutor(1) as threads:
            with engine.connect() as holder:
                holder.execute(text("SELECT pg_advisory_lock(77)"))
                wanted = [(reference, item, 2) for reference in references]
                begun = threads.submit(together, database, *_reserving(steps, *wanted))
                until_waiting(engine, 1)
                ended = holder.execute(
                    text("""
                        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                        WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)) AND query = 'COMMIT'
                    """)
                ).scalar_one()
                holder.execute(text("SELECT pg_advisory_unlock(77)"))
            assert ended == 1
            assert _statuses(begun.result(WAIT_SECONDS)) == [ACTIVE] * 3
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP FUNCTION wait_for_it CASCADE"))
    assert transactions(engine, *map(_reserve, references)) == (3, 3)
    assert books(engine, item).items == (ItemBooks(20, 6, 6, 3, 1, 20),)


def test_two_workers_sell_one_hot_item_to_its_last_unit_and_no_further(
    database: Database, another: Database, shop: Shop, engine: Engine
) -> None:
    item = shop.item(50)

    def sell(steps: Steps, customer: int) -> Any:
        reference = f"hot-{item.product_id}-{customer}"
        held = outcome(lambda: steps.reserve(reference, (item, 1 + customer % 3)))
        if isinstance(held, Holding) and customer // 2 % 2:  # Of each worker some, whichever is faster.
            return steps.fulfill(reference).status
        return held.status if isinstance(held, Holding) else _refusal(held)[0]

    workers = [Steps(database), Steps(another)]
    with ThreadPoolExecutor(32) as threads:
        outcomes = list(threads.map(lambda customer: sell(workers[customer % 2], customer), range(96)))
    assert set(outcomes) == {ACTIVE, FULFILLED, "InsufficientStock"}
    on_hand, reserved = level(engine, item)
    # A smaller order may still have fitted in when the last large one was refused, but none that came after it.
    assert on_hand == reserved
    sold = sum(1 + customer % 3 for customer, each in enumerate(outcomes) if each == FULFILLED)
    held = sum(1 + customer % 3 for customer, each in enumerate(outcomes) if each == ACTIVE)
    assert (50 - on_hand, reserved, sold + held) == (sold, held, 50)


def test_an_order_that_is_placed_while_its_step_waits_is_never_seen_in_part(
    database: Database, another: Database, steps: Steps, shop: Shop, engine: Engine
) -> None:
    """It has two lines; the item of only one of them is locked, by a neighbour of the step."""
    first, second, reference = *shop.items(2, units=10), new_reference()
    with ThreadPoolExecutor(2) as threads:
        with held_rows(engine, _ITEM, **second._asdict()):
            # The other worker has locked the first item, and waits for the second.
            theirs = threads.submit(persistently, partial(Steps(another).reserve, reference, (first, 2), (second, 2)))
            until_waiting(engine, 1)
            ours = threads.submit(
                together,
                database,
                partial(steps.fulfill, reference),
                partial(steps.reserve, new_reference(), (first, 1)),
            )
            until_waiting(engine, 2)
        assert theirs.result(WAIT_SECONDS).status == ACTIVE
        shipped, neighbour = ours.result(WAIT_SECONDS)
    assert neighbour.status == ACTIVE
    # The one alone saw all of it, or nothing yet.
    if isinstance(shipped, Holding):
        assert (shipped.status, [line.quantity_fulfilled for line in shipped.lines]) == (FULFILLED, [2, 2])
        assert [level(engine, each) for each in (first, second)] == [(8, 1), (8, 0)]
    else:
        assert _refusal(shipped)[0] in ("InvalidState", "DatabaseBusy")
        assert [level(engine, each) for each in (first, second)] == [(10, 3), (10, 2)]


def test_the_error_of_a_lone_step_is_its_own(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, reference = shop.item(10), new_reference()
    with _refused_by_the_database(engine, reference, at_commit=True):
        assert isinstance(outcome(lambda: steps.reserve(reference, (item, 1))), DBAPIError)
    assert books(engine, item).items == (ItemBooks(10, 0, 0, 0, 1, 10),)


def test_groups_of_two_workers_and_documents_never_wait_in_a_circle(
    settings: Settings, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same items in any order, on both sides of transfers. A group that waits in a circle is tried again unseen."""
    here = shop.items(4, units=200)
    there = [shop.item(200, product=item.product_id, warehouse=place) for place in [shop.warehouse()] for item in here]
    seen: list[str | None] = []
    original = stock_steps._in_one_transaction

    def watched(*arguments: Any) -> Any:
        try:
            return original(*arguments)
        except DBAPIError as error:
            seen.append(getattr(error.orig, "sqlstate", None))
            raise

    monkeypatch.setattr(stock_steps, "_in_one_transaction", watched)
    workers = [build_database(settings) for _ in range(2)]

    def one(number: int) -> list[Any]:
        chance, database = random.Random(number), workers[number % 2]
        steps, moving, putting_right = Steps(database), TransferCalls(database), AdjustmentCalls(database)
        source, destination = chance.sample([here, there], 2)
        items = chance.sample([*here, *there], 4)
        wanted = [(item, 1) for item in chance.sample(source, 3)]
        if number % 4 == 3:
            return [
                outcome(lambda: moving.dispatch(moving.held(destination[0].warehouse_id, *wanted))),
                outcome(lambda: putting_right.submitted(*((item, 1) for item in reversed(source)))),
            ]
        reference = new_reference()
        return [
            outcome(lambda: steps.reserve(reference, *((item, 1) for item in items))),
            outcome(lambda: steps.fulfill(reference, [FulfillLine(quantity=1, product_id=items[0].product_id)])),
            outcome(lambda: steps.cancel(reference)),
        ]

    try:
        with ThreadPoolExecutor(16) as threads:
            answers = [each for part in threads.map(one, range(64)) for each in part]
    finally:
        for each in workers:
            each.engine.dispose()
    # What a shipment takes of a product is refused where two warehouses hold it; nothing else is.
    errors = [each for each in answers if isinstance(each, Exception)]
    assert {_refusal(each)[0] for each in errors} <= {"InvalidRequest"}
    assert [code for code in seen if code == "40P01"] == []
