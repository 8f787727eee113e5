"""The order with lines in several databases: a reservation whose steps are carried out by all of them, or by none.

Start, commands, state and deadline are those of `ReservationWorkflow`. Only how a step is carried out differs: by the
courses of `stockkeeper.domain.order_in_parts`, as activities on the task queues of the databases.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError

from stockkeeper.contracts import policies
from stockkeeper.contracts.messages import Step, parse
from stockkeeper.contracts.order_in_parts import PROCESS, WORKFLOW_TYPE, part_of
from stockkeeper.contracts.order_in_parts import OrderInParts as OrderRequest
from stockkeeper.contracts.reservation import Holding, ReservationRequest, ReservationState, ReserveStockStep
from stockkeeper.domain.errors import DomainError, InvalidState
from stockkeeper.domain.order_in_parts import End, Hold, OrderInParts, Outcome, Request, go_on
from workflows.parts_asked import Activity, Asked, asked_of, course_of
from workflows.reordering import ask_for_reorder
from workflows.reservation import ReservationWorkflow
from workflows.steps import through_the_queue

_A_MOMENT = timedelta(milliseconds=100)


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class OrderInPartsWorkflow(ReservationWorkflow):
    """Holds stock in several databases for one order: all of its lines, or none, until one deadline.

    Answers, commands and ends are those of `ReservationWorkflow`, under the same workflow ids. It doesn't wait for
    stock.
    """

    process = PROCESS
    tries_anew = True

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        self._order = OrderInParts("", ())
        self._holdings: dict[int, Holding] = {}
        self._asked = 0
        super().__init__(*payload)

    @workflow.run
    async def run(self, *_payload: Any) -> ReservationState:
        """Hold the stock, wait until it has left or the deadline comes, and end."""
        return await super().run()

    def requested(self, payload: Sequence[Any]) -> ReservationRequest:
        """The checked start, as if one database had all of its lines.

        Raises:
            InvalidRequest: It is wrong.
        """
        return parse(OrderRequest, payload).as_one

    async def apply(self, activity: Activity, step: Any, summary: str) -> None:
        """Carry a step out in all databases that it concerns, or in none, and adopt the answer.

        Raises:
            DomainError: It is refused. Nothing has changed, but the order may be over, as its state says then.
        """
        course, commanded = course_of(self._order, step), Asked(activity, step, summary)
        try:
            requests = go_on(course, None)
            while requests is not None:
                asked = (self._ask(part, request, commanded) for part, request in requests.items())
                outcomes = await asyncio.gather(*asked)
                requests = go_on(course, dict(zip(requests, outcomes, strict=True)))
        finally:
            # Not where a worker drops the run from its memory.
            if workflow.in_workflow():
                self._adopt_parts()

    async def _ask(self, part: int, request: Request, commanded: Asked) -> Outcome:
        """Carry out what one part is asked for; see `Outcome`."""
        if isinstance(request, End) and request.is_owed:
            self.in_background(self._release_when_it_answers(part, replace(request, is_owed=False), commanded))
            return None
        self._asked += 1
        run = workflow.info().run_id
        asked = asked_of(request, commanded, self._request.parts[part], self.operation, run, self._asked)
        queue = self._order.names[part]
        on_its_queue = {**policies.LOCKED_WRITE, "task_queue": queue}
        if isinstance(request, Hold):
            on_its_queue["schedule_to_close_timeout"] = _patience(commanded.step)
        try:
            holding = await through_the_queue(asked.activity, asked.step, f"{queue}: {asked.text}", on_its_queue)
        except DomainError as refusal:
            return refusal
        except FailureError:
            if isinstance(request, Hold):
                return None
            raise
        if holding.fell_below:
            self.in_background(ask_for_reorder(queue))
        self._holdings[part] = holding.model_copy(update={"fell_below": False})
        return part_of(holding)

    async def _release_when_it_answers(self, part: int, request: End, commanded: Asked) -> None:
        """Release what a part may hold that hasn't answered, and let nothing be held there later."""
        refusal = await self._ask(part, request, commanded)
        if isinstance(refusal, DomainError) and not isinstance(refusal, InvalidState):
            raise refusal

    def _adopt_parts(self) -> None:
        """Make what the parts have become the state of the order."""
        for remark in self._order.take_remarks():
            self.note(remark)
        if not self._order.parts:
            self._holdings = {}
            return
        held = [self._holdings[part] for part in sorted(self._holdings)]
        whole = Holding(
            status=self._order.status,
            expires_at=self._order.deadline,
            lines=[line for each in held for line in each.lines],
            rest_is_held=self._order.rest_is_held,
            is_repeat=any(each.is_repeat for each in held),
        )
        self._holdings = {part: each.model_copy(update={"is_repeat": False}) for part, each in self._holdings.items()}
        self.adopt(whole)

    def _read_request(self, request: ReservationRequest) -> None:
        super()._read_request(request)
        self._request = parse(OrderRequest, self.payload[:1])
        self._order = OrderInParts(request.reference_id, [part.task_queue for part in self._request.parts])

    def continue_from(self, state: ReservationState, stored: Holding, lines: int) -> None:
        """Begin with the state that the run before this one has carried."""
        super().continue_from(state, stored, lines)
        for part, asked in enumerate(self._request.parts):
            places = {line.warehouse_id for line in asked.lines}
            held = stored.model_copy(update={"lines": [line for line in stored.lines if line.warehouse_id in places]})
            self._holdings[part] = held
            self._order.parts[part] = part_of(held)


def _patience(step: Step) -> timedelta:
    """How long an answer to a hold is waited for."""
    not_after = step.not_after if isinstance(step, ReserveStockStep) else None
    if not_after is None:
        return policies.HOLD_A_PART_WITHIN
    left = not_after - workflow.now()
    if left < _A_MOMENT:
        # Now a database refuses what it doesn't hold already.
        return policies.FIND_A_PART_WITHIN
    return min(left * policies.HOLD_A_PART_ANSWERS, policies.HOLD_A_PART_WITHIN)
