"""Our code, broken in so many ways, each of which the simulation has to find: one that finds nothing is no proof.

A mutation takes one promise out of the code, as a careless change would: in each worker's process, after it was forked
and before it works, or in the database, after its migrations. Where the database stands behind the code as a second
wall, a mutation may take both away, because the simulation has to see more than what the second wall refuses.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, text
from temporalio import activity

from activities import document_steps, edge, stock_steps, writes
from database import events, holds, ledger, locked_stock, locks, operations, reorder, sessions
from database.events import NewEvent
from database.locked_stock import LockedStock
from database.operations import Operation, StoredOperation
from database.pipeline import Statement
from stockkeeper.contracts import messages
from stockkeeper.contracts.messages import Message, Step
from stockkeeper.domain import lot
from stockkeeper.domain.approval import Approval
from stockkeeper.domain.event import EventKind
from stockkeeper.domain.lot import LotOnHand, LotStatus
from stockkeeper.domain.order_in_parts import Course, OrderInParts
from stockkeeper.domain.reservation import HeldLine, ItemHold, ReservationStatus
from stockkeeper.domain.stock import ItemKey, Level, wanted_by_item
from stockkeeper.domain.waiting import Queue


@dataclass(frozen=True)
class Mutation:
    """One promise that the code doesn't keep any more.

    Attributes:
        broken: What is broken, for readers of the report.
        clients: The kinds of simulated clients whose promise it is: in two minutes, these alone are driven.
        in_worker: Breaks it in this process, a worker's.
        in_database: Statements that break it in the database, as its owner.
        more: A fault that it takes to see it, by its name among the faults on request; empty: it takes none.
        workers: Worker processes. Each has one transaction over stock at a time.
    """

    broken: str
    clients: Sequence[str]
    in_worker: Callable[[], None] | None = None
    in_database: Sequence[str] = ()
    more: str = ""
    workers: int = 2


BROKEN_PROMISE = "SIMULATION_BROKEN_PROMISE"
"""The environment variable that tells a worker's process what is broken in it."""


def break_worker(name: str) -> None:
    """Break this process, a worker that hasn't begun to work."""
    if (in_worker := MUTATIONS[name].in_worker) is not None:
        in_worker()


def break_database(connection: Connection, name: str) -> None:
    """Break a database that has its migrations, as its owner."""
    for statement in MUTATIONS[name].in_database:
        connection.execute(text(statement))


def _put(module: object, name: str, value: object) -> None:
    if not hasattr(module, name):
        raise AttributeError(f"{module} has no {name} any more: the mutation breaks nothing")
    setattr(module, name, value)


def _put_text(module: object, name: str, old: str, new: str) -> None:
    """Replace a part of a statement, which has to be there."""
    known = getattr(module, name)
    words = known if isinstance(known, str) else known.text
    if old not in words:
        raise AttributeError(f"{name} has no {old!r} any more: the mutation breaks nothing")
    if isinstance(known, str):
        setattr(module, name, words.replace(old, new))
    else:
        known.text = words.replace(old, new)


def _lock_in_any_order() -> None:
    _put_text(locks, "_LOCK_WANTED", "ORDER BY warehouse_id, product_id", "ORDER BY random()")


def _lock_nothing() -> None:
    _put_text(locks, "_LOCK_WANTED", "FOR NO KEY UPDATE", "")


def _forget_operations() -> None:
    _put_text(operations, "_STORED", "WHERE", "WHERE false AND")
    _put_text(operations, "_INSERT", "ORDER BY operation_id", "ORDER BY operation_id ON CONFLICT DO NOTHING")


def _name_each_attempt() -> None:
    operation_of = writes.operation_of

    def operation_of_this_attempt(step: Step) -> Operation:
        operation, attempt = operation_of(step), activity.info().attempt
        return operation if attempt == 1 else replace(operation, operation_id=f"{operation.operation_id}/{attempt}")

    for module in (writes, stock_steps, document_steps):
        _put(module, "operation_of", operation_of_this_attempt)


def _take_any_repeat() -> None:
    def same(self: StoredOperation, operation: Operation) -> None:
        del self, operation

    _put(StoredOperation, "require_same", same)


def _keep_overdue_holds() -> None:
    def overdue(self: LockedStock, items: Iterable[tuple[int | None, int]], as_of: datetime) -> list[HeldLine]:
        del self, items, as_of
        return []

    _put(LockedStock, "overdue", overdue)


def _decide_by_the_workers_clock() -> None:
    parse = messages.parse

    def parse_at_once(model: type[Message], payload: Sequence[Any]) -> Any:
        read: Any = parse(model, payload)
        return read.model_copy(update={"as_of": datetime.now(UTC)}) if isinstance(read, Step) else read

    _put(edge, "parse", parse_at_once)


def _serve_whoever_comes() -> None:
    def seen(self: Queue, levels: Mapping[ItemKey, Level], of: int | None = None) -> dict[ItemKey, Level]:
        del self, of
        return dict(levels)

    _put(Queue, "seen", seen)


def _keep_cancelled_units() -> None:
    release = holds.release

    def release_no_units(
        stock: LockedStock,
        operation: Operation,
        lines: Sequence[HeldLine],
        status: ReservationStatus,
        **rest: Any,
    ) -> None:
        release(stock, operation, lines, status, **rest)
        if status is ReservationStatus.CANCELLED:
            ledger.reserve_units(stock, wanted_by_item((line.item, line.quantity_open) for line in lines))

    _put(holds, "release", release_no_units)


def leave_parts_held() -> None:
    """Let an order that isn't held whole keep what some databases hold of it."""

    def undo(self: OrderInParts, *answered: object) -> Course:
        del self, answered
        yield from ()

    _put(OrderInParts, "_undo", undo)


def _bring_nothing_back() -> None:
    move_units = ledger.move_units

    def move_units_unless_back(*args: Any, reason: str, **rest: Any) -> None:
        if not reason.startswith("back from"):
            move_units(*args, reason=reason, **rest)

    _put(ledger, "move_units", move_units_unless_back)


def _approve_ones_own() -> None:
    def require_may_approve(self: Approval, person: str) -> None:
        del self, person

    _put(Approval, "require_may_approve", require_may_approve)


def _give_way_in_turn() -> None:
    def giving_way(held: Sequence[ItemHold], units: int, as_of: datetime) -> list[ItemHold]:
        ended: list[ItemHold] = []
        for hold in sorted(held, key=lambda hold: not hold.is_overdue(as_of)):
            if units <= 0:
                break
            ended.append(hold)
            units -= hold.quantity_open
        return ended

    _put(holds, "giving_way", giving_way)


def _commit_without_waiting() -> None:
    sessions._SETTINGS["synchronous_commit"] = "off"


def _order_what_is_ordered() -> None:
    for name in ("_GROUPS", "_SKIPPED", "_COVERED", "_NEEDING", "_STILL_NEEDING"):
        _put_text(reorder, name, "WHERE item.on_order > 0 AND (", "WHERE false AND (")


def _tell_all_but_the_last() -> None:
    insert_events = events.insert_events

    def insert_all_but_the_last(new: Iterable[NewEvent]) -> Statement:
        return insert_events([*new][:-1])

    _put(locked_stock, "insert_events", insert_all_but_the_last)


def _tell_movements_twice() -> None:
    insert_events = events.insert_events

    def insert_twice(new: Iterable[NewEvent]) -> Statement:
        listed = [*new]
        return insert_events([*listed, *(each for each in listed if each.kind is EventKind.STOCK_MOVED)])

    _put(locked_stock, "insert_events", insert_twice)


def _last_expired_first() -> None:
    in_order = lot.in_order

    def in_reverse(lots: Iterable[LotOnHand]) -> list[LotOnHand]:
        return in_order(lots)[::-1]

    _put(lot, "in_order", in_reverse)


def _promise_what_has_expired() -> None:
    def may_leave(self: LotOnHand, today: date) -> bool:
        del today
        return self.status is LotStatus.AVAILABLE

    _put(LotOnHand, "may_leave", may_leave)


def _promise_what_is_blocked() -> None:
    def may_leave(self: LotOnHand, today: date) -> bool:
        return self.facts.expires_on is None or self.facts.expires_on >= today

    _put(LotOnHand, "may_leave", may_leave)


_ANYBODY_MAY_APPROVE = """
    CREATE OR REPLACE FUNCTION is_approved(required integer, approvers text[], involved text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT count(DISTINCT lower(approver)) >= required FROM unnest(approvers) AS approver)
"""

MUTATIONS: Mapping[str, Mutation] = {
    # Two transactions meet in a moment; a third has them wait in the middle of it.
    "lock_order": Mutation("items are locked in any order", ("hot",), _lock_in_any_order, workers=5),
    "lock": Mutation(
        "items aren't locked, and the database's checks behind that are gone",
        ("hot",),
        _lock_nothing,
        (
            "ALTER TABLE inventory_items DROP CONSTRAINT inventory_items_never_oversold",
            "DROP TRIGGER stock_movements_are_on_hand ON stock_movements",
            "DROP TRIGGER stock_movements_follow_each_other ON stock_movements",
            "DROP TRIGGER inventory_items_need_a_movement ON inventory_items",
        ),
    ),
    "operation": Mutation(
        "operations that were carried out aren't found again", ("reservation", "transfer"), _forget_operations
    ),
    "attempt": Mutation(
        "a second attempt at a step counts as another operation",
        ("reservation", "waiting"),
        _name_each_attempt,
        more="answer",
    ),
    "contents": Mutation(
        "a repeat with other contents is taken for the same", ("reservation", "transfer"), _take_any_repeat
    ),
    "commit": Mutation(
        "commits don't wait until they are stored", ("reservation", "hot"), _commit_without_waiting, more="crash"
    ),
    "append_only": Mutation(
        "the ledger's past can be changed",
        ("reservation", "hot"),
        in_database=("DROP TRIGGER stock_movements_append_only ON stock_movements",),
    ),
    "deadline": Mutation("an overdue hold keeps its units from a buyer", ("waiting",), _keep_overdue_holds),
    "clock": Mutation(
        "steps decide by the worker's clock, not by the workflow's",
        ("waiting", "hot"),
        _decide_by_the_workers_clock,
        more="clock",
    ),
    "queue": Mutation("whoever comes takes the units that others wait for", ("waiting",), _serve_whoever_comes),
    "release": Mutation("a hold that is cancelled keeps its units", ("waiting", "adjustment"), _keep_cancelled_units),
    "parts": Mutation("what one database holds stays held where another is short", ("parts",), leave_parts_held),
    "compensation": Mutation(
        "units of a transfer cancelled on the way don't come back", ("transfer",), _bring_nothing_back
    ),
    "four_eyes": Mutation(
        "one may approve one's own request",
        ("adjustment", "purchase-order"),
        _approve_ones_own,
        (_ANYBODY_MAY_APPROVE,),
    ),
    "giving_way": Mutation(
        "the first promise gives way to a correction, not the last", ("adjustment",), _give_way_in_turn
    ),
    "event_missed": Mutation("the last event of a transaction isn't told", ("reservation",), _tell_all_but_the_last),
    "event_doubled": Mutation("movements are told twice", ("reservation",), _tell_movements_twice),
    "fefo": Mutation("the lot that lasts longest is held first", ("lot",), _last_expired_first),
    "expiry": Mutation("a lot that has expired is promised", ("lot",), _promise_what_has_expired),
    "block": Mutation(
        "a lot that is blocked is promised, and the database's checks behind that are gone",
        ("lot",),
        _promise_what_is_blocked,
        (
            "DROP TRIGGER reservation_lots_are_available ON reservation_lots",
            "DROP TRIGGER lots_are_stopped ON lots",
        ),
    ),
    "cover": Mutation("a reorder run orders what is on order", ("reorder", "plan"), _order_what_is_ordered),
}
