"""The question for events, and the followers who wait for the next one.

All followers of a worker process share one connection that listens. What it hears wakes them in the event loop; they
take neither a thread nor a connection while they wait, and a connection of the pool for the time of a read.
"""

import asyncio
import contextvars
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from temporalio import activity

from activities.listening import Listening
from activities.stock import StockQuestions
from activities.writes import OnDatabase, database_errors
from database.events import CHANNEL, LOOKED_AT, read_events, span
from database.notifications import Notifications
from database.sessions import Database
from stockkeeper.contracts.event import (
    SOURCE,
    TYPES,
    Event,
    EventActivities,
    EventsPage,
    ReadEvents,
    sequence_of,
    subject_of,
    type_of,
)
from stockkeeper.contracts.ledger import BYTES_A_PAGE
from stockkeeper.contracts.policies import events_queue
from stockkeeper.contracts.stock import FindItems
from stockkeeper.domain.errors import EventsForgotten, InvalidRequest

R = TypeVar("R")

READERS = 4
"""Pages that are read at a time: so many of the pool's connections followers take at most."""
_LISTEN_SECONDS = 60.0

_log = logging.getLogger("stockkeeper.events")


class Bell(Listening):
    """Rings in the event loop when events have been numbered, and after a connection was lost that had listened.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(
            database, CHANNEL, name="events", log=_log, without="followers of events hear late of the next one"
        )
        self._next = asyncio.Event()

    @property
    def next_ring(self) -> asyncio.Event:
        """What is set at the next ring. Take it before you look: then no ring is missed."""
        return self._next

    def ring(self) -> None:
        """Wake all who wait. Call it in the loop."""
        rung, self._next = self._next, asyncio.Event()
        rung.set()

    def _listen(self, notifications: Notifications, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(self.ring)
        while not self._stopped.is_set():
            if notifications.wait(_LISTEN_SECONDS):
                loop.call_soon_threadsafe(self.ring)


class EventPages(OnDatabase):
    """Pages of events, each read in one snapshot.

    Args:
        database: The database.
        task_queue: The task queue of its workers, which is its name.
        one_of_several: Whether there are others, so that the source of its events has to name it.
    """

    def __init__(self, database: Database, task_queue: str, *, one_of_several: bool = False) -> None:
        super().__init__(database)
        self._queue = task_queue
        self._source = f"{SOURCE}/{task_queue}" if one_of_several else SOURCE

    def product_ids(self, question: ReadEvents) -> list[int] | None:
        """The ids of the products that a question is about; None: of all.

        Raises:
            UnknownProduct: The catalogue hasn't got one of them.
        """
        if not question.products and not question.product_ids:
            return None
        found = StockQuestions(self._database).find_items(FindItems(products=question.products))
        return sorted({*question.product_ids, *found.products.values()})

    def read(self, question: ReadEvents, after: int | None, product_ids: Sequence[int] | None) -> EventsPage:
        """The events of one page, of at most `LOOKED_AT` numbers. Locks nothing.

        Args:
            question: Which events, and how many at most.
            after: The number after which to look; None: nothing of the past.
            product_ids: The products, as by `product_ids`.

        Raises:
            EventsForgotten: Some after that number aren't kept any more.
            InvalidRequest: There has never been such a number here.
        """
        kinds = [TYPES[each] for each in question.types]
        with database_errors(), self._database.snapshot() as connection:
            kept = span(connection)
            if after is None:
                return EventsPage(
                    events=[], next=str(kept.last), first_number=kept.forgotten + 1, last_number=kept.last
                )
            _require_kept(after, kept.forgotten, kept.last)
            through = min(kept.last, after + LOOKED_AT)
            rows = (
                read_events(
                    connection,
                    after=after,
                    through=through,
                    kinds=kinds,
                    subjects=question.keys,
                    product_ids=product_ids,
                    most=question.limit,
                )
                if after < through
                else []
            )
        events = _that_fit([self._event(row) for row in rows])
        if len(events) < len(rows) or len(rows) == question.limit:
            through = events[-1].number
        return EventsPage(events=events, next=str(through), first_number=kept.forgotten + 1, last_number=kept.last)

    def _event(self, row: Mapping[str, Any]) -> Event:
        number = row["number"]
        return Event(
            id=str(number),
            source=self._source,
            type=type_of(row["kind"]),
            subject=subject_of(row["data"], row["subject"]),
            time=row["happened_at"],
            data=row["data"],
            sequence=sequence_of(number),
            partitionkey=row["subject"],
            database=self._queue,
            workflowid=row["workflow_id"],
            runid=row["run_id"],
            operationid=row["operation_id"],
            performedby=row["performed_by"],
            reason=row["reason"],
        )


def _require_kept(after: int, forgotten: int, last: int) -> None:
    if after < forgotten:
        raise EventsForgotten.after(after, first_number=forgotten + 1, last_number=last)
    if after > last:
        raise InvalidRequest(
            f"after: {after} is beyond the last event of this database, {last}: the number is another database's, or "
            "this one was restored to an earlier state; take its present end as the cursor, read everything anew, and "
            "follow from there"
        )


def _that_fit(events: Sequence[Event]) -> list[Event]:
    """The first events, up to the size of a page; at least one."""
    sizes = itertools.accumulate(len(each.model_dump_json().encode()) for each in events)
    return [each for each, size in zip(events, sizes, strict=True) if size <= BYTES_A_PAGE] or list(events[:1])


class EventQuestions(EventActivities):
    """`EventActivities` on PostgreSQL.

    Args:
        database: The database.
        task_queue: The task queue of its workers, which is its name.
        one_of_several: Whether there are other databases.
    """

    def __init__(self, database: Database, task_queue: str, *, one_of_several: bool = False) -> None:
        self._pages = EventPages(database, task_queue, one_of_several=one_of_several)
        self._queue = events_queue(task_queue)
        self._bell = Bell(database)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="events")

    @asynccontextmanager
    async def while_working(self) -> AsyncIterator[None]:
        """Listen as long as the worker works."""
        async with self._bell.while_working():
            yield
        self._readers.shutdown(wait=False)

    @activity.defn(name="read_events")
    async def read_events(self, question: ReadEvents) -> EventsPage:
        """Events after a number; if there are none, the next ones, once they are there or the time is over.

        It waits on the queue of those who read events only, where no order waits for the slot. A worker that is to stop
        answers at once with what there is.

        Raises:
            EventsForgotten: Some after that number aren't kept any more.
            UnknownProduct: The catalogue hasn't got one in the question.
            InvalidRequest: There is no such type, or the number is beyond the last one.
        """
        with database_errors():
            if unknown := [each for each in question.types if each not in TYPES]:
                raise InvalidRequest(f"types: there is no {unknown[0]}; there are {', '.join(TYPES)}")
        loop = asyncio.get_running_loop()
        until = loop.time() + (question.wait_seconds if activity.info().task_queue == self._queue else 0)
        product_ids = await self._in_a_thread(lambda: self._pages.product_ids(question))
        after = question.after_number
        stopping: asyncio.Task[None] | None = None
        try:
            while True:
                ring = self._bell.next_ring
                cursor = after
                page = await self._in_a_thread(lambda: self._pages.read(question, cursor, product_ids))  # noqa: B023
                left = until - loop.time()
                if page.events or page.cursor < page.last_number or left <= 0 or activity.is_worker_shutdown():
                    return page
                after = page.cursor
                stopping = stopping or asyncio.create_task(activity.wait_for_worker_shutdown())
                rung = asyncio.create_task(ring.wait())
                try:
                    await asyncio.wait({rung, stopping}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    rung.cancel()
        finally:
            if stopping is not None:
                stopping.cancel()

    async def _in_a_thread(self, read: Callable[[], R]) -> R:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._readers, context.run, read)
