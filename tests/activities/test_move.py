"""A warehouse's rows go to another database, once and whole, whatever is killed, and its runs' steps follow it."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, insert, select, text
from temporalio.exceptions import ApplicationError

from activities import following
from activities.following import Elsewhere, Following
from activities.move import MoveSteps
from activities.reservation import ReservationSteps
from activities.transfer import TransferSteps
from activities.writes import database_errors
from database.columns import METADATA
from database.homes import this_database
from database.imported_files import Earlier, keep_import, read_earlier, stated_quantities
from database.moving import copying, steps
from database.moving.copying import Session, session
from database.moving.parts import PARTS, STAY
from database.operations import Operation, insert_operations
from database.pipeline import send
from database.sessions import Database
from database.supplier_performance import supplier_lead_times
from database.tables import product_suppliers, products, suppliers, warehouses
from devstack.databases import count_apart
from stockkeeper.contracts.move import MoveStep
from stockkeeper.domain.errors import InvalidRequest, InvalidState
from stockkeeper.domain.import_file import ImportKind
from stockkeeper.domain.stock import ItemKey
from tests.support.auditor import findings
from tests.support.database_apart import database_apart
from tests.support.folding import Fold, differences, fold_all, read_outbox
from tests.support.lots import TODAY, bring_lots, lot_books, lots_of, of_lots, set_status, track
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON, refused
from tests.support.steps.purchase_order import Buying, came
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived
from worker import Settings, build_database


class End(NamedTuple):
    """One of the databases."""

    queue: str
    engine: Engine
    database: Database
    shop: Shop

    @property
    def url(self) -> str:
        return self.engine.url.render_as_string(hide_password=False)

    def level(self, item: ItemKey) -> tuple[int, int] | None:
        """On hand and reserved; None: there is no such item."""
        statement = text("""
            SELECT quantity_on_hand, quantity_reserved FROM inventory_items
            WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
        """)
        with self.engine.connect() as connection:
            found = connection.execute(statement, item._asdict()).one_or_none()
        return None if found is None else (found[0], found[1])

    def count(self, statement: str, **of: object) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(text(statement), of).scalar_one())


class Followed:
    """Activities as the workers of a database carry them out, which know the other database."""

    def __init__(self, here: End, there: End, kind: Callable[[Database], object]) -> None:
        self._steps = kind(here.database)

        def elsewhere() -> Elsewhere:
            return Elsewhere(there.database, Following(there.database, {}), [kind(there.database)])

        self._following = Following(here.database, {there.queue: elsewhere})

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        implementation = getattr(self._steps, name)

        def carry_out(step: Any) -> Any:
            with database_errors():
                return self._following.carry_out(implementation, step)

        carry_out.__name__ = name
        return carry_out


class Ends(NamedTuple):
    """Two databases; the northern one keeps the catalogue."""

    north: End
    south: End

    def item(self, units: int, *, product: int | None = None) -> ItemKey:
        """An item in a new northern warehouse, of which both know."""
        product, warehouse = product or self.north.shop.product(), self.north.shop.warehouse()
        with self.north.engine.connect() as connection:
            known = {table: connection.execute(select(table)).mappings().all() for table in (warehouses, products)}
        with self.south.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            for table, rows in known.items():
                key = table.primary_key.columns[0]
                there = set(connection.execute(select(key)).scalars())
                if new := [dict(row) for row in rows if row[key.name] not in there]:
                    connection.execute(insert(table), new)
        return self.north.shop.item(units, product=product, warehouse=warehouse)

    def selling(self, here: End) -> Steps:
        """A reservation's steps, as the workers of a database carry them out."""
        there = self.south if here is self.north else self.north
        calls = Steps(here.database)
        calls._steps = Followed(here, there, ReservationSteps)  # type: ignore[assignment]
        return calls

    def transferring(self) -> TransferCalls:
        calls = TransferCalls(self.north.database)
        calls._steps = Followed(self.north, self.south, TransferSteps)  # type: ignore[assignment]
        return calls


@pytest.fixture(scope="module")
def ends(engine: Engine, settings: Settings) -> Iterator[Ends]:
    with database_apart(engine, settings) as (north, of_north), database_apart(engine, settings) as (south, of_south):
        queues = (of_north.task_queue, of_south.task_queue)
        for each, queue in zip((north, south), queues, strict=True):
            with each.begin() as connection:
                connection.execute(insert(this_database).values(task_queue=queue, catalogue=queues[0]))
        count_apart(south, 1)
        found = Ends(
            *(
                End(queue, owner, build_database(of), Shop(owner))
                for queue, owner, of in zip(queues, (north, south), (of_north, of_south), strict=True)
            )
        )
        yield found
        for end in found:
            with end.engine.connect() as connection:
                assert findings(connection) == []
            end.database.engine.dispose()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers know of a move at once."""
    monkeypatch.setattr(following, "MOVES_ARE_READ_AFTER", timedelta(0))


class Mover:
    """Carries out the steps of a move, as its worker does."""

    def __init__(self, source: End, target: End, warehouse_id: int) -> None:
        self.source, self.target, self.warehouse_id = source, target, warehouse_id
        self.move = steps.Move(warehouse_id, source.queue, target.queue, 0)

    def on_both(self, work: Callable[[Session, Session], Any]) -> Any:
        with session(self.source.url) as here, session(self.target.url) as there:
            return work(here, there)

    def announce(self) -> "Mover":
        self.move = self.on_both(lambda here, there: steps.announce(here, there, self.warehouse_id, self.target.queue))
        self.on_both(lambda here, there: copying.copy_all(here, there, self.warehouse_id))
        return self

    def drain(self) -> "Mover":
        self.on_both(lambda here, _: steps.drain(here, self.move))
        return self

    def switch(self) -> steps.Tried:
        tried: steps.Tried = self.on_both(lambda here, there: steps.switch(here, there, self.move))
        return tried

    def arrive(self) -> int:
        came: int = self.on_both(lambda _, there: steps.arrive(there, self.move))
        for each in (self.source, self.target):
            with session(each.url) as connection:
                steps.go_home(connection, self.move)
        self.on_both(lambda _, there: steps.clear(there, self.move))
        return came

    def give_up(self) -> bool:
        given_up: bool = self.on_both(lambda here, there: steps.give_up(here, there, self.move))
        return given_up

    def carry_out(self) -> None:
        self.announce().drain()
        while not self.switch().has_switched:
            time.sleep(0.05)
        self.arrive()


def test_every_table_is_taken_along_or_stays_for_a_reason() -> None:
    moved = [part.table for part in PARTS]
    assert sorted([*moved, *STAY - {"alembic_version"}]) == sorted(table.name for table in METADATA.tables.values())
    assert "alembic_version" in STAY


def test_open_holds_go_along_and_what_was_done_is_done(ends: Ends) -> None:
    item = ends.item(20)
    selling, there = ends.selling(ends.north), ends.selling(ends.south)
    held, shipped = new_reference(), new_reference()
    selling.reserve(held, (item, 3))
    selling.reserve(shipped, (item, 2))
    before = selling.fulfill(shipped)
    Mover(ends.north, ends.south, item.warehouse_id).carry_out()
    assert (ends.north.level(item), ends.south.level(item)) == (None, (18, 3))
    assert selling.fulfill(shipped) == before.model_copy(update={"is_repeat": True})
    assert ends.south.level(item) == (18, 3)
    assert refused(lambda: selling.cancel(shipped))[0] == "InvalidState"
    assert selling.fulfill(held, operation="7").status == "FULFILLED"
    assert ends.south.level(item) == (15, 0)
    assert refused(lambda: selling.reserve(new_reference(), (item, 1))) == (
        "WarehouseElsewhere",
        {"warehouse_id": item.warehouse_id, "task_queue": ends.south.queue},
    )
    there.reserve(new_reference(), (item, 15))
    assert ends.south.level(item) == (15, 15)
    assert ends.north.count("SELECT count(*) FROM stock_movements WHERE warehouse_id = :of", of=item.warehouse_id) == 0
    balances = "SELECT string_agg(balance_after::text, ',' ORDER BY movement_id) = '20,18,15' FROM stock_movements"
    assert ends.south.count(f"SELECT ({balances} WHERE warehouse_id = :of)::int", of=item.warehouse_id) == 1


def test_lots_go_along_with_who_holds_them(ends: Ends) -> None:
    north, south, product = ends.north.engine, ends.south.engine, ends.north.shop.product()
    track(north, product)
    item, other = ends.item(0, product=product), ends.item(0, product=product)
    soon, later = TODAY + timedelta(days=3), TODAY + timedelta(days=30)
    bring_lots(north, item, ("SOON", soon, 4), ("LATER", later, 3), ("BAD", later, 2))
    bring_lots(north, other, ("LOST", soon, 1))
    set_status(north, item, "BAD", "BLOCKED")
    # One that is known there is as it is known.
    with south.begin() as connection:
        connection.execute(_KNOWN_LOT, {"product_id": product, "lot_number": "LATER", "day": later})
    selling, order, lost = ends.selling(ends.north), new_reference(), ends.transferring()
    held = selling.reserve(order, (item, 6))
    lost.write_off(lost.sent(item.warehouse_id, (other, 1)))
    books = lot_books(north, item)
    Mover(ends.north, ends.south, item.warehouse_id).carry_out()
    assert (lot_books(south, item), lot_books(north, item)) == (books, {})
    with south.connect() as connection:
        told = fold_all(connection, Fold(since=item.warehouse_id - 1))
        assert [*differences(connection, told), *told.problems] == []
    assert told.of_lots == {(item, number): units for number, (units, _, _) in books.items()}
    [line] = told.lines.values()
    assert line.lots == [["LATER", 2, 0], ["SOON", 4, 0]]
    assert books == {"BAD": (2, 0, 0), "LATER": (3, 2, 0), "SOON": (4, 4, 0)}
    known = "SELECT count(*) FROM lots WHERE product_id = :of AND status = 'AVAILABLE' AND created_by <> 'south'"
    assert (ends.north.count(known, of=product), ends.south.count(known, of=product)) == (3, 2)
    blocked = "SELECT count(*) FROM lots WHERE product_id = :of AND status = 'BLOCKED' AND status_reason = 'test'"
    assert ends.south.count(blocked, of=product) == 1
    assert lots_of(held) == [("SOON", 4), ("LATER", 2)]
    shipped = selling.fulfill(order, of_lots(item, SOON=1, LATER=3))
    assert lots_of(shipped) == [("SOON", 3), ("LATER", 3)]
    assert lot_books(south, item) == {"BAD": (2, 0, 0), "SOON": (3, 2, 0)}


_KNOWN_LOT = text("""
    INSERT INTO lots (product_id, lot_number, expires_on, created_at, created_by, operation_id)
    VALUES (:product_id, :lot_number, :day, now(), 'south', 'south')
""")


def test_a_warehouse_may_move_back_and_its_runs_find_it(ends: Ends) -> None:
    item = ends.item(5)
    selling, there = ends.selling(ends.north), ends.selling(ends.south)
    first, second = new_reference(), new_reference()
    selling.reserve(first, (item, 1))
    Mover(ends.north, ends.south, item.warehouse_id).carry_out()
    there.reserve(second, (item, 2))
    Mover(ends.south, ends.north, item.warehouse_id).carry_out()
    assert (ends.north.level(item), ends.south.level(item)) == ((5, 3), None)
    assert selling.fulfill(first).status == "FULFILLED"
    assert there.fulfill(second).status == "FULFILLED"
    assert ends.north.level(item) == (2, 0)


def test_what_arrives_is_told_where_it_is_and_that_it_has_left_where_it_was(ends: Ends) -> None:
    item = ends.item(5)
    selling = ends.selling(ends.north)
    held, waits = new_reference(), new_reference()
    selling.reserve(held, (item, 4))
    selling.reserve(waits, (item, 2), wait=timedelta(hours=1))
    Mover(ends.north, ends.south, item.warehouse_id).carry_out()
    with ends.north.engine.connect() as connection:
        north = fold_all(connection)
        [left] = [each for each in read_outbox(connection) if each.subject == f"warehouse/{item.warehouse_id}"]
    assert (left.kind, left.data["database"]) == ("warehouse.left", ends.south.queue)
    assert left.operation_id == f"move/{item.warehouse_id}/1"
    assert item not in north.levels
    assert [line for line in north.lines.values() if line.reference_id == held] == []
    assert waits not in north.waits
    with ends.south.engine.connect() as connection:
        south = fold_all(connection, Fold(since=item.warehouse_id - 1))
        assert [*differences(connection, south)] == []
    assert south.levels[item] == (5, 4, 0, 1, False)
    assert [line.reference_id for line in south.lines.values() if line.warehouse_id == item.warehouse_id] == [held]
    assert south.waits[waits].lines == [[item.product_id, item.warehouse_id, 2]]


class Shoppers:
    """Who buys in a warehouse while it moves.

    Attributes:
        shipped: The orders that were shipped, and the steps with which.
        units: How many units were shipped, and how many are held in the end.
    """

    def __init__(self, ends: Ends, item: ItemKey) -> None:
        self._ends, self._item, self._lock = ends, item, threading.Lock()
        self.shipped: list[tuple[Steps, str]] = []
        self.units = {"shipped": 0, "held": 0}

    def buy(self, seed: int) -> None:
        """Hold orders, and ship, cancel or keep each."""
        chance = random.Random(seed)
        places = [self._ends.selling(self._ends.north), self._ends.selling(self._ends.south)]
        for _ in range(25):
            order, units = new_reference(), chance.randint(1, 2)
            at = _retried(partial(_reserve_at_home, places, order, (self._item, units)))
            if at is None:
                continue
            end = chance.choice(["ship", "cancel", "keep"])
            if end == "cancel":
                _retried(partial(at.cancel, order))
                continue
            if end == "ship":
                _retried(partial(at.fulfill, order))
            with self._lock:
                self.units["shipped" if end == "ship" else "held"] += units
                if end == "ship":
                    self.shipped.append((at, order))


def test_it_sells_while_it_moves_and_nothing_is_lost_oversold_or_applied_twice(ends: Ends) -> None:
    item = ends.item(150)
    shoppers = Shoppers(ends, item)

    def move() -> None:
        mover = Mover(ends.north, ends.south, item.warehouse_id).announce().drain()
        while not mover.switch().has_switched:
            time.sleep(0.02)
        mover.arrive()

    threads = [threading.Thread(target=shoppers.buy, args=(seed,)) for seed in range(4)]
    threads.append(threading.Thread(target=move))
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    in_the_end = (150 - shoppers.units["shipped"], shoppers.units["held"])
    assert shoppers.shipped
    assert (ends.north.level(item), ends.south.level(item)) == (None, in_the_end)
    for at, order in shoppers.shipped:
        assert at.fulfill(order).is_repeat
    assert ends.south.level(item) == in_the_end


def _reserve_at_home(places: list[Steps], order: str, line: tuple[ItemKey, int]) -> Steps | None:
    """Hold an order where its warehouse is; None: there isn't enough."""
    for at in places:
        try:
            at.reserve(order, line)
        except ApplicationError as error:
            if error.type == "InsufficientStock":
                return None
            if error.type != "WarehouseElsewhere":
                raise
        else:
            return at
    raise ApplicationError("on its way", type="WarehouseElsewhere")


def _retried(call: Callable[[], Any]) -> Any:
    """The answer, once there is one: as Temporal tries again, and the client where a warehouse is elsewhere."""
    until = time.monotonic() + 30
    while True:
        try:
            return call()
        except ApplicationError as error:
            is_final = error.type not in ("DatabaseBusy", "WarehouseElsewhere") and error.non_retryable
            if is_final or time.monotonic() > until:
                raise
            time.sleep(0.02)


class Killed(Exception):
    """The worker of moves is killed."""


@pytest.mark.parametrize(
    ("where", "has_left"),
    [
        ("database.moving.copying.catch_up", False),
        ("database.moving.steps._require_keys_to_be_free", False),
        # The staging is committed at the target then, and the source isn't.
        ("database.moving.steps._leave_transfers", False),
        ("database.moving.steps._give_places_in_queues_anew", True),
        ("database.moving.steps._point_at_movements", True),
        ("database.moving.steps.clear", True),
    ],
)
def test_killed_anywhere_it_goes_on_where_it_was(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, where: str, has_left: bool
) -> None:
    item = ends.item(9)
    selling = ends.selling(ends.north)
    order, between = new_reference(), new_reference()
    selling.reserve(order, (item, 4))
    mover = Mover(ends.north, ends.south, item.warehouse_id).announce().drain()
    selling.reserve(between, (item, 1))

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as during:
        during.setattr(where, killed)
        with pytest.raises(Killed):
            _ = mover.switch(), mover.arrive()
    if not has_left:
        assert (ends.north.level(item), ends.south.level(item)) == ((9, 5), None)
        selling.fulfill(between)
    assert mover.switch().has_switched
    mover.arrive()
    if has_left:
        selling.fulfill(between)
    assert (ends.north.level(item), ends.south.level(item)) == (None, (8, 4))
    assert selling.fulfill(order).status == "FULFILLED"
    assert ends.south.level(item) == (4, 0)


def attempts(ends: Ends, item: ItemKey) -> tuple[MoveSteps, MoveStep]:
    """The steps as the worker of moves carries them out, and their argument once the move is announced and copied."""
    moving = MoveSteps({end.queue: end.url for end in ends})
    step = moving.announce_move(MoveStep(warehouse_id=item.warehouse_id, to=ends.south.queue))
    moving.copy_warehouse(step)
    moving.drain_warehouse(step)
    return moving, step


def test_an_attempt_that_comes_late_changes_nothing(ends: Ends) -> None:
    item = ends.item(9)
    selling, order = ends.selling(ends.north), new_reference()
    selling.reserve(order, (item, 4))
    moving, given_up = attempts(ends, item)
    assert not moving.give_move_up(given_up).has_left
    moving, step = attempts(ends, item)
    step = step.model_copy(update={"version": step.version + 1})
    for each in ends:
        with each.engine.begin() as connection:
            of = {"version": step.version, "warehouse": item.warehouse_id}
            connection.execute(
                text("UPDATE warehouse_moves SET version = :version WHERE warehouse_id = :warehouse"), of
            )
    # Of the move before.
    assert not moving.give_move_up(given_up).has_left
    with pytest.raises(InvalidState, match="was given up"):
        moving.switch_warehouse(given_up)
    assert (ends.north.level(item), ends.south.level(item)) == ((9, 4), None)
    left = moving.switch_warehouse(step)
    assert left.has_left
    assert left.rows
    # Of this one: what is staged now is nowhere else.
    assert moving.copy_warehouse(step).has_left
    assert moving.switch_warehouse(step).has_left
    assert moving.give_move_up(step).has_left
    moving.clear_move(given_up)
    moving.clear_move(step)
    assert moving.land_warehouse(step).rows == left.rows
    assert moving.land_warehouse(step).rows == 0
    assert (ends.north.level(item), ends.south.level(item)) == (None, (9, 4))
    assert selling.fulfill(order).status == "FULFILLED"


def test_of_two_attempts_at_a_step_one_waits(ends: Ends) -> None:
    item = ends.item(9)
    moving, step = attempts(ends, item)
    for end in ends:
        with session(end.url) as other:
            assert steps.let_nobody_else_move(other, item.warehouse_id)
            with pytest.raises(ApplicationError) as caught:
                moving.switch_warehouse(step)
            assert (caught.value.type, caught.value.non_retryable) == ("DatabaseBusy", False)
    assert (ends.north.level(item), ends.south.level(item)) == ((9, 0), None)
    assert moving.switch_warehouse(step).has_left
    moving.land_warehouse(step)
    assert (ends.north.level(item), ends.south.level(item)) == (None, (9, 0))


def test_an_attempt_that_another_one_overtakes_finds_it_done(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    item = ends.item(9)
    mover = Mover(ends.north, ends.south, item.warehouse_id).announce().drain()
    original = copying.in_one_go

    def overtaken(*arguments: Any) -> Any:
        monkeypatch.setattr("database.moving.steps.in_one_go", original)
        assert mover.switch().rows
        return original(*arguments)

    monkeypatch.setattr("database.moving.steps.in_one_go", overtaken)
    assert mover.switch() == steps.Tried(has_switched=True, waits_for=[])
    mover.arrive()
    assert (ends.north.level(item), ends.south.level(item)) == (None, (9, 0))


def test_while_it_is_on_its_way_its_commands_wait(ends: Ends) -> None:
    item = ends.item(6)
    selling, there = ends.selling(ends.north), ends.selling(ends.south)
    order = new_reference()
    selling.reserve(order, (item, 1))
    mover = Mover(ends.north, ends.south, item.warehouse_id).announce().drain()
    assert mover.switch().has_switched
    calls: list[Callable[[], object]] = [
        lambda: selling.fulfill(order),
        lambda: there.reserve(new_reference(), (item, 1)),
    ]
    for call in calls:
        with pytest.raises(ApplicationError) as caught:
            call()
        assert (caught.value.type, caught.value.non_retryable) == ("DatabaseBusy", False)
    assert not mover.give_up()
    mover.arrive()
    assert selling.fulfill(order).status == "FULFILLED"
    assert ends.south.level(item) == (5, 0)


def test_what_joins_it_with_others_has_to_end_first_and_nothing_new_may_begin(ends: Ends) -> None:
    item = ends.item(10)
    other = ends.item(10, product=item.product_id)
    selling, transferring = ends.selling(ends.north), ends.transferring()
    order, sent = new_reference(), new_reference("t")
    selling.reserve(order, (item, 1), (other, 1))
    transferring.hold(sent, other.warehouse_id, (item, 2))
    mover = Mover(ends.north, ends.south, item.warehouse_id).announce()
    late = new_reference()
    selling.reserve(late, (item, 1), (other, 1))
    mover.drain()
    for call in (
        lambda: selling.reserve(new_reference(), (item, 1), (other, 1)),
        lambda: transferring.hold(new_reference("t"), other.warehouse_id, (item, 1)),
    ):
        assert refused(call) == ("WarehouseMoving", {"warehouse_id": item.warehouse_id})
    selling.reserve(new_reference(), (item, 1))
    names = sorted([f"order {order}", f"order {late}", f"transfer {sent}"])
    assert mover.switch() == steps.Tried(has_switched=False, waits_for=names)
    selling.fulfill(order)
    selling.cancel(late)
    transferring.dispatch(sent)
    transferring.receive(sent, "1", arrived(item, 2))
    assert mover.switch().has_switched
    mover.arrive()
    assert (ends.north.level(item), ends.south.level(item)) == (None, (7, 1))
    assert ends.north.level(other) == (11, 0)
    held_at = "SELECT count(*) FROM transfer_orders WHERE transfer_number = :number AND {} IS NOT NULL"
    assert ends.north.count(held_at.format("source_at"), number=sent) == 1
    assert ends.south.count(held_at.format("destination_at"), number=sent) == 1


def test_a_file_and_a_small_change_are_recognised_where_their_warehouse_is(ends: Ends) -> None:
    item, staying = ends.item(1), ends.item(1)
    file, buffer, other = (new_reference(kind) for kind in ("import", "buffer", "buffer"))
    with ends.north.engine.begin() as connection:
        for operation, kind, result in (
            (f"{file}/apply", "apply_import", {"rows": 2}),
            (buffer, "set_buffer", {"warehouse_id": item.warehouse_id}),
            (other, "set_buffer", {"warehouse_id": staying.warehouse_id}),
        ):
            done = Operation(operation, kind, {}, performed_by="ann", workflow_id="", run_id="")
            send(connection, [insert_operations([(done, json.dumps(result))])])
        keep_import(connection, Operation(f"{file}/apply", "", {}, "ann", "", ""), ImportKind.STOCK, file)
        for each in (item, staying):
            connection.execute(insert(stated_quantities).values(import_id=file, **each._asdict()))
    Mover(ends.north, ends.south, item.warehouse_id).carry_out()
    known = "SELECT count(*) FROM operations WHERE operation_id = :of"
    assert [[end.count(known, of=each) for end in ends] for each in (f"{file}/apply", buffer, other)] == [
        [1, 1],
        [0, 1],
        [1, 0],
    ]
    with ends.south.engine.connect() as connection:
        assert read_earlier(connection, file) == Earlier(1, {"rows": 2})


def test_suppliers_are_measured_by_the_deliveries_that_have_come_along(ends: Ends) -> None:
    item, supplier = ends.item(0), ends.north.shop.supplier()
    agreed = {"product_id": item.product_id, "supplier_id": supplier, "unit_cost": Decimal(3), "lead_time_days": 9}
    own = {"po_id": 77, "product_id": item.product_id, "supplier_id": supplier, "lead_time_days": Decimal(12)}
    with ends.south.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.execute(insert(suppliers).values(supplier_id=supplier, name=f"Supplier {supplier}"))
        connection.execute(insert(product_suppliers).values(agreed))
        # Of a warehouse that is kept there.
        connection.execute(insert(supplier_lead_times).values(own))
    with ends.north.engine.begin() as connection:
        connection.execute(insert(product_suppliers).values(agreed))
    buying = Buying(ends.north.database)
    for days, unit_cost in ((5, "2.60"), (7, "2.40")):
        order = buying.order(ends.north.shop, (item, 5), supplier=supplier, unit_cost=unit_cost)
        buying.receive(order, "1", came(item, 5), as_of=NOON + timedelta(days=days))
    Mover(ends.north, ends.south, item.warehouse_id).carry_out()
    measured = select(
        product_suppliers.c.last_unit_cost,
        product_suppliers.c.lead_times_measured,
        product_suppliers.c.measured_lead_time_days,
        product_suppliers.c.measured_lead_time_deviation_days,
    ).where(product_suppliers.c.product_id == item.product_id)
    found = []
    for end in ends:
        with end.engine.connect() as connection:
            found.append(tuple(connection.execute(measured).one()))
    # Of 12, 5 and 7 the mean is 8 and the sample's deviation the root of (16 + 9 + 1) / 2.
    assert found == [
        (Decimal("2.4"), 2, Decimal(6), Decimal("1.414214")),
        (Decimal("2.4"), 3, Decimal(8), Decimal("3.605551")),
    ]
    with ends.south.engine.begin() as connection:
        connection.execute(supplier_lead_times.delete().where(supplier_lead_times.c.po_id == 77))


def test_a_move_is_given_up_before_it_has_left(ends: Ends) -> None:
    item = ends.item(3)
    mover = Mover(ends.north, ends.south, item.warehouse_id).announce().drain()
    assert mover.give_up()
    assert (ends.north.level(item), ends.south.level(item)) == ((3, 0), None)
    ends.selling(ends.north).reserve(new_reference(), (item, 1), (ends.item(1), 1))
    assert ends.north.count("SELECT count(*) FROM warehouse_moves WHERE warehouse_id = :of", of=item.warehouse_id) == 0


def test_a_move_that_can_not_be_is_refused_and_changes_nothing(ends: Ends) -> None:
    item = ends.item(3)
    with pytest.raises(InvalidRequest, match="is kept in the database of task queue"):
        Mover(ends.south, ends.north, item.warehouse_id).announce()
    ends.selling(ends.north).reserve(new_reference(), (item, 1))
    mover = Mover(ends.north, ends.south, item.warehouse_id).announce().drain()
    with ends.south.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        held = "SELECT reservation_id FROM reservations WHERE warehouse_id = :of"
        taken = ends.north.count(held, of=item.warehouse_id)
        connection.exec_driver_sql(
            "INSERT INTO reservations (reservation_id, product_id, warehouse_id, quantity, reference_type, "
            "reference_id, created_at, performed_by, operation_id, workflow_id, run_id) OVERRIDING SYSTEM VALUE "
            f"VALUES ({taken}, 1, 1, 1, 'ORDER', 'taken', now(), 'x', 'x', 'x', 'x')"
        )
    try:
        with pytest.raises(InvalidState, match="have the same keys"):
            mover.switch()
        assert (ends.north.level(item), ends.south.level(item)) == ((3, 1), None)
        assert mover.give_up()
    finally:
        with ends.south.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM reservations WHERE reference_id = 'taken'")


def test_rows_that_vanish_meanwhile_do_not_come_along(ends: Ends) -> None:
    item = ends.item(3)
    order = new_reference()
    ends.selling(ends.north).reserve(order, (item, 1))
    mover = Mover(ends.north, ends.south, item.warehouse_id).announce().drain()
    with ends.north.engine.begin() as connection:
        connection.execute(text("DELETE FROM operations WHERE workflow_id = :of"), {"of": f"reservation-{order}"})
    assert mover.switch().has_switched
    mover.arrive()
    assert ends.south.count("SELECT count(*) FROM operations WHERE workflow_id = :of", of=f"reservation-{order}") == 0
    assert ends.south.level(item) == (3, 1)
