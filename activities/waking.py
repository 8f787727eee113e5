"""Signals the workflows of orders that wait for stock when their turn has come.

Every worker listens for the database's notifications of units that become available of a product that orders wait for,
whatever process brings them. It looks which orders can be served, notes those in the database, so that two workers
don't signal the same one, and sends the order's workflow a signal. The workflow decides for itself, under the locks of
the stock: a signal too many does nothing, and one too few is made good by the next look, once a minute, or a few
seconds after one that led to nothing. Once a minute it also takes orders out of the queue whose run was terminated.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.listening import Listening
from database.notifications import Notifications
from database.sessions import Database
from database.waiting_looks import CHANNEL, Served, abandon, look, waits_of_runs
from stockkeeper.contracts.reservation import STOCK_CAME, WORKFLOW_TYPE, ReservationStatus
from stockkeeper.contracts.search_attributes import STATUS

TELL_AGAIN = timedelta(seconds=2)
"""An order that was signalled, and isn't held after this time, is signalled again: the worker that noted it may have
died before it sent the signal."""
LOOK_ANYWAY = timedelta(minutes=1)
"""For all that no notification comes for: a wait whose time is over without a run, a hold that is overdue."""
_AT_ONCE = 50
"""Signals under way at a time."""
_RUN_HAS_ENDED = "its run has ended"

_log = logging.getLogger("stockkeeper.waiting")


class Waking(Listening):
    """One worker's listener.

    Args:
        database: The database.
        client: Temporal, where the waiting workflows are.
    """

    def __init__(self, database: Database, client: Client) -> None:
        super().__init__(
            database, CHANNEL, name="waiting", log=_log, without="the queue of waiting orders can't be looked at"
        )
        self._client = client

    def _listen(self, notifications: Notifications, loop: asyncio.AbstractEventLoop) -> None:
        """Look, at first and whenever something has come, until it is stopped or the connection is lost."""
        products: set[int] | None = None
        look_for_ended_at = time.monotonic()
        while not self._stopped.is_set():
            if products is None:
                look_at_all_at = time.monotonic() + LOOK_ANYWAY.total_seconds()
            if time.monotonic() >= look_for_ended_at:
                look_for_ended_at = time.monotonic() + LOOK_ANYWAY.total_seconds()
                self._clear(notifications, loop)
            if self._look(notifications, products, loop):
                look_at_all_at = min(look_at_all_at, time.monotonic() + TELL_AGAIN.total_seconds())
            came = notifications.wait(max(look_at_all_at - time.monotonic(), 0))
            products = {int(product_id) for product_id in came} or None
            if time.monotonic() >= look_at_all_at:
                products = None

    def _look(self, notifications: Notifications, products: set[int] | None, loop: asyncio.AbstractEventLoop) -> bool:
        """Signal the orders whose turn has come, and return whether another look is due soon."""
        now = datetime.now(UTC)
        with notifications.connection.begin():
            found = look(notifications.connection, products, as_of=now, told_before=now - TELL_AGAIN)
        if found.served:
            ended = asyncio.run_coroutine_threadsafe(self._tell(found.served), loop).result()
            for served in ended:
                self._abandon(notifications, served)
        return bool(found.served) or found.are_told

    def _clear(self, notifications: Notifications, loop: asyncio.AbstractEventLoop) -> None:
        """Take the orders out of the queue whose run was ended by force: they would hold up those behind."""
        ended = asyncio.run_coroutine_threadsafe(self._runs_ended(), loop).result()
        if not ended:
            return
        with notifications.connection.begin():
            waiting = waits_of_runs(notifications.connection, ended)
        for each in asyncio.run_coroutine_threadsafe(self._only_ended(waiting), loop).result():
            self._abandon(notifications, each)

    async def _runs_ended(self) -> list[str]:
        """Workflows whose latest status that people see is that they wait, and of which a run was ended by force."""
        query = (
            f'WorkflowType="{WORKFLOW_TYPE}" AND {STATUS.name}="{ReservationStatus.WAITING}" '
            'AND ExecutionStatus IN ("Terminated", "TimedOut", "Failed")'
        )
        try:
            return [run.id async for run in self._client.list_workflows(query)]
        except RPCError as error:
            # Not every account may list runs. Then a place is free when its turn comes.
            _log.warning("the runs of orders that wait can't be listed: %s", error.message)
            return []

    async def _only_ended(self, waiting: Sequence[Served]) -> list[Served]:
        """Those that no other run has taken up since."""
        return [each for each in waiting if await self._is_over(each)]

    async def _tell(self, served: Sequence[Served]) -> list[Served]:
        """Signal their workflows, and return those whose run has ended."""
        ended: list[Served] = []
        for start in range(0, len(served), _AT_ONCE):
            some = served[start : start + _AT_ONCE]
            have_ended = await asyncio.gather(*(self._has_ended(each) for each in some))
            ended += [each for each, has_ended in zip(some, have_ended, strict=True) if has_ended]
        return ended

    async def _has_ended(self, served: Served) -> bool:
        try:
            await self._client.get_workflow_handle(served.workflow_id).signal(STOCK_CAME)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return await self._is_over(served)
            _log.warning("order %s isn't told yet that its turn has come: %s", served.reference_id, error.message)
        return False

    async def _is_over(self, served: Served) -> bool:
        """Whether its latest run has ended."""
        try:
            described = await self._client.get_workflow_handle(served.workflow_id).describe()
        except (RPCError, ValueError):
            # Temporal doesn't know it, or the SDK its status: it keeps its place until its time is over.
            return False
        return described.status is not WorkflowExecutionStatus.RUNNING

    def _abandon(self, notifications: Notifications, served: Served) -> None:
        with notifications.connection.begin():
            ended = abandon(notifications.connection, served, as_of=datetime.now(UTC), reason=_RUN_HAS_ENDED)
        if ended:
            _log.warning("order %s waits no more for stock: %s", served.reference_id, _RUN_HAS_ENDED)
