"""The steps of a move, by the worker of moves, which acts as the owner of all databases (ADR 0085)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from temporalio import activity
from temporalio.exceptions import ApplicationError

from database.moving import copying, steps
from database.moving.copying import Session, session
from stockkeeper.contracts.converter import as_application_error
from stockkeeper.contracts.move import MoveActivities, MoveFigures, MoveStep
from stockkeeper.contracts.outage import DATABASE_AWAY, DATABASE_BUSY
from stockkeeper.domain.errors import InvalidRequest


class MoveSteps(MoveActivities):
    """`MoveActivities` on PostgreSQL.

    Args:
        urls: All databases by their task queues, that of the catalogue's first, each as the owner of its tables who may
            set ``session_replication_role``.
    """

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls

    @activity.defn(name="announce_move", no_thread_cancel_exception=True)
    def announce_move(self, step: MoveStep) -> MoveStep:
        """Let both databases know that the warehouse is going to move. Nothing changes for it.

        Raises:
            InvalidRequest: It is there already, or a database isn't known.
            InvalidState: It is on another move.
        """
        source = self._home_of(step)
        if source == step.to:
            raise as_application_error(InvalidRequest(f"warehouse {step.warehouse_id} is kept there already"))
        with self._both(step.model_copy(update={"source": source})) as (here, there):
            move = steps.announce(here, there, step.warehouse_id, step.to)
        return step.model_copy(update={"source": move.source, "version": move.version})

    @activity.defn(name="copy_warehouse", no_thread_cancel_exception=True)
    def copy_warehouse(self, step: MoveStep) -> MoveFigures:
        """Copy the warehouse's rows into a staging area, as they are at one instant. Locks nothing."""
        with self._both(step) as (here, there):
            # A late attempt at this step would drop what the next ones have staged.
            if not steps.is_announced(here, _move_of(step)):
                return MoveFigures(has_left=steps.has_left(here, _move_of(step)))
            return MoveFigures(rows=copying.copy_all(here, there, step.warehouse_id))

    @activity.defn(name="drain_warehouse", no_thread_cancel_exception=True)
    def drain_warehouse(self, step: MoveStep) -> MoveFigures:
        """Let nothing new join the warehouse with others."""
        with self._both(step) as (here, _):
            steps.drain(here, _move_of(step))
        return MoveFigures()

    @activity.defn(name="switch_warehouse", no_thread_cancel_exception=True)
    def switch_warehouse(self, step: MoveStep) -> MoveFigures:
        """Let the warehouse leave, if no order or transfer joins it with others and no transaction holds its rows.

        Locks: the warehouse, its waits and documents, its items; at the source, in one transaction.

        Raises:
            InvalidState: Keys of its rows are taken in its new database.
        """
        with self._both(step) as (here, there):
            move = _move_of(step)
            if not steps.has_left(here, move):
                with there.transaction(), here.transaction():
                    here.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    copying.catch_up(here, there, step.warehouse_id)
            tried = steps.switch(here, there, move)
        return MoveFigures(has_left=tried.has_switched, waits_for=tried.waits_for, rows=tried.rows)

    @activity.defn(name="land_warehouse", no_thread_cancel_exception=True)
    def land_warehouse(self, step: MoveStep) -> MoveFigures:
        """Let the warehouse be in its new database, and the directory know of it."""
        move = _move_of(step)
        with self._alone_at(step.to, step) as there:
            rows = steps.arrive(there, move)
        with self._at(next(iter(self._urls))) as catalogue:
            steps.go_home(catalogue, move)
        return MoveFigures(rows=rows, has_left=True)

    @activity.defn(name="clear_move", no_thread_cancel_exception=True)
    def clear_move(self, step: MoveStep) -> MoveFigures:
        """Drop what was staged."""
        with self._alone_at(step.to, step) as there:
            steps.clear(there, _move_of(step))
        return MoveFigures(has_left=True)

    @activity.defn(name="give_move_up", no_thread_cancel_exception=True)
    def give_move_up(self, step: MoveStep) -> MoveFigures:
        """Leave the warehouse where it is, unless it has left."""
        with self._both(step) as (here, there):
            return MoveFigures(has_left=not steps.give_up(here, there, _move_of(step)))

    def _home_of(self, step: MoveStep) -> str:
        for queue in self._urls:
            with self._at(queue) as connection:
                if steps.is_home(connection, step.warehouse_id):
                    return queue
        unknown = f"no database known here keeps warehouse {step.warehouse_id}"
        raise as_application_error(InvalidRequest(f"{unknown}: STOCKKEEPER_DATABASE_URLS has {', '.join(self._urls)}"))

    @contextmanager
    def _both(self, step: MoveStep) -> Iterator[tuple[Session, Session]]:
        with self._alone_at(step.source, step) as here, self._alone_at(step.to, step) as there:
            yield here, there

    @contextmanager
    def _alone_at(self, queue: str, step: MoveStep) -> Iterator[Session]:
        """A database in which no other attempt at a step of this move is under way; if one is, this is tried again."""
        with self._at(queue) as connection:
            if not steps.let_nobody_else_move(connection, step.warehouse_id):
                busy = f"another attempt moves warehouse {step.warehouse_id} in the database of task queue {queue}"
                raise ApplicationError(busy, type=DATABASE_BUSY)
            yield connection

    @contextmanager
    def _at(self, queue: str) -> Iterator[Session]:
        if queue not in self._urls:
            missing = f"STOCKKEEPER_DATABASE_URLS hasn't got the database of task queue {queue}"
            raise as_application_error(InvalidRequest(missing))
        try:
            with session(self._urls[queue]) as connection:
                yield connection
        except psycopg.OperationalError as error:
            words = str(error).strip().partition("\n")[0]
            raise ApplicationError(f"the database of task queue {queue}: {words}", type=DATABASE_AWAY) from None


def _move_of(step: MoveStep) -> steps.Move:
    return steps.Move(step.warehouse_id, step.source, step.to, step.version)
