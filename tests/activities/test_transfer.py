"""A transfer's steps on PostgreSQL: every command in every status, what each leaves behind, and repeats."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.transfer import StoredTransfer
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.transfer import TransferStatus
from tests.support.books import level, nothing_is_stored
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived, lines_of, transfer_stays
from tests.support.transfer import Units
from tests.support.transfer_rows import movements, transit

S = TransferStatus
LATER = NOON + 5 * MINUTE


Command = Callable[[TransferCalls, str, ItemKey], StoredTransfer]
COMMANDS: dict[str, Command] = {
    "dispatch": lambda moving, number, _: moving.dispatch(number, as_of=LATER),
    "receive": lambda moving, number, item: moving.receive(number, "part", arrived(item, 1, 1), as_of=LATER),
    "complete": lambda moving, number, item: moving.receive(number, "all", arrived(item, 3, 2), as_of=LATER),
    "write_off": lambda moving, number, _: moving.write_off(number, as_of=LATER),
    "cancel": lambda moving, number, _: moving.cancel(number, as_of=LATER),
}
# What each command makes of a transfer of five units of which nothing has arrived: its status, its line, and what the
# source and the destination have then, of seven units and two. What isn't here is refused.
Level = tuple[int, int]
AFTER: dict[TransferStatus, dict[str, tuple[TransferStatus, Units, Level, Level]]] = {
    S.PENDING: {
        "dispatch": (S.IN_TRANSIT, Units(5, in_transit=5), (2, 0), (2, 0)),
        "cancel": (S.CANCELLED, Units(5), (7, 0), (2, 0)),
    },
    S.IN_TRANSIT: {
        "receive": (S.IN_TRANSIT, Units(5, received=1, damaged=1, in_transit=3), (2, 0), (3, 0)),
        "complete": (S.RECEIVED, Units(5, received=3, damaged=2), (2, 0), (5, 0)),
        "write_off": (S.RECEIVED, Units(5, written_off=5), (2, 0), (2, 0)),
        "cancel": (S.CANCELLED, Units(5, returned=5), (7, 0), (2, 0)),
    },
    S.RECEIVED: {},
    S.CANCELLED: {},
}


def _in(status: TransferStatus, moving: TransferCalls, shop: Shop) -> tuple[str, ItemKey, ItemKey]:
    """A transfer of five units in this status, its source and its destination."""
    item = shop.item(7)
    there = shop.item(2, product=item.product_id)
    number = moving.held(there.warehouse_id, (item, 5), hours=2)
    ways: dict[TransferStatus, list[Callable[[], StoredTransfer]]] = {
        S.PENDING: [],
        S.IN_TRANSIT: [partial(moving.dispatch, number)],
        S.RECEIVED: [partial(moving.dispatch, number), partial(moving.receive, number, "1", arrived(item, 5))],
        S.CANCELLED: [partial(moving.cancel, number)],
    }
    for step in ways[status]:
        step()
    return number, item, there


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("status", AFTER)
def test_every_command_in_every_status(
    moving: TransferCalls, shop: Shop, engine: Engine, status: TransferStatus, command: str
) -> None:
    number, item, there = _in(status, moving, shop)
    if command in AFTER[status]:
        after, line, at_source, at_destination = AFTER[status][command]
        transfer = COMMANDS[command](moving, number, item)
        assert (transfer.status, lines_of(transfer)) == (after, [line])
        assert (level(engine, item), level(engine, there)) == (at_source, at_destination)
        return
    with transfer_stays(engine, number, item, there):
        assert refused(partial(COMMANDS[command], moving, number, item)) == (
            "InvalidState",
            {"status": status.value, "command": "receive" if command == "complete" else command},
        )


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_on_a_transfer_that_was_never_held(
    moving: TransferCalls, shop: Shop, engine: Engine, command: str
) -> None:
    item, number = shop.item(5), new_reference("t")
    with nothing_is_stored(engine):
        assert refused(partial(COMMANDS[command], moving, number, item)) == ("InvalidRequest", {})


@pytest.mark.parametrize(
    ("status", "end", "closed_by", "reason"),
    [
        (S.PENDING, "cancel", "cancel/", "not needed"),
        (S.IN_TRANSIT, "cancel", "cancel/", "not needed"),
        (S.IN_TRANSIT, "write_off", "write_off/", "lost on the way"),
        (S.IN_TRANSIT, "complete", "receive/all", None),
    ],
)
def test_an_end_is_kept_with_its_time_and_reason(
    moving: TransferCalls,
    shop: Shop,
    engine: Engine,
    status: TransferStatus,
    end: str,
    closed_by: str,
    reason: str | None,
) -> None:
    number, item, _ = _in(status, moving, shop)
    assert COMMANDS[end](moving, number, item).closed_reason == reason
    query = text("SELECT closed_at, closed_reason, closed_by FROM transfer_orders WHERE transfer_number = :number")
    with engine.connect() as connection:
        closed_at, closed_reason, operation = connection.execute(query, {"number": number}).one()
    assert (closed_at, closed_reason) == (LATER, reason)
    assert operation.startswith(f"transfer-{number}/{closed_by}")


@pytest.mark.parametrize(("hours", "due_at"), [(36.5, LATER + timedelta(hours=36.5)), (None, None)])
def test_it_is_due_so_many_hours_after_it_has_left_and_not_after_it_was_asked_for(
    moving: TransferCalls, shop: Shop, hours: float | None, due_at: datetime | None
) -> None:
    number = moving.held(shop.warehouse(), (shop.item(5), 5), hours=hours)
    sent = moving.dispatch(number, as_of=LATER)
    assert (sent.requested_at, sent.dispatched_at, sent.due_at) == (NOON, LATER, due_at)


def test_repeated_commands_answer_with_what_has_become_of_the_transfer(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    item = shop.item(7)
    there = shop.item(2, product=item.product_id)
    for end in (moving.write_off, moving.cancel):
        number = moving.held(there.warehouse_id, (item, 3))
        moving.dispatch(number, operation="1")
        moving.receive(number, "1", arrived(item, 1))
        ended = end(number, operation="1")
        with transfer_stays(engine, number, item, there):
            assert moving.hold(number, there.warehouse_id, (item, 3), as_of=LATER) == ended
            assert moving.dispatch(number, as_of=LATER, operation="1") == ended
            assert moving.receive(number, "1", arrived(item, 1), as_of=LATER) == ended
            assert end(number, as_of=LATER, operation="1") == ended
            assert refused(partial(end, number, "another reason", operation="1")) == ("OperationConflict", {})


def test_a_dispatch_takes_what_was_held_out_of_the_source_and_into_transit(
    moving: TransferCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=10)
    Steps(database).reserve(new_reference(), (tea, 4))
    number = moving.held(shop.warehouse(), (mug, 3), (tea, 2), (mug, 4), hours=36.5)
    assert [level(engine, item) for item in (tea, mug)] == [(10, 6), (10, 7)]
    sent = moving.dispatch(number, as_of=LATER, operation="1")
    assert (sent.status, lines_of(sent)) == (
        S.IN_TRANSIT,
        [Units(3, in_transit=3), Units(2, in_transit=2), Units(4, in_transit=4)],
    )
    assert [level(engine, item) for item in (tea, mug)] == [(8, 4), (3, 0)]
    reason = f"dispatched on transfer {number}"
    assert movements(engine, number) == [
        (*mug, "TRANSFER_OUT", -3, 7, "sid", reason),
        (*tea, "TRANSFER_OUT", -2, 8, "sid", reason),
        (*mug, "TRANSFER_OUT", -4, 3, "sid", reason),
    ]
    assert transit(engine, number) == [
        (line, "DISPATCHED", units, units, None, "sid", reason) for line, units in ((1, 3), (2, 2), (3, 4))
    ]
    written_by = text("""
        SELECT operation_id, workflow_id, run_id FROM stock_movements WHERE reference_id = :number
        UNION SELECT moved.operation_id, moved.workflow_id, moved.run_id
            FROM transit_movements AS moved JOIN transfer_orders USING (transfer_id) WHERE transfer_number = :number
    """)
    ended = text("""
        SELECT status, quantity_fulfilled, closed_at, closed_by FROM reservations
        WHERE (reference_type, reference_id) = ('TRANSFER', :number) ORDER BY reservation_id
    """)
    workflow = f"transfer-{number}"
    with engine.connect() as connection:
        operation = f"{workflow}/dispatch/1"
        assert [tuple(row) for row in connection.execute(written_by, {"number": number})] == [
            (operation, workflow, "run")
        ]
        assert [tuple(row) for row in connection.execute(ended, {"number": number})] == [
            ("FULFILLED", units, LATER, operation) for units in (3, 2, 4)
        ]
