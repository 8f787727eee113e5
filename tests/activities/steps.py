"""Calls the activities on PostgreSQL, without Temporal around them."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.reservation import ReservationSteps
from contracts.reservation import (
    ExtendReservation,
    FulfillLine,
    FulfillReservation,
    Holding,
    ReleaseReservation,
    ReservationLine,
    ReserveStock,
)
from database.sessions import Database
from domain.reservation import ReservationStatus
from domain.stock import ItemKey

R = TypeVar("R")
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""When all tests of activities take place: they have no clock but the one they are told."""
MINUTE = timedelta(minutes=1)


class Steps:
    """A workflow's side of the activities: what it says, and when."""

    def __init__(self, database: Database) -> None:
        self._steps = ReservationSteps(database)

    def reserve(
        self,
        reference: str,
        *lines: tuple[ItemKey, int],
        as_of: datetime = NOON,
        ttl: timedelta = 30 * MINUTE,
        operation: str | None = None,
    ) -> Holding:
        step = ReserveStock(
            operation_id=operation or f"reservation-{reference}/reserve",
            performed_by="shop",
            as_of=as_of,
            reference_type="ORDER",
            reference_id=reference,
            lines=[
                ReservationLine(product_id=item.product_id, warehouse_id=item.warehouse_id, quantity=quantity)
                for item, quantity in lines
            ],
            expires_at=as_of + ttl,
        )
        return _run("reserve_stock", self._steps.reserve_stock, step)

    def fulfill(
        self,
        reference: str,
        lines: list[FulfillLine] | None = None,
        *,
        as_of: datetime = NOON,
        operation: str = "1",
    ) -> Holding:
        step = FulfillReservation(
            operation_id=f"reservation-{reference}/fulfill/{operation}",
            performed_by="picker",
            as_of=as_of,
            reference_type="ORDER",
            reference_id=reference,
            lines=lines,
        )
        return _run("fulfill_reservation", self._steps.fulfill_reservation, step)

    def cancel(self, reference: str, *, as_of: datetime = NOON, operation: str = "1") -> Holding:
        return self._release(reference, ReservationStatus.CANCELLED, as_of, f"cancel/{operation}")

    def expire(self, reference: str, *, as_of: datetime) -> Holding:
        return self._release(reference, ReservationStatus.EXPIRED, as_of, "expire")

    def extend(self, reference: str, ttl: timedelta, *, as_of: datetime = NOON, operation: str = "1") -> Holding:
        step = ExtendReservation(
            operation_id=f"reservation-{reference}/extend/{operation}",
            performed_by="shop",
            as_of=as_of,
            reference_type="ORDER",
            reference_id=reference,
            ttl_minutes=ttl / MINUTE,
            expires_at=as_of + ttl,
        )
        return _run("extend_reservation", self._steps.extend_reservation, step)

    def _release(self, reference: str, status: Any, as_of: datetime, name: str) -> Holding:
        step = ReleaseReservation(
            operation_id=f"reservation-{reference}/{name}",
            performed_by="shop",
            as_of=as_of,
            reference_type="ORDER",
            reference_id=reference,
            status=status,
            reason="because",
        )
        return _run("release_reservation", self._steps.release_reservation, step)


def _run(name: str, activity: Callable[[Any], R], step: Any) -> R:
    environment = ActivityEnvironment()
    workflow_id = step.operation_id.partition("/")[0]
    environment.info = dataclasses.replace(environment.info, activity_type=name, workflow_id=workflow_id)
    return environment.run(activity, step)


def refused(call: Callable[[], object]) -> tuple[str | None, Any]:
    """The type and details of the error that the call ends with."""
    with pytest.raises(ApplicationError) as caught:
        call()
    return caught.value.type, caught.value.details[0] if caught.value.details else None
