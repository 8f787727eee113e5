"""The recall: a lot is stopped everywhere, its orders are told, and its units are followed until a person ends it."""

from datetime import timedelta
from typing import Any

from temporalio import workflow

from stockkeeper.contracts import policies
from stockkeeper.contracts.messages import StockAnswer
from stockkeeper.contracts.recall import (
    CLOSE,
    PROCESS,
    RELEASE,
    WORKFLOW_TYPE,
    BlockElsewhereStep,
    BlockLotStep,
    CloseRecall,
    CloseRecallStep,
    Facts,
    FindLot,
    LotFiguresState,
    LotStopped,
    RecallActivities,
    RecalledOrder,
    RecalledTransit,
    RecallRequest,
    RecallState,
    RecallStatus,
    ReleaseElsewhereStep,
    ReleaseRecall,
    ReleaseRecallStep,
    StoppedState,
    StoredRecall,
    TellOrdersStep,
    TrackRecallStep,
    memo,
)
from stockkeeper.domain.errors import DomainError, InvalidRequest
from stockkeeper.domain.recall import LotFigures, RecallEvent
from workflows import recall_texts as texts
from workflows.commands import command, signal_of
from workflows.document import Document, Shown, answer_to_start
from workflows.giving_way import GAVE_WAY_KEPT, inform_holders
from workflows.notices import Notices
from workflows.process import Carried, Stamp
from workflows.steps import through_the_queue

LOOKS_EVERY = timedelta(days=1)
"""How often a recall looks what has become of its units; `lot trace` answers at once."""
ORDERS_SHOWN = 100


class _Carried(Carried):
    recall: StoredRecall
    state: RecallState
    orders_are_told: bool


class _Stamp(Stamp):
    recall_number: str


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class RecallWorkflow(Document[RecallState, StoredRecall, _Stamp]):
    """Stops a lot in every warehouse, tells whoever has units of it, and follows them to the last one.

    Answers: update ``blocked`` (use it with update-with-start), once the lot is blocked in all databases. Commands:
    ``release``, ``close``. Ends RELEASED when the lot may leave again, or CLOSED with the final report; a request that
    is wrong fails the run.
    """

    process = PROCESS
    given_up_by = CLOSE.name

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(RecallState(), payload)
        self._notices = Notices(self)
        self._orders_are_told = False
        self._stopped: list[StoppedState] = []
        self._in_transit: list[RecalledTransit] = []
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.continue_from(carried.state, carried.recall, lines=1)
            self._orders_are_told = carried.orders_are_told

    @workflow.run
    async def run(self, *_payload: Any) -> RecallState:
        """Block the lot, tell the orders that have got units, follow these, and end."""
        return await self.live(self._block, self._tell_orders, self._follow)

    @answer_to_start("blocked", "Waits until the lot is blocked in all databases, and answers with the state.")
    async def blocked(self, *_payload: Any) -> RecallState:
        """The answer to the start: what was stopped, and where."""
        return await self.answer()

    @command(RELEASE)
    async def release(self, message: ReleaseRecall, key: str) -> None:
        """The lot may leave again, says another person than the one who blocked it. `{performed_by, reason}`."""
        if self.state.status is RecallStatus.RELEASED:
            return  # Sent twice.
        self.require(RecallEvent.RELEASE)
        step = ReleaseRecallStep(
            **self.step_stamp("release", key, performed_by=message.performed_by),
            elsewhere=await self._figures_elsewhere(),
            reason=message.reason,
        )
        summary = f"released by {message.performed_by}: {message.reason}"
        await self.apply(RecallActivities.release_recall, step, summary)
        await self._release_elsewhere(message.performed_by, message.reason)

    @command(CLOSE)
    async def close(self, message: CloseRecall, key: str) -> None:
        """Nothing more is expected back: the report is final, and the lot stays blocked. `{performed_by, reason}`."""
        if self.state.status is RecallStatus.CLOSED:
            return  # Sent twice.
        self.require(RecallEvent.CLOSE)
        step = CloseRecallStep(
            **self.step_stamp("close", key, performed_by=message.performed_by),
            elsewhere=await self._figures_elsewhere(),
            reason=message.reason,
        )
        await self.apply(RecallActivities.close_recall, step, f"closed by {message.performed_by}: {message.reason}")

    async def _block(self) -> None:
        """Check the start, and block the lot here and in the other databases."""
        request = self.read_start(RecallRequest)
        self.state.requested_by = request.performed_by
        self.lines = 1
        facts = await self._find(request)
        step = self.step_of(BlockLotStep, request, "block", performed_by=request.performed_by, facts=facts)
        await self.apply(RecallActivities.block_lot, step, f"block lot {request.lot_number}: {request.reason}")
        if self.stored is None:
            return
        if self.is_over:
            # Another run has ended it, and may have been stopped before the other databases knew.
            if self.stored.released_by is not None and self.stored.closed_reason is not None:
                await self._release_elsewhere(self.stored.released_by, self.stored.closed_reason)
            return
        lot = self.stored.lot
        facts = facts or Facts(expires_on=lot.expires_on)
        for queue in self.state.databases:
            elsewhere = self.step_of(
                BlockElsewhereStep, request, "block_elsewhere", performed_by=request.performed_by, facts=facts
            )
            stopped = await through_the_queue(
                RecallActivities.block_lot_elsewhere, elsewhere, f"block it in {queue}", _in(queue)
            )
            self._add(stopped)
        if not self.stored.started_by_another_run:
            self._notices.send(texts.blocked(self.state, self.stored))

    async def _find(self, request: RecallRequest) -> Facts | None:
        """What the databases know of the lot; None: this one knows it.

        Raises:
            DomainError: There is no such product, or none of them knows such a lot.
        """
        question = FindLot(product_id=request.product_id, lot_number=request.lot_number)
        known = await through_the_queue(
            RecallActivities.find_lot, question, f"find lot {request.lot_number}", policies.LOCKED_WRITE
        )
        self.state.databases = known.others
        if known.facts is not None or not known.others:
            return known.facts
        for queue in known.others:
            there = await through_the_queue(RecallActivities.find_lot, question, f"find it in {queue}", _in(queue))
            if there.facts is not None:
                return there.facts
        raise InvalidRequest(f"product {request.product_id} has no lot {request.lot_number} in any database")

    def _add(self, stopped: LotStopped) -> None:
        """Take in what was stopped in another database."""
        self._stopped += stopped.stopped
        self._in_transit += stopped.in_transit
        self.state.stopped = [*self.state.stopped, *stopped.stopped]
        self.state.in_transit = [*self.state.in_transit, *stopped.in_transit]
        self._inform(stopped)

    def _inform(self, answer: StockAnswer) -> None:
        """Inform the holders whose holds gave way."""
        if answer.gave_way:
            self.state.gave_way = [*self.state.gave_way, *answer.gave_way][-GAVE_WAY_KEPT:]
            lot = f"lot {self.state.lot_number} is recalled: {self.state.reason}"
            inform_holders(self, answer, self.state.requested_by, lot)
            self._notices.send(texts.gave_way(self.state, answer))

    async def _tell_orders(self) -> None:
        """Tell every order that has got units of the lot, and look where all of them are."""
        if self.is_over or self._orders_are_told or self.stored is None:
            return
        orders: dict[str, int] = {}
        for queue in (None, *self.state.databases):
            after, page = None, 0
            while True:
                told = await through_the_queue(
                    RecallActivities.tell_orders,
                    TellOrdersStep(
                        **self.step_stamp(
                            "tell_orders", queue or "here", str(page), performed_by=self.state.requested_by
                        ),
                        product_id=self.stored.lot.product_id,
                        lot_number=self.state.lot_number,
                        reason=self.state.reason,
                        after=after,
                    ),
                    "tell orders that have got units",
                    policies.LOCKED_WRITE if queue is None else _in(queue),
                )
                for each in told.orders:
                    if each.reference_id in orders or len(orders) < ORDERS_SHOWN:
                        orders[each.reference_id] = orders.get(each.reference_id, 0) + each.quantity
                after, page = told.after, page + 1
                if after is None:
                    break
        self._orders_are_told = True
        await self._track([RecalledOrder(reference_id=order, quantity=units) for order, units in orders.items()])
        if self.state.orders_total and self.stored is not None:
            self._notices.send(texts.orders_have_got_it(self.state))

    async def _follow(self) -> None:
        """Look again every day, until a person ends it."""
        while not self.is_over and not self.history_is_long:
            again = workflow.now() + LOOKS_EVERY
            if await self.wait_until(again, unless=lambda: self.is_over, summary="look again what has come back"):
                await self._track(None)

    async def _track(self, orders: list[RecalledOrder] | None) -> None:
        async with self.command_lock:
            if self.is_over:
                return
            step = TrackRecallStep(
                **self.step_stamp("track", workflow.now().isoformat(), performed_by=self.state.requested_by),
                elsewhere=await self._figures_elsewhere(),
                stopped=self._stopped,
                in_transit=self._in_transit,
                orders=orders,
            )
            await self.apply(RecallActivities.track_recall, step, "look what has become of its units")

    async def _figures_elsewhere(self) -> LotFiguresState:
        """The figures of all other databases together."""
        total, orders = LotFigures(), 0
        if self.stored is not None:
            question = FindLot(product_id=self.stored.lot.product_id, lot_number=self.stored.lot.lot_number)
            for queue in self.state.databases:
                there = await through_the_queue(
                    RecallActivities.show_lot_figures, question, f"its units in {queue}", _in(queue)
                )
                total, orders = total + there.as_figures, orders + there.orders
        return LotFiguresState.of(total, orders)

    async def _release_elsewhere(self, performed_by: str, reason: str) -> None:
        if self.stored is None:
            return
        for queue in self.state.databases:
            step = ReleaseElsewhereStep(
                **self.step_stamp("release_elsewhere", performed_by=performed_by),
                product_id=self.stored.lot.product_id,
                lot_number=self.stored.lot.lot_number,
                reason=reason,
            )
            await through_the_queue(RecallActivities.release_lot_elsewhere, step, f"release it in {queue}", _in(queue))

    def carried(self, stored: StoredRecall) -> _Carried:
        """The input of the next run."""
        return _Carried(recall=stored, state=self.state, orders_are_told=self._orders_are_told, signals=self.signals)

    def changed(self, before: StoredRecall | None, stored: StoredRecall) -> None:
        """Inform the holders whose holds gave way, and the people who were told of the recall of its end."""
        self.state.product_id, self.state.lot_number = stored.lot.product_id, stored.lot.lot_number
        self._inform(stored)
        if before is not None and before.status is not stored.status:
            self._notices.send(texts.ended(self.state, stored))
            if stored.status is RecallStatus.CLOSED and stored.figures is not None and stored.figures.difference:
                self.note(texts.does_not_add_up(stored.figures))

    def shown(self, stored: StoredRecall) -> Shown:
        """The run as people see and find it."""
        places = [place.warehouse for place in self.state.stopped]
        return Shown(texts.details_of(self.state, stored), stored.lines, places, memo=memo(stored))

    # The signals of the commands.
    release_signal = signal_of(release)
    close_signal = signal_of(close)


def _in(queue: str) -> dict[str, Any]:
    """The policy of a step that another database owes, however long it is away."""
    return policies.LOCKED_WRITE | {"task_queue": queue}
