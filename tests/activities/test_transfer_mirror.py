"""A transfer between two databases, whatever is booked, lost, repeated or late between them: no unit goes astray."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, text

from activities.transfer_mirror import TransferMirror
from database.sessions import Database
from stockkeeper.contracts.transfer import StoredTransfer
from stockkeeper.contracts.transfer_mirror import MirrorTransferStep, ShowTransferEnd, TransferEnd
from stockkeeper.domain.stock import ItemKey
from tests.activities.test_lot_transfers import fit
from tests.support.auditor import findings
from tests.support.corrections import correct_stock
from tests.support.database_apart import database_apart, keep_apart
from tests.support.lots import TODAY, bring_lots, lot_books, lot_item, set_status
from tests.support.meetings import Call, outcome
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON, refused, run_activity
from tests.support.steps.transfer import TransferCalls, arrived, lines_of
from tests.support.told import telling
from tests.support.transfer import Units
from tests.support.transfer_rows import transit, whereabouts
from worker import Settings, build_database

_HEADER = text("""
    SELECT status, dispatched_at, due_at, closed_reason FROM transfer_orders WHERE transfer_number = :number
""")


class End(NamedTuple):
    """One of the databases."""

    engine: Engine
    database: Database

    @property
    def calls(self) -> TransferCalls:
        """Its steps of transfers."""
        return TransferCalls(self.database)

    @property
    def mirror(self) -> TransferMirror:
        """Its side of the mirror."""
        return TransferMirror(self.database)

    def header(self, number: str) -> tuple[object, ...]:
        """A transfer's status and times there."""
        with self.engine.connect() as connection:
            return tuple(connection.execute(_HEADER, {"number": number}).one())


class Ends(NamedTuple):
    """Where transfers go from and to."""

    source: End
    destination: End
    left: ItemKey
    arrives: ItemKey
    tracked: ItemKey
    """An item of the source whose product is tracked, without stock."""


@pytest.fixture(scope="module")
def ends(engine: Engine, settings: Settings) -> Iterator[Ends]:
    """Two databases; the first has the catalogue, and stock to send."""
    with database_apart(engine, settings) as (north, of_north), database_apart(engine, settings) as (south, of_south):
        shop = Shop(north)
        left, there, tracked = shop.item(400), shop.warehouse(), lot_item(shop)
        keep_apart(north, of_north.task_queue, south, of_south.task_queue, there)
        source, destination = End(north, build_database(of_north)), End(south, build_database(of_south))
        yield Ends(source, destination, left, left._replace(warehouse_id=there), tracked)
        for each in (source, destination):
            with each.engine.connect() as connection:
                assert findings(connection) == []
            each.database.engine.dispose()


class Run:
    """What a run does between the two, for one transfer; each step is later than the one before."""

    def __init__(self, ends: Ends) -> None:
        self.ends, self.number = ends, new_reference("t")
        self._moments = 0
        self.sent: list[tuple[End, MirrorTransferStep]] = []
        """What was told, and whom."""
        self._latest = {ends.source: 0, ends.destination: 0}

    def now(self) -> datetime:
        self._moments += 1
        return NOON + timedelta(seconds=self._moments)

    def begin(self, *units: int) -> StoredTransfer:
        lines = [(self.ends.left, each) for each in units]
        to = self.ends.arrives.warehouse_id
        return self.ends.source.calls.hold(self.number, to, *lines, hours=36, as_of=self.now())

    def tell(self, of: End, at: End, *, anew: bool = False) -> StoredTransfer:
        """Let one take over what the other has booked; ``anew`` as the next run does, which has heard of nothing."""
        after = 0 if anew else self._latest[of]
        while True:
            as_of = self.now()
            end = self.read(of, after)
            told = self.take_over(at, end, as_of)
            self._latest[of] = after = end.latest
            if not end.more:
                return told

    def read(self, of: End, after: int) -> TransferEnd:
        question = ShowTransferEnd(transfer_number=self.number, after=after)
        return of.mirror.show_transfer_end(question)

    def take_over(self, at: End, end: TransferEnd, as_of: datetime) -> StoredTransfer:
        step = MirrorTransferStep(
            operation_id=f"transfer-{self.number}/mirror",
            performed_by="tom",
            as_of=as_of,
            transfer_number=self.number,
            end=end,
        )
        self.sent.append((at, step))
        return run_activity("mirror_transfer", at.mirror.mirror_transfer, step)

    def agree(self) -> None:
        """Both know the same of it."""
        number, (source, destination, *_) = self.number, self.ends
        assert transit(source.engine, number) == transit(destination.engine, number)
        assert source.header(number) == destination.header(number)
        answers = [self.tell(source, destination), self.tell(destination, source)]
        assert lines_of(answers[0]) == lines_of(answers[1])
        assert [line.held for line in answers[0].line_items] == [line.held for line in answers[1].line_items]
        told = ("departures", "receipts", "write_offs")
        assert answers[0].model_dump(include={*told}) == answers[1].model_dump(include={*told})


def units_of(ends: Ends) -> int:
    """All units that there are of the product: in both warehouses, on their way, damaged and lost."""
    places = [ends.left.warehouse_id, ends.arrives.warehouse_id]
    here, there = (whereabouts(each.engine, [ends.left.product_id], places) for each in (ends.source, ends.destination))
    assert here[1:] == there[1:]
    return here.on_hand[0] + there.on_hand[1] + sum(here[1:])


def on_hand(ends: Ends) -> int:
    """Units in the source's stock."""
    return whereabouts(ends.source.engine, [ends.left.product_id], [ends.left.warehouse_id]).on_hand[0]


class Course:
    """What may happen to a transfer, drawn by chance; what is refused changes nothing."""

    def __init__(self, ends: Ends, run: Run, chance: random.Random) -> None:
        self.ends, self.run, self.chance = ends, run, chance
        self.gone = 0

    def dispatch(self) -> None:
        units = self.chance.randint(1, 5)
        outcome(lambda: self.ends.source.calls.dispatch(self.run.number, (self.ends.left, units), as_of=self.run.now()))

    def receive(self) -> None:
        units, damaged, receipt = self.chance.randint(1, 3), self.chance.randint(0, 1), f"r{self.chance.randint(1, 9)}"
        calls, line = self.ends.destination.calls, arrived(self.ends.left, units, damaged)
        self._at_the_destination(lambda: calls.receive(self.run.number, receipt, line, as_of=self.run.now()))

    def lose(self) -> None:
        calls, one = self.ends.destination.calls, (self.ends.left, 1)
        self._at_the_destination(lambda: calls.write_off(self.run.number, "lost", one, as_of=self.run.now()))

    def repeat(self) -> None:
        """An attempt that somebody has given up comes late, or a second time."""
        at, step = self.chance.choice(self.run.sent)
        run_activity("mirror_transfer", at.mirror.mirror_transfer, step)

    def begin_anew(self) -> None:
        """The next run."""
        self.run.tell(self.ends.source, self.ends.destination, anew=True)
        self.run.tell(self.ends.destination, self.ends.source, anew=True)

    def cancel(self) -> None:
        if self.chance.random() < 0.2:
            outcome(lambda: self.ends.source.calls.cancel(self.run.number, as_of=self.run.now()))

    def give_way(self) -> None:
        """What is held isn't there, of which the transfer hears later or never."""
        if not self.gone and self.chance.random() < 0.4:
            self.gone = on_hand(self.ends) - 1
            correct_stock(self.ends.source.engine, {self.ends.left: -self.gone}, self.run.now())
        elif self.gone:
            outcome(lambda: self.ends.source.calls.give_way(self.run.number, as_of=self.run.now()))

    def end(self) -> None:
        """What was gone is there again, and each is told the last."""
        if self.gone:
            outcome(lambda: self.ends.source.calls.give_way(self.run.number, as_of=self.run.now()))
            correct_stock(self.ends.source.engine, {self.ends.left: self.gone}, self.run.now())
        self._at_the_destination(lambda: self.run.tell(self.ends.source, self.ends.destination))
        self.run.tell(self.ends.source, self.ends.destination)

    def _at_the_destination(self, call: Call) -> None:
        self.run.tell(self.ends.source, self.ends.destination)
        outcome(call)
        self.run.tell(self.ends.destination, self.ends.source)


@pytest.mark.parametrize("seed", range(6))
def test_no_unit_goes_astray_between_them(ends: Ends, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("database.mirrored_transfer._COMMANDS_AT_ONCE", seed % 3 + 1)
    chance, run = random.Random(seed), Run(ends)
    course = Course(ends, run, chance)
    before = units_of(ends)
    run.begin(chance.randint(1, 9), chance.randint(1, 9))
    run.tell(ends.source, ends.destination)
    often = [course.dispatch, course.receive] * 2
    for _ in range(25):
        chance.choice([*often, course.lose, course.repeat, course.begin_anew, course.cancel, course.give_way])()
    course.end()
    run.agree()
    assert units_of(ends) == before


def test_each_database_tells_what_is_new_to_it_once(ends: Ends) -> None:
    run, (source, destination, left, *_) = Run(ends), ends
    operations: list[str] = []

    def told_by(end: End, call: Call) -> list[tuple[str, str, list[int], str]]:
        with telling(end.engine) as told:
            call()
        documents = [each for each in told if each.kind == "transfer.changed"]
        assert {each.subject for each in documents} <= {f"transfer/{run.number}"}
        operations.extend(each.operation_id for each in documents)
        return [
            (
                each.data["step"],
                each.data["status"],
                [line["quantity"] for line in each.data["lines"]],
                each.performed_by,
            )
            for each in documents
        ]

    assert told_by(source, lambda: run.begin(6)) == [("hold_transfer", "PENDING", [6], "tom")]
    mirror = partial(run.tell, source, destination)
    assert told_by(destination, mirror) == [("mirror_transfer", "PENDING", [], "tom")]
    assert told_by(destination, mirror) == []
    dispatch = partial(source.calls.dispatch, run.number, (left, 4), as_of=run.now())
    assert told_by(source, dispatch) == [("dispatch_transfer", "IN_TRANSIT", [4], "sid")]
    assert told_by(destination, mirror) == [("mirror_transfer", "IN_TRANSIT", [4], "tom")]
    assert told_by(destination, mirror) == []
    cancel = partial(source.calls.cancel, run.number, as_of=run.now())
    assert told_by(source, cancel) == [("cancel_transfer", "CANCELLED", [4], "tom")]
    assert told_by(destination, mirror) == [("mirror_transfer", "CANCELLED", [4], "tom")]
    assert told_by(source, partial(run.tell, destination, source)) == []
    run.agree()
    # Each by an operation of its own, also the three that the mirror was changed by.
    assert len({*operations}) == len(operations) == 6


def test_a_late_attempt_brings_back_no_hold(ends: Ends) -> None:
    run, (source, destination, left, *_) = Run(ends), ends
    run.begin(6)
    late, was = run.read(source, 0), run.now()
    run.tell(source, destination)
    source.calls.dispatch(run.number, (left, 4), as_of=run.now())
    told = run.tell(source, destination)
    assert (told.line_items[0].held, told.status) == (2, "IN_TRANSIT")
    again = run.take_over(destination, late, was)
    assert (again.line_items[0].held, lines_of(again)) == (2, [Units(6, in_transit=4)])
    run.agree()
    source.calls.cancel(run.number, as_of=run.now())
    assert run.tell(source, destination).status == "CANCELLED"
    run.agree()


def test_another_transfer_of_that_number_is_left_alone(ends: Ends) -> None:
    run, (source, destination, *_) = Run(ends), ends
    run.begin(2)
    run.tell(source, destination)
    other = run.read(source, 0).model_copy(update={"requested_by": "somebody else"})
    code, _ = refused(lambda: run.take_over(destination, other, run.now()))
    assert code == "OperationConflict"
    source.calls.cancel(run.number, as_of=run.now())
    run.tell(source, destination)
    run.agree()


def test_what_is_known_of_the_lots_goes_along_with_the_goods(ends: Ends) -> None:
    source, destination, _, arrives, item = ends
    soon, later = TODAY + timedelta(days=3), TODAY + timedelta(days=30)
    there, run = item._replace(warehouse_id=arrives.warehouse_id), Run(ends)
    bring_lots(source.engine, item, ("L1", soon, 2), ("L2", later, 3), ("L3", None, 1))
    bring_lots(destination.engine, there, ("L2", None, 1), ("L3", later, 1))
    source.calls.hold(run.number, there.warehouse_id, (item, 3), (item, 3), as_of=run.now())
    source.calls.dispatch(run.number, as_of=run.now())
    set_status(source.engine, item, "L1", "BLOCKED")
    for anew in (False, True):
        told = run.tell(source, destination, anew=anew)
    assert [[(lot.lot_number, lot.expires_on, lot.in_transit) for lot in line.lots] for line in told.line_items] == [
        [("L1", soon, 2), ("L2", later, 1)],
        [("L2", later, 2), ("L3", later, 1)],
    ]
    known = {"L1": (soon, "BLOCKED"), "L2": (later, "AVAILABLE"), "L3": (later, "AVAILABLE")}
    assert _known_lots(destination.engine, item.product_id) == known
    # One of two days is earlier, and nothing is promised for longer.
    assert _known_lots(source.engine, item.product_id)["L3"] == (None, "AVAILABLE")
    came = [fit(there, "L1", 1, damaged=1), fit(there, "L2", 3)]
    destination.calls.receive(run.number, "r1", *came, as_of=run.now())
    back = run.tell(destination, source)
    assert [[(lot.received, lot.damaged, lot.in_transit) for lot in line.lots] for line in back.line_items] == [
        [(1, 1, 0), (1, 0, 0)],
        [(2, 0, 0), (0, 0, 1)],
    ]
    assert lot_books(destination.engine, there) == {"L1": (1, 0, 0), "L2": (4, 0, 0), "L3": (1, 0, 0)}
    cancelled = source.calls.cancel(run.number, as_of=run.now())
    assert cancelled.line_items[1].returned == 1
    assert lot_books(source.engine, item) == {"L3": (1, 0, 0)}
    run.tell(source, destination)
    assert transit(source.engine, run.number) == transit(destination.engine, run.number)


def _known_lots(engine: Engine, product_id: int) -> dict[str, tuple[object, str]]:
    statement = text("SELECT lot_number, expires_on, status FROM lots WHERE product_id = :product_id")
    with engine.connect() as connection:
        return {row[0]: (row[1], row[2]) for row in connection.execute(statement, {"product_id": product_id})}
