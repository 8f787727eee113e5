"""What was refused stays refused for the attempts that were begun by then, whenever they come."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from activities.writes import or_refused
from database.operations import Operation, forget, once
from database.sessions import Database
from stockkeeper.contracts.transfer_state import ArrivedLine
from stockkeeper.domain.errors import DomainError, InvalidRequest, InvalidState
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.adjustment import AdjustmentCalls
from tests.support.steps.reservation import Steps
from tests.support.steps.together import together
from tests.support.steps.transfer import TransferCalls

LATER = NOON + MINUTE


class Asked(NamedTuple):
    """A command that is refused until something happens."""

    item: ItemKey
    command: Callable[[datetime], Any]
    relief: Callable[[], object]
    refusal: tuple[str, Any]


def _hold(database: Database, shop: Shop) -> Asked:
    item, reference = shop.item(2), new_reference()
    steps = Steps(database)
    why = ("InsufficientStock", [shortage(item, 3, 2)])
    return Asked(item, lambda at: steps.reserve(reference, (item, 3), as_of=at), partial(shop.move, item, 10), why)


def _transfer(database: Database, shop: Shop) -> Asked:
    item, number, there = shop.item(2), new_reference("load"), shop.warehouse()
    moving = TransferCalls(database)
    why = ("InsufficientStock", [shortage(item, 3, 2)])
    return Asked(item, lambda at: moving.hold(number, there, (item, 3), as_of=at), partial(shop.move, item, 10), why)


def _receipt(database: Database, shop: Shop) -> Asked:
    item, there = shop.item(5), shop.warehouse()
    moving = TransferCalls(database)
    number = moving.held(there, (item, 3))
    why = ("InvalidState", {"status": "PENDING", "command": "receive"})
    return Asked(
        item,
        lambda at: moving.receive(number, "truck-1", ArrivedLine(product_id=item.product_id, quantity=3), as_of=at),
        partial(moving.dispatch, number, as_of=LATER),
        why,
    )


def _adjustment(database: Database, shop: Shop) -> Asked:
    item, number = shop.item(2), new_reference("short")
    adjusting = AdjustmentCalls(database)
    why = ("InsufficientStock", [shortage(item, 3, 2)])
    return Asked(item, lambda at: adjusting.submit(number, (item, -3), as_of=at), partial(shop.move, item, 10), why)


@pytest.mark.parametrize("made", [_hold, _transfer, _receipt, _adjustment])
def test_an_attempt_that_was_begun_before_the_refusal_is_refused_as_it_was(
    database: Database, shop: Shop, engine: Engine, made: Callable[[Database, Shop], Asked]
) -> None:
    item, command, relief, refusal = made(database, shop)
    with nothing_changes(engine, item):
        assert refused(partial(command, LATER)) == refusal
    relief()
    with nothing_changes(engine, item):
        assert refused(partial(command, NOON)) == refusal
    before = level(engine, item)
    command(LATER + MINUTE)
    assert level(engine, item) != before or made is _receipt


def test_a_refusal_in_a_shared_transaction_is_kept_as_well(
    database: Database, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, short, held = shop.item(5), new_reference(), new_reference()
    outcomes = together(
        database,
        partial(steps.reserve, held, (item, 4), as_of=LATER),
        partial(steps.reserve, short, (item, 2), as_of=LATER),
        # An attempt at the same of an earlier task, in the same transaction.
        partial(steps.reserve, short, (item, 1), operation=f"reservation-{short}/reserve"),
    )
    assert outcomes[0].status is ReservationStatus.ACTIVE
    assert [type(each) for each in outcomes[1:]] == [ApplicationError] * 2
    assert [each.details for each in outcomes[1:]] == [([shortage(item, 2, 1)],)] * 2
    steps.cancel(held, as_of=LATER)
    with nothing_changes(engine, item):
        assert refused(lambda: steps.reserve(short, (item, 2)))[0] == "InsufficientStock"
    steps.reserve(short, (item, 2), as_of=LATER + MINUTE)
    assert level(engine, item) == (5, 2)


class Counted:
    """An effect, which is refused at first."""

    def __init__(self, engine: Engine, operation: Operation, refusals: list[DomainError]) -> None:
        self.happened = 0
        self._engine = engine
        self._operation = operation
        self._refusals = refusals

    def attempt(self) -> Any:
        with self._engine.begin() as connection:
            return once(connection, self._operation, self._effect).result

    def _effect(self) -> dict[str, int]:
        if self._refusals:
            raise self._refusals.pop()
        self.happened += 1
        return {"times": self.happened}


def _operation(at: datetime | None = NOON) -> Operation:
    return Operation(new_reference("refused/"), "count", {}, "tests", "workflow", "run", as_of=at)


def test_what_another_attempt_does_between_refusal_and_its_record_is_answered(
    database: Database, engine: Engine
) -> None:
    operation = _operation()
    counted = Counted(engine, operation, [])

    def attempt() -> Any:
        if not counted.happened:
            counted.attempt()  # By another worker, as soon as this one's transaction has ended.
            raise InvalidRequest("less is there")
        return counted.attempt()

    assert or_refused(database, operation, attempt) == {"times": 1}
    assert _refusals(engine, operation) == []


def test_a_refusal_keeps_its_contents_whatever_they_are(database: Database, engine: Engine) -> None:
    operation = _operation()
    refusal = InvalidState("no\0such \ud800 'thing' {\\}", status='A "B"', command="c,d")
    counted = Counted(engine, operation, [refusal])
    for _ in range(2):
        with pytest.raises(InvalidState) as caught:
            or_refused(database, operation, counted.attempt)
        assert (caught.value.message, caught.value.details) == (refusal.message, refusal.details)
    assert counted.happened == 0


def test_an_effect_that_no_workflow_asks_for_is_decided_anew_each_time(database: Database, engine: Engine) -> None:
    operation = _operation(None)
    counted = Counted(engine, operation, [InvalidRequest("not yet")])
    with pytest.raises(InvalidRequest):
        or_refused(database, operation, counted.attempt)
    assert or_refused(database, operation, counted.attempt) == {"times": 1}


def test_refusals_are_forgotten_with_the_operations_of_their_time(database: Database, engine: Engine) -> None:
    old, new = _operation(), _operation()
    for each in (old, new):
        with pytest.raises(InvalidRequest):
            or_refused(database, each, Counted(engine, each, [InvalidRequest("no")]).attempt)
    with engine.begin() as connection:
        before = text("UPDATE refused_operations SET refused_at = '2001-01-01' WHERE operation_id = :id")
        connection.execute(before, {"id": old.operation_id})
    with database.transaction() as connection:
        forget(connection, before=datetime.fromisoformat("2001-01-02T00:00:00Z"), most=100)
    assert [len(_refusals(engine, each)) for each in (old, new)] == [0, 1]


def _refusals(engine: Engine, operation: Operation) -> list[str]:
    with engine.connect() as connection:
        query = text("SELECT refusal FROM refused_operations WHERE operation_id = :id")
        return list(connection.execute(query, {"id": operation.operation_id}).scalars())
