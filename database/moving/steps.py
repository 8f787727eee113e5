"""The steps of a move, each in one transaction of each database that it changes; each may be repeated.

The point of no return is the commit at the source, in `switch`: before it the warehouse is as it was, after it the
rows are in the staging area of the target and nowhere else.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.errors import LockNotAvailable, QueryCanceled
from psycopg.types.json import Jsonb

from database.clock import day_of
from database.moving import copying
from database.moving.copying import (
    Session,
    act_as_replica,
    columns_of,
    in_one_go,
    key_of,
    names,
    phrase,
    staged,
    staging_of,
)
from database.moving.crossing import shared
from database.moving.parts import MOVEMENTS, PARTS, RUNS, TRANSFER_LINES, TRANSFERS, TRANSIT
from database.moving.suppliers import measure_suppliers
from stockkeeper.domain.errors import InvalidRequest, InvalidState

_HERE = "SELECT task_queue, catalogue FROM this_database"
_PLACE = "SELECT task_queue, version FROM warehouse_places WHERE warehouse_id = %s"
_MOVE = "SELECT state, version, task_queue, other FROM warehouse_moves WHERE warehouse_id = %s"
_ANNOUNCE = """
    INSERT INTO warehouse_moves AS known (warehouse_id, version, state, task_queue, other)
    VALUES (%(warehouse)s, %(version)s, %(state)s, %(task_queue)s, %(other)s)
    ON CONFLICT (warehouse_id) DO UPDATE SET version = excluded.version, state = excluded.state,
        task_queue = excluded.task_queue, other = excluded.other
"""
_SET_STATE = "UPDATE warehouse_moves SET state = %s WHERE warehouse_id = %s AND version = %s AND state = ANY (%s)"
_FORGET = "DELETE FROM warehouse_moves WHERE warehouse_id = %s AND version = %s"
_ALONE = "SELECT pg_try_advisory_lock(hashtextextended('move of warehouse ' || %s, 0))"
_GO_HOME = """
    INSERT INTO warehouse_homes AS home (warehouse_id, task_queue, version)
    VALUES (%(warehouse)s, %(task_queue)s, %(version)s)
    ON CONFLICT (warehouse_id) DO UPDATE SET task_queue = excluded.task_queue, version = excluded.version
        WHERE home.version < excluded.version
"""

# Documents first, as in every transaction (`database.locks`); before them the warehouse, which every new row names.
_LOCKS = (
    "SELECT FROM warehouses WHERE warehouse_id = %(warehouse)s FOR UPDATE",
    "SELECT FROM warehouse_moves WHERE warehouse_id = %(warehouse)s FOR UPDATE",
    """
    SELECT FROM waits WHERE wait_id IN (SELECT wait_id FROM waiting_lines WHERE warehouse_id = %(warehouse)s)
    ORDER BY wait_id FOR UPDATE
    """,
    "SELECT FROM purchase_orders WHERE warehouse_id = %(warehouse)s ORDER BY po_id FOR UPDATE",
    """
    SELECT FROM transfer_orders WHERE %(warehouse)s IN (from_warehouse_id, to_warehouse_id)
    ORDER BY transfer_id FOR UPDATE
    """,
    "SELECT FROM cycle_counts WHERE warehouse_id = %(warehouse)s ORDER BY count_id FOR UPDATE",
    "SELECT FROM returns WHERE warehouse_id = %(warehouse)s ORDER BY return_id FOR UPDATE",
    "SELECT FROM adjustments WHERE warehouse_id = %(warehouse)s ORDER BY adjustment_id FOR UPDATE",
    "SELECT FROM inventory_items WHERE warehouse_id = %(warehouse)s ORDER BY product_id FOR UPDATE",
    "SELECT FROM demand_days WHERE warehouse_id = %(warehouse)s FOR UPDATE",
)

# Where the other end of a transfer is kept here, it stays and says where this end is.
_OTHER_END_IS_HERE = """
    CASE WHEN from_warehouse_id = %(warehouse)s THEN destination_at ELSE source_at END IS NULL
"""
_TRANSFERS_STAY = f"""
    UPDATE transfer_orders SET
        source_at = CASE WHEN from_warehouse_id = %(warehouse)s THEN %(to)s ELSE source_at END,
        destination_at = CASE WHEN to_warehouse_id = %(warehouse)s THEN %(to)s ELSE destination_at END
    WHERE %(warehouse)s IN (from_warehouse_id, to_warehouse_id) AND {_OTHER_END_IS_HERE}
"""  # noqa: S608 - constants only
_TRANSFERS_LEAVE = tuple(
    f"DELETE FROM {table} WHERE transfer_id IN (SELECT transfer_id FROM transfer_orders "  # noqa: S608
    f"WHERE %(warehouse)s IN (from_warehouse_id, to_warehouse_id) AND NOT {_OTHER_END_IS_HERE})"
    for table in (TRANSIT.table, TRANSFER_LINES.table, TRANSFERS.table)
)


_RUNS_LEAVE = f"""
    INSERT INTO moved_runs (workflow_id, warehouse_id, task_queue)
    SELECT workflow_id, %(warehouse)s, %(to)s FROM ({RUNS}) AS run
    ON CONFLICT (workflow_id) DO UPDATE SET warehouse_id = excluded.warehouse_id, task_queue = excluded.task_queue
"""  # noqa: S608 - constants only
# Whoever follows the events here forgets all that names the warehouse; whoever follows them there is told all of it.
_TELL_THAT_IT_LEFT = """
    INSERT INTO outbox (
        kind, subject, warehouse_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
    SELECT 'warehouse.left', 'warehouse/' || warehouse_id, warehouse_id,
        jsonb_build_object('warehouse_id', warehouse_id, 'warehouse', name, 'database', %(to)s::text),
        clock_timestamp(), %(mover)s, %(why)s, %(name)s, '', ''
    FROM warehouses WHERE warehouse_id = %(warehouse)s
"""
_TELL_WHAT_CAME = "SELECT tell_what_is_there(%(warehouse)s, %(name)s, %(mover)s, %(why)s, %(days)s)"
_TIMEZONE = "SELECT timezone, clock_timestamp() FROM warehouses WHERE warehouse_id = %(warehouse)s"

_RUNS_ARE_BACK = f"DELETE FROM moved_runs WHERE workflow_id IN ({RUNS})"  # noqa: S608 - constants only


@dataclass(frozen=True)
class Move:
    """A move, as its steps know it.

    Attributes:
        warehouse_id: The warehouse.
        source: The task queue of the database that it leaves.
        target: That of the one that it goes to.
        version: The version of its place once it has moved.
    """

    warehouse_id: int
    source: str
    target: str
    version: int

    @property
    def values(self) -> dict[str, Any]:
        """For statements."""
        return {"warehouse": self.warehouse_id, "from": self.source, "to": self.target, "version": self.version}

    @property
    def told(self) -> dict[str, Any]:
        """The same for the statements that write events: their operation, who is behind it, and why."""
        why = f"the warehouse has moved from {self.source} to {self.target}"
        name = f"move/{self.warehouse_id}/{self.version}"
        return self.values | {"name": name, "mover": "stockkeeper mover", "why": why}


@dataclass(frozen=True)
class Tried:
    """What came of an attempt to switch.

    Attributes:
        has_switched: Whether the warehouse has left.
        waits_for: What it shares with other warehouses and isn't over; or what holds a lock.
        rows: How many rows have left.
    """

    has_switched: bool
    waits_for: list[str]
    rows: int = 0


def let_nobody_else_move(connection: Session, warehouse_id: int) -> bool:
    """Let no other connection carry out a step of this warehouse's move here, as long as this one lasts.

    An attempt that Temporal has given up, because its process was silent, may still go on: what it stages after another
    attempt has compared it would be lost or doubled.

    Returns:
        False: Another one does.
    """
    [is_alone] = connection.execute(_ALONE, [str(warehouse_id)]).fetchone() or (False,)
    return bool(is_alone)


def announce(source: Session, target: Session, warehouse_id: int, to: str) -> Move:
    """Let both databases know that a warehouse is going to move. Nothing changes for it.

    Raises:
        InvalidRequest: It is there already, or the databases aren't what they should be.
        InvalidState: It is on another move.
    """
    [here, there] = [_name_of(each) for each in (source, target)]
    if there != to:
        raise InvalidRequest(f"the database given for task queue {to} is that of {there}")
    place = source.execute(_PLACE, [warehouse_id]).fetchone()
    if place is None or target.execute(_PLACE, [warehouse_id]).fetchone() is None:
        raise InvalidRequest(f"there is no warehouse {warehouse_id} in both databases: wait for the catalogue's copy")
    if place[0] != here:
        raise InvalidRequest(f"warehouse {warehouse_id} is kept in the database of task queue {place[0]}")
    for each in (source, target):
        known = each.execute(_MOVE, [warehouse_id]).fetchone()
        if known is not None and known[0] not in ("GONE", "HERE") and known[3] not in (here, to):
            raise InvalidState(f"warehouse {warehouse_id} is on its way to {known[3]}", "MOVING", "move")
    move = Move(warehouse_id, here, to, place[1] + 1)
    with target.transaction():
        act_as_replica(target)
        target.execute(_ANNOUNCE, move.values | {"state": "EXPECTED", "task_queue": here, "other": here})
    with source.transaction():
        act_as_replica(source)
        source.execute(_ANNOUNCE, move.values | {"state": "LEAVING", "task_queue": here, "other": to})
    return move


def drain(source: Session, move: Move) -> None:
    """Let no new order or transfer join the warehouse with another one."""
    with source.transaction():
        source.execute(_SET_STATE, ["DRAINING", move.warehouse_id, move.version, ["LEAVING"]])


def give_up(source: Session, target: Session, move: Move) -> bool:
    """Forget a move that hasn't switched.

    Returns:
        Whether it is given up: a warehouse that has left has to arrive.
    """
    with source.transaction():
        source.execute("SELECT FROM warehouse_moves WHERE warehouse_id = %s FOR UPDATE", [move.warehouse_id])
        if has_left(source, move):
            return False
        _forget(source, move)
    with target.transaction():
        if _forget(target, move):
            _drop_staging(target, move.warehouse_id)
    return True


def switch(source: Session, target: Session, move: Move) -> Tried:
    """Take the warehouse away from the source, once all of it is staged at the target; or change nothing.

    Locks: the warehouse and its move, its open waits and documents, its items.

    Raises:
        InvalidState: Keys of its rows are taken at the target; or the move was given up.
    """
    if has_left(source, move):
        return Tried(has_switched=True, waits_for=[])
    with target.transaction():
        target.execute(_SET_STATE, ["ARRIVING", move.warehouse_id, move.version, ["EXPECTED"]])
    tried = Tried(has_switched=False, waits_for=[])
    try:
        tried = _switch(source, target, move)
    except (LockNotAvailable, QueryCanceled):
        tried = Tried(has_switched=False, waits_for=["a transaction that holds rows of the warehouse"])
    finally:
        if not tried.has_switched and not has_left(source, move):
            with target.transaction():
                target.execute(_SET_STATE, ["EXPECTED", move.warehouse_id, move.version, ["ARRIVING"]])
    return tried


def _switch(source: Session, target: Session, move: Move) -> Tried:
    with source.transaction():
        act_as_replica(source)
        in_one_go(source, map(phrase, _LOCKS), move.values)
        if has_left(source, move):
            return Tried(has_switched=True, waits_for=[])
        _require_announced(source, target, move)
        if waits_for := shared(source, target, move.warehouse_id):
            return Tried(has_switched=False, waits_for=waits_for)
        with target.transaction():
            copying.catch_up(source, target, move.warehouse_id)
            source.execute(_RUNS_LEAVE, move.values)
            rows = _take(source, target, move)
            _require_keys_to_be_free(target, move)
        _leave_transfers(source, move)
        source.execute(
            "UPDATE warehouse_moves SET state = 'GONE', task_queue = %(to)s, version = %(version)s "
            "WHERE warehouse_id = %(warehouse)s",
            move.values,
        )
        source.execute(_TELL_THAT_IT_LEFT, move.told)
        _go_home(source, move)
    return Tried(has_switched=True, waits_for=[], rows=rows)


def _require_announced(source: Session, target: Session, move: Move) -> None:
    """Refuse to let a warehouse go on a move that one of the databases doesn't know: no caller would find it again.

    Raises:
        InvalidState: The move was given up.
    """
    known = target.execute(_MOVE, [move.warehouse_id]).fetchone()
    is_expected = known is not None and (known[0], known[1]) == ("ARRIVING", move.version)
    if not (is_expected and is_announced(source, move)):
        raise InvalidState(f"the move of warehouse {move.warehouse_id} was given up", "CANCELLED", "move")


def _leave_transfers(source: Session, move: Move) -> None:
    """Of a transfer whose other end is kept here, only that is here from now on; others are not."""
    source.execute(_TRANSFERS_STAY, move.values)
    for leave in _TRANSFERS_LEAVE:
        source.execute(leave, move.values)


def _take(source: Session, target: Session, move: Move) -> int:
    """Take the rows away, of which exactly the same are staged."""
    for _ in range(2):
        staged_now = copying.sums_staged(target, move.warehouse_id)
        source.execute("SAVEPOINT before_it_leaves")
        taken = copying.take(source, move.warehouse_id)
        if taken == staged_now:
            return sum(each.rows for each in taken)
        source.execute("ROLLBACK TO SAVEPOINT before_it_leaves")
        for part, was, copied in zip(PARTS, taken, staged_now, strict=True):
            if was != copied:
                copying.copy_again(source, target, move.warehouse_id, part)
    raise RuntimeError("what is staged isn't what the warehouse has")


def _require_keys_to_be_free(target: Session, move: Move) -> None:
    """Refuse where a row of another warehouse has the key of one that is coming.

    Raises:
        InvalidState: There is one.
    """
    kept = [part for part in PARTS if not (part.anew or part.if_new or part.replaces)]
    parts = [part for part in kept if part not in (TRANSFERS, TRANSFER_LINES, TRANSIT)]
    taken = (
        sql.SQL("SELECT EXISTS (SELECT FROM {} AS coming JOIN {} AS known ON {})").format(
            staged(move.warehouse_id, part),
            sql.Identifier(part.table),
            sql.SQL(" AND ").join(
                sql.SQL("known.{0} = coming.{0}").format(sql.Identifier(key)) for key in key_of(part)
            ),
        )
        for part in parts
    )
    for part, (_, [is_taken]) in zip(parts, in_one_go(target, taken, {}), strict=True):
        if is_taken:
            raise InvalidState(
                f"{part.table} of both databases have the same keys: let each count in a range of its own "
                "(docs/several-databases.md); this warehouse can't move",
                "DRAINING",
                "move",
            )


def arrive(target: Session, move: Move) -> int:
    """Let the warehouse be at the target, with all that is staged.

    Returns:
        How many rows have come; 0: it was there already.
    """
    with target.transaction():
        act_as_replica(target)
        known = target.execute(f"{_MOVE} FOR UPDATE", [move.warehouse_id]).fetchone()
        if known is None or (known[0] == "HERE" and known[1] == move.version):
            return 0
        _give_places_in_queues_anew(target, move)
        _take_in_transfers(target, move)
        came = _take_in(target, move)
        _point_at_movements(target, move)
        measure_suppliers(target, move.warehouse_id)
        target.execute(_RUNS_ARE_BACK, move.values)
        target.execute(
            "UPDATE warehouse_moves SET state = 'HERE', task_queue = %(to)s WHERE warehouse_id = %(warehouse)s",
            move.values,
        )
        target.execute(_TELL_WHAT_CAME, move.told | {"days": _days(target, move)})
        _go_home(target, move)
    return came


def _days(target: Session, move: Move) -> Jsonb:
    """The day that the warehouse has, by its own clock; by its id."""
    [(timezone, now)] = target.execute(_TIMEZONE, move.values).fetchall()
    return Jsonb({str(move.warehouse_id): day_of(now, timezone).isoformat()})


def _take_in(target: Session, move: Move) -> int:
    """Insert what is staged."""
    statements: list[sql.Composable] = []
    for part in PARTS:
        of, table = staged(move.warehouse_id, part), sql.Identifier(part.table)
        own = sql.SQL("DELETE FROM {} WHERE {}").format(table, phrase(part.where if part.replaces else "false"))
        columns = names(columns_of(part, written=True))
        order = sql.SQL("ORDER BY {}").format(sql.Identifier(part.order)) if part.order else sql.SQL("")
        taken = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} {} {}").format(
            table, columns, columns, of, order, sql.SQL("ON CONFLICT DO NOTHING" if part.if_new else "")
        )
        statements += [own, taken, sql.SQL("SELECT count(*) FROM {}").format(of)]
    found = in_one_go(target, statements, move.values)
    came = [rows for rows, _ in found[1::3]]
    for part, rows, (_, [expected]) in zip(PARTS, came, found[2::3], strict=True):
        if rows != expected and not part.if_new:
            raise RuntimeError(f"{expected} rows of {part.table} were staged, and {rows} have come")
    return sum(came)


def _give_places_in_queues_anew(target: Session, move: Move) -> None:
    """Orders that wait keep their order among each other, and are before those that begin to wait here."""
    schema = sql.Identifier(staging_of(move.warehouse_id))
    target.execute(
        sql.SQL(
            "CREATE TEMP TABLE places ON COMMIT DROP AS SELECT wait_id, "
            "nextval(pg_get_serial_sequence('reservations', 'reservation_id')) AS anew "
            "FROM (SELECT wait_id FROM {}.waits ORDER BY wait_id) AS waiting"
        ).format(schema)
    )
    for table in ("waits", "waiting_lines"):
        target.execute(
            sql.SQL("UPDATE {} AS old SET wait_id = anew FROM places WHERE old.wait_id = places.wait_id").format(
                sql.Identifier(staging_of(move.warehouse_id), table)
            )
        )


def _take_in_transfers(target: Session, move: Move) -> None:
    """Of a transfer, this end is here now; and where the other end is kept here, it is known here already."""
    headers = staged(move.warehouse_id, TRANSFERS)
    mirrored = sql.SQL(
        "SELECT coming.transfer_id FROM {} AS coming JOIN transfer_orders AS known USING (transfer_number)"
    ).format(headers)
    target.execute(
        sql.SQL(
            "UPDATE transfer_orders SET source_at = NULL, destination_at = NULL "
            "WHERE transfer_number IN (SELECT transfer_number FROM {})"
        ).format(headers)
    )
    for part in (TRANSIT, TRANSFER_LINES, TRANSFERS):
        target.execute(
            sql.SQL("DELETE FROM {} WHERE transfer_id IN ({})").format(staged(move.warehouse_id, part), mirrored)
        )
    target.execute(
        sql.SQL(
            "UPDATE {} SET "
            "source_at = CASE WHEN from_warehouse_id = %(warehouse)s THEN NULL ELSE coalesce(source_at, %(from)s) END, "
            "destination_at = CASE WHEN to_warehouse_id = %(warehouse)s THEN NULL "
            "ELSE coalesce(destination_at, %(from)s) END"
        ).format(headers),
        move.values,
    )


def _point_at_movements(target: Session, move: Move) -> None:
    """Counts remember the latest correction that they have seen, by its key, which is another one now."""
    target.execute(
        sql.SQL("""
            UPDATE cycle_count_entries AS entry SET last_correction = anew.movement_id
            FROM {} AS seen JOIN stock_movements AS anew USING (warehouse_id, product_id, created_at)
            WHERE seen.movement_id = entry.last_correction
                -- The lots of an operation move at the same time.
                AND seen.lot_number IS NOT DISTINCT FROM anew.lot_number
                AND entry.count_id IN (SELECT count_id FROM {})
        """).format(staged(move.warehouse_id, MOVEMENTS), sql.Identifier(staging_of(move.warehouse_id), "cycle_counts"))
    )


def go_home(catalogue: Session, move: Move) -> None:
    """Let the directory have the new place, and with it all databases."""
    with catalogue.transaction():
        act_as_replica(catalogue)
        _go_home(catalogue, move)


def clear(target: Session, move: Move) -> None:
    """Drop what was staged, unless the warehouse is on its next move."""
    with target.transaction():
        known = target.execute(f"{_MOVE} FOR UPDATE", [move.warehouse_id]).fetchone()
        if known is not None and (known[0], known[1]) == ("HERE", move.version):
            _drop_staging(target, move.warehouse_id)


def _drop_staging(target: Session, warehouse_id: int) -> None:
    target.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(staging_of(warehouse_id))))


def _go_home(connection: Session, move: Move) -> None:
    """Change the directory, if this database keeps it."""
    here, catalogue = connection.execute(_HERE).fetchone() or ("", "-")
    if here == catalogue:
        connection.execute(_GO_HOME, move.values | {"task_queue": move.target})


def is_home(connection: Session, warehouse_id: int) -> bool:
    """Whether a database keeps a warehouse, as far as it knows."""
    here, _ = connection.execute(_HERE).fetchone() or (None, None)
    place = connection.execute(_PLACE, [warehouse_id]).fetchone()
    return place is not None and place[0] == here


def has_left(source: Session, move: Move) -> bool:
    """Whether the warehouse has left its database on this move."""
    known = source.execute(_MOVE, [move.warehouse_id]).fetchone()
    return known is not None and (known[0], known[1]) == ("GONE", move.version)


def is_announced(source: Session, move: Move) -> bool:
    """Whether the warehouse is on this move, and hasn't left."""
    known = source.execute(_MOVE, [move.warehouse_id]).fetchone()
    return known is not None and known[0] in ("LEAVING", "DRAINING") and known[1] == move.version


def _forget(connection: Session, move: Move) -> bool:
    """Let a database know of a warehouse what the directory says; whether it has known of the move."""
    act_as_replica(connection)
    return connection.execute(_FORGET, [move.warehouse_id, move.version]).rowcount > 0


def _name_of(connection: Session) -> str:
    found = connection.execute(_HERE).fetchone()
    if found is None:
        raise InvalidRequest("a database given for a move doesn't know that it is one of several")
    return str(found[0])
