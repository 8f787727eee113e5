"""Orders with lines in two databases: over the wire, and as steps on the databases themselves."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from temporalio.exceptions import ApplicationError

from activities.reservation import ReservationSteps
from stockkeeper.contracts.converter import as_domain_error
from stockkeeper.contracts.operation import operation_id
from stockkeeper.contracts.order_in_parts import LineInPart, PartOfOrder, part_of
from stockkeeper.contracts.reservation import (
    ExtendReservationStep,
    FulfillLine,
    FulfillReservationStep,
    Holding,
    ReleaseReservationStep,
    ReservationActivities,
    ReservationLine,
    ReserveStockStep,
)
from stockkeeper.domain.order_in_parts import Outcome, Request
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.parts_model import Asking
from tests.support.reservation import Orders
from tests.support.several_databases import One
from tests.support.steps.activity import run_activity
from tests.support.wire import Json, line
from workflows.parts_asked import Asked, asked_of


class OrdersInParts(Orders):
    """The order service's side of orders with lines in several databases."""

    workflow_type = "OrderInPartsWorkflow"

    async def hold(self, reference: str, *parts: tuple[One, Sequence[tuple[ItemKey, int]]], **other: Json) -> Json:
        """Start and answer in one call."""
        by_queue = ((one.queue, lines) for one, lines in parts)
        return await self.ask_raw(reference, [in_parts(reference, *by_queue, **other)])


def in_parts(reference: str, *parts: tuple[str, Sequence[tuple[ItemKey, int]]], **other: Json) -> dict[str, Json]:
    """The start of an order with lines in several databases."""
    return {
        "reference_id": reference,
        "parts": [
            {"task_queue": queue, "lines": [line(item, units) for item, units in lines]} for queue, lines in parts
        ],
        "performed_by": "shop",
    } | other


class PartInDatabase:
    """A part of an order in a real database, for `tests.support.parts_model.Run`."""

    def __init__(self, place: int, one: One, order: str, item: ItemKey, units: Sequence[int]) -> None:
        self.place = place
        self.one = one
        self.item = item
        self._order = order
        self._part = PartOfOrder(
            task_queue=one.queue, lines=[LineInPart(**item._asdict(), quantity=each) for each in units]
        )
        self._steps = ReservationSteps(one.database)

    def ask(self, request: Request, asking: Asking) -> Outcome:
        """Carry a request out by the activities, as the workflow's task would have them do."""

        def operation(*step: str) -> str:
            return operation_id(f"reservation-{self._order}", *step)

        commanded = self._commanded(asking, operation)
        asked = asked_of(request, commanded, self._part, operation, asking.run, asking.number)
        name = asked.activity.__name__
        try:
            answer: Holding = run_activity(name, getattr(self._steps, name), asked.step, run_id=asking.run)
        except ApplicationError as error:
            if (refusal := as_domain_error(error)) is None:
                raise
            return refusal
        return part_of(answer)

    def _commanded(self, asking: Asking, operation: Callable[..., str]) -> Asked:
        """The step of the command, as of an order in one database."""
        stamp: Mapping[str, Any] = {
            "operation_id": operation(
                *([asking.effect, asking.run] if asking.effect == "reserve" else [asking.effect])
            ),
            "performed_by": "shop",
            "as_of": asking.as_of,
            "reference_type": "ORDER",
            "reference_id": self._order,
        }
        activities = ReservationActivities
        match asking.effect.partition("-")[0]:
            case "reserve":
                lines = [ReservationLine(**each.model_dump()) for each in self._part.lines]
                holding = ReserveStockStep(**stamp, lines=lines, expires_at=asking.until)
                return Asked(activities.reserve_stock, holding, "")
            case "parcel":
                return Asked(activities.fulfill_reservation, FulfillReservationStep(**stamp, lines=None), "")
            case "part":
                some = [FulfillLine(product_id=self.item.product_id, quantity=1)]
                return Asked(activities.fulfill_reservation, FulfillReservationStep(**stamp, lines=some), "")
            case "extend":
                extending = ExtendReservationStep(**stamp, ttl_minutes=60, expires_at=asking.until)
                return Asked(activities.extend_reservation, extending, "")
        ending = ReleaseReservationStep(
            **stamp,
            status=ReservationStatus.EXPIRED if asking.effect == "expire" else ReservationStatus.CANCELLED,
            reason="because",
            gave_way=asking.effect == "give_way",
        )
        return Asked(activities.release_reservation, ending, "")

    def buy(self, order: str, units: int, as_of: datetime, until: datetime) -> bool:
        """Somebody else buys; whether they could."""
        step = ReserveStockStep(
            operation_id=f"reservation-{order}/reserve",
            performed_by="shop",
            as_of=as_of,
            reference_type="ORDER",
            reference_id=order,
            lines=[ReservationLine(**self.item._asdict(), quantity=units)],
            expires_at=until,
        )
        try:
            run_activity("reserve_stock", self._steps.reserve_stock, step)
        except ApplicationError as error:
            if error.type != "InsufficientStock":
                raise
            return False
        return True

    def end(self, order: str, as_of: datetime) -> None:
        """Release what an order holds here, because its deadline has come."""
        step = ReleaseReservationStep(
            operation_id=f"reservation-{order}/ended",
            performed_by="shop",
            as_of=as_of,
            reference_type="ORDER",
            reference_id=order,
            status=ReservationStatus.EXPIRED,
            reason="the deadline came",
        )
        run_activity("release_reservation", self._steps.release_reservation, step)

    @property
    def shipped(self) -> int:
        """Units that have left for the order."""
        return self._sum("sum(quantity_fulfilled)")

    @property
    def held(self) -> int:
        """Units that the order holds."""
        return self._sum("sum(quantity - quantity_fulfilled - quantity_released) FILTER (WHERE status = 'ACTIVE')")

    @property
    def secured(self) -> int:
        """Lines that no buyer would ever get."""
        return self._sum("count(*) FILTER (WHERE status = 'ACTIVE' AND expires_at > '2199-01-01')")

    def _sum(self, what: str) -> int:
        statement = f"SELECT coalesce({what}, 0) FROM reservations WHERE reference_id = :order"
        return self.one.count(statement, order=self._order)
