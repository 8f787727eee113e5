"""Steps and questions that follow a warehouse to its new database (ADR 0085).

A run stays on its task queue, and so with the workers of the database where it began. When its document has left with
its warehouse, these workers carry its steps out in the database where that is now, and answer questions about it from
there. Nothing of the run changes.

That costs nothing as long as no warehouse moves: what is known of that may be some seconds old, because a move is
announced for longer than that before anything leaves (`contracts.policies.MOVE_IS_KNOWN_AFTER`). Otherwise it is looked
for after each step: one that found its rows had them locked, so its document left later, with the step's effect, and
carrying it out once more in the new place finds it done. One that found them gone has changed nothing.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.settings import WorkerSettings
from database.homes import Moving, read_moved_run, read_moves
from database.sessions import Database
from stockkeeper.contracts.documents import ShowDocument
from stockkeeper.contracts.homes import ShowHomes, asks_by_place, places_of
from stockkeeper.contracts.messages import Step
from stockkeeper.contracts.operation import FindOperation
from stockkeeper.contracts.outage import DATABASE_AWAY, DATABASE_BUSY
from stockkeeper.contracts.policies import MOVES_ARE_READ_AFTER
from stockkeeper.contracts.processes import DOCUMENTS
from stockkeeper.domain.errors import WarehouseElsewhere, WarehouseMoving

S = TypeVar("S", bound=WorkerSettings)

_COME_AGAIN = timedelta(milliseconds=500)
_UNDER_WAY = frozenset({"LEAVING", "DRAINING", "EXPECTED", "ARRIVING"})
_ALONE = frozenset({"DRAINING", "EXPECTED", "ARRIVING"})

ALONE: ContextVar[frozenset[int]] = ContextVar("alone", default=frozenset())
"""The warehouses that no new order or transfer may join with others, for the step that this thread carries out."""


def require_not_joined(places: Sequence[int], alone: frozenset[int], *, is_part: bool = False) -> None:
    """Refuse to join a warehouse that is about to move with others.

    Args:
        places: The warehouses of a new order or transfer.
        alone: Those that may not be joined; see `ALONE`.
        is_part: Whether it has more of them in another database.

    Raises:
        WarehouseMoving: One of them is such a warehouse.
    """
    if alone and (is_part or len(set(places)) > 1):
        for place in places:
            if place in alone:
                raise WarehouseMoving.of(place)


@dataclass(frozen=True)
class _View:
    """What is known of moves.

    Attributes:
        read_at: Since when.
        moves: All of them.
        have_left: Whether documents have left.
    """

    read_at: float = float("-inf")
    moves: Sequence[Moving] = ()
    have_left: bool = False

    @property
    def is_under_way(self) -> bool:
        """Whether a warehouse is on a move, so that the next look may tell something else."""
        return any(each.state in _UNDER_WAY for each in self.moves)

    def of(self, places: Sequence[int | str], states: frozenset[str]) -> Moving | None:
        """A warehouse that is named and is in one of these states."""
        named = {place.lower() if isinstance(place, str) else place for place in places}
        for each in self.moves:
            if each.state in states and not named.isdisjoint({each.warehouse_id, each.name.lower()}):
                return each
        return None


class Following:
    """Carries out what a worker is asked for where the warehouse is.

    Args:
        database: The worker's database.
        others: Makes the activities on other databases, by their task queues, when they are first needed.
    """

    def __init__(self, database: Database, others: Mapping[str, Callable[[], "Elsewhere"]]) -> None:
        self._database = database
        self._others = others
        self._known = _View()
        self._there: dict[str, Elsewhere] = {}
        self._making = Lock()

    @asynccontextmanager
    async def while_working(self) -> AsyncIterator[None]:
        """Close the connections to other databases when the worker has ended."""
        try:
            yield
        finally:
            self.close()

    def close(self) -> None:
        """Close the connections to other databases."""
        with self._making:
            for there in self._there.values():
                there.close()
            self._there.clear()

    def carry_out(self, implementation: Callable[[Any], Any], message: BaseModel, *, of: int | None = None) -> Any:
        """Carry out an activity, here or where the warehouse is.

        Args:
            implementation: The activity on this database, a method of its class.
            message: Its step or question.
            of: The warehouse with which its document has come here; None: it was asked for here.

        Raises:
            WarehouseElsewhere: It is about a warehouse that has left.
            ApplicationError: The warehouse is on its way: it is tried again.
        """
        run = _run_of(message)
        view = self._look(anew=of is not None)
        self._require_arrived(view, message, of)
        if run is not None and (gone := self._gone(view, run)) is not None:
            return self._elsewhere(*gone).carry_out(implementation, message, gone[0])
        alone = frozenset(each.warehouse_id for each in view.moves if each.state in _ALONE)
        token = ALONE.set(alone)
        try:
            answer = implementation(message)
        except Exception:
            if (gone := self._gone_meanwhile(message, run, has_failed=True)) is None:
                raise
        else:
            if (gone := self._gone_meanwhile(message, run, has_failed=False)) is None:
                return answer
        finally:
            ALONE.reset(token)
        return self._elsewhere(*gone).carry_out(implementation, message, gone[0])

    def _look(self, *, anew: bool = False) -> _View:
        """What is known of moves, at most so old that none can have taken a warehouse away since."""
        now = time.monotonic()
        known = self._known
        if anew or known.is_under_way or now - known.read_at > MOVES_ARE_READ_AFTER.total_seconds():
            with self._database.snapshot() as connection:
                moves, have_left = read_moves(connection)
            self._known = known = _View(now, moves, have_left)
        return known

    def _gone(self, view: _View, run: str) -> tuple[int, str] | None:
        """The warehouse with which a run's document has left, and where that is; None: it hasn't."""
        if not view.have_left:
            return None
        with self._database.snapshot() as connection:
            return read_moved_run(connection, run)

    def _gone_meanwhile(self, message: BaseModel, run: str | None, *, has_failed: bool) -> tuple[int, str] | None:
        """The same after an attempt, of which it may have been the reason that it failed or found nothing."""
        view = self._look()
        if run is not None and (gone := self._gone(view, run)) is not None:
            return gone
        if has_failed or not isinstance(message, Step):
            left = view.of(places_of(message), frozenset({"GONE"}))
            if left is not None:
                raise WarehouseElsewhere.of(left.warehouse_id, left.task_queue)
        return None

    def _require_arrived(self, view: _View, message: BaseModel, of: int | None) -> None:
        """Have a step or question tried again while the rows of its warehouse are being inserted here."""
        if of is not None:
            waits_for = view.of([of], frozenset({"EXPECTED", "ARRIVING"}))
        elif isinstance(message, Step | ShowHomes) or not asks_by_place(message):
            return
        else:
            arriving = [each.warehouse_id for each in view.moves if each.state == "ARRIVING"]
            waits_for = view.of(places_of(message) or arriving, frozenset({"ARRIVING"}))
        if waits_for is not None:
            raise ApplicationError(
                f"warehouse {waits_for.warehouse_id} is on its way to this database",
                type=DATABASE_BUSY,
                next_retry_delay=_COME_AGAIN,
            )

    def _elsewhere(self, warehouse_id: int, task_queue: str) -> "Elsewhere":
        """The activities on another database.

        Raises:
            ApplicationError: This worker doesn't know its URL; it is tried again.
        """
        with self._making:
            if task_queue not in self._there:
                if (make := self._others.get(task_queue)) is None:
                    raise ApplicationError(
                        f"warehouse {warehouse_id} has moved to the database of task queue {task_queue}, which this "
                        "worker doesn't know: set STOCKKEEPER_DATABASE_URLS",
                        type=DATABASE_AWAY,
                    )
                self._there[task_queue] = make()
            return self._there[task_queue]


class Elsewhere:
    """The activities on another database, for those that follow a warehouse there.

    Args:
        database: The other database, which is closed with this.
        following: Follows on from there, if the warehouse has left that database, too.
        steps: The implementations of all activities on it.
    """

    def __init__(self, database: Database, following: Following, steps: Sequence[object]) -> None:
        self._database = database
        self._following = following
        self._steps = {type(each): each for each in steps}

    def close(self) -> None:
        """Close the connections to it, and to those that were followed from there."""
        self._following.close()
        self._database.engine.dispose()

    def carry_out(self, implementation: Callable[[Any], Any], message: BaseModel, of: int) -> Any:
        """Carry out an activity there; see `Following.carry_out`."""
        of_there = self._steps[type(vars_of(implementation))]
        return self._following.carry_out(getattr(of_there, implementation.__name__), message, of=of)


def following_of(
    database: Database,
    settings: S,
    make: Callable[[S], tuple[Database, Sequence[object]]],
) -> Following | None:
    """What carries steps and questions out where their warehouse is; None: there is one database.

    Args:
        database: The worker's database.
        settings: The worker's settings.
        make: Makes another database and the activities on it, by the same settings with its URL.
    """
    if not settings.databases:
        return None

    def elsewhere(url: SecretStr) -> Elsewhere:
        there = settings.model_copy(update={"database_url": url})
        found, steps = make(there)
        return Elsewhere(found, following_of(found, there, make) or Following(found, {}), steps)

    return Following(database, {queue: partial(elsewhere, url) for queue, url in settings.urls.items()})


def vars_of(implementation: Callable[[Any], Any]) -> object:
    """The object of whose class a bound method is."""
    owner: object = getattr(implementation, "__self__")  # noqa: B009 - a Callable has none, for mypy
    return owner


def _run_of(message: BaseModel) -> str | None:
    """The workflow id of the run that asks, or that the question is about."""
    if isinstance(message, ShowDocument):
        return DOCUMENTS[message.kind].id_of(message.number)
    if isinstance(message, FindOperation):
        return message.workflow_id
    return activity.info().workflow_id if activity.in_activity() else None
