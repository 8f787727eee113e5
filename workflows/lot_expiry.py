"""The run for lots that expire: page by page their holders get other lots, and people are told."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError

from stockkeeper.contracts import policies
from stockkeeper.contracts.lot_expiry import (
    LOTS_SHOWN,
    PERFORMED_BY,
    WORKFLOW_TYPE,
    ItemPlace,
    LotExpiryActivities,
    LotExpiryRequest,
    LotExpiryState,
    LotExpiryStatus,
    LotsPassed,
    PassLotsStep,
)
from stockkeeper.domain.errors import DomainError
from workflows import lot_expiry_texts as texts
from workflows.giving_way import GAVE_WAY_KEPT, inform_holders
from workflows.notices import Notices
from workflows.process import Carried
from workflows.scheduled import ScheduledRun
from workflows.steps import through_the_queue


class _Carried(Carried):
    state: LotExpiryState
    after: ItemPlace
    pages: int
    untold: texts.Untold


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class LotExpiryWorkflow(ScheduledRun[LotExpiryState, LotExpiryRequest]):
    """Gives those who hold units of expired lots other ones, and tells of lots that have expired or soon will.

    A hold for which no other lot is free gives way, and its process is notified. Availability doesn't wait for it: an
    expired lot isn't held from the midnight on that ends its day. Started by the schedule or by hand; no commands. Ends
    DONE; a request that is wrong fails the run.
    """

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(LotExpiryState(), payload, LotExpiryRequest, PERFORMED_BY)
        self._notices = Notices(self, policies.SHORT_NOTICE)
        self._after = ItemPlace()
        self._pages = 0
        self._done = False
        self._untold = texts.Untold()
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.state = carried.state
            self._after = carried.after
            self._pages = carried.pages
            self._untold = carried.untold
            self.continued = True

    @workflow.run
    async def run(self, *_payload: Any) -> LotExpiryState:
        """Go through the items with lots that expire, page by page, and end."""
        await self.go_through()
        # Cancelled after it had prepared for another run, which now doesn't come.
        self._tell_people()
        return await self.close(LotExpiryStatus.DONE)

    @property
    def is_done(self) -> bool:
        """Whether all items have been looked at."""
        return self._done

    def carried(self) -> _Carried:
        """The input of the next run."""
        return _Carried(
            state=self.state, after=self._after, pages=self._pages, untold=self._untold, signals=self.signals
        )

    async def begin(self) -> None:
        """Show the run."""
        self.state.warehouse_id = self.request.warehouse_id
        self.publish()

    async def work(self) -> None:
        """Go through the pages; if one fails for good, people are told of those before it all the same.

        Raises:
            DomainError: The start is wrong: the run fails with it.
            FailureError: A page failed for as long as its policy allows: the run fails with it.
        """
        try:
            await super().work()
        except (DomainError, FailureError):
            # The database has these lots as told: no later run would tell people of them.
            self._tell_people()
            await workflow.wait_condition(self.drained)
            raise

    async def next_page(self) -> None:
        """Take the next items.

        Raises:
            UnknownWarehouse: The request names one that isn't there.
        """
        step = PassLotsStep(
            **self.step_stamp("pass", str(self._pages)),
            warehouse_id=self.request.warehouse_id,
            within_days=self.request.within_days,
            after=self._after,
        )
        page = await through_the_queue(
            LotExpiryActivities.pass_lots, step, "lots that have expired, or soon will", policies.REORDER
        )
        self._pages += 1
        self._show(page)
        self._tell(page)
        if page.after is None:
            self._done = True
        else:
            self._after = page.after
        self.publish()

    async def finish(self) -> None:
        """Tell people of the last warehouse."""
        if self._done or self.stopped:
            self._tell_people()

    def _show(self, page: LotsPassed) -> None:
        """Show what a page of items has come to, and inform the holders whose holds gave way."""
        state = self.state
        state.lots_expired += page.lots_expired
        state.lots_expiring += page.lots_expiring
        state.units_given_up += page.units_given_up
        state.lots = [*state.lots, *page.lots][-LOTS_SHOWN:]
        if page.gave_way:
            state.gave_way = [*state.gave_way, *page.gave_way][-GAVE_WAY_KEPT:]
            inform_holders(self, page, PERFORMED_BY, texts.WHY)
            self._notices.send(texts.gave_way(page))

    def _tell(self, page: LotsPassed) -> None:
        """Tell people of each warehouse's lots together, once the pages have come to the next one."""
        if page.lots and self._untold.warehouse_id != page.lots[0].warehouse_id:
            self._tell_people()
        self._untold = self._untold.with_page(page)

    def _tell_people(self) -> None:
        if self._untold.warehouse_id is not None:
            self._notices.send(texts.expiring(self._untold))
            self._untold = texts.Untold()

    def details(self) -> str:
        """The run in a few lines of Markdown."""
        return texts.details_of(self.state, self.stopped_early)
