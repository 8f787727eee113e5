"""The steps of a reservation."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from activities.reservation import ReservationSteps
from database.sessions import Database
from stockkeeper.contracts import reservation as wire
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.steps.activity import MINUTE, NOON, run_activity


def _same(reference: str, command: str, performed_by: str, as_of: datetime) -> dict[str, Any]:
    """The fields of every step of an order's reservation."""
    return {
        "operation_id": f"reservation-{reference}/{command}",
        "performed_by": performed_by,
        "as_of": as_of,
        "reference_type": "ORDER",
        "reference_id": reference,
    }


def _line(item: ItemKey | int, quantity: int) -> wire.ReservationLine:
    """A line of an item, or of a product from any warehouse."""
    product_id, warehouse_id = (item, None) if isinstance(item, int) else (item.product_id, item.warehouse_id)
    return wire.ReservationLine(product_id=product_id, warehouse_id=warehouse_id, quantity=quantity)


def _lines(lines: Sequence[tuple[ItemKey | int, int]]) -> list[wire.ReservationLine]:
    return [_line(item, quantity) for item, quantity in lines]


class Steps:
    """A workflow's side of the activities: what it says, and when."""

    def __init__(self, database: Database) -> None:
        self._steps = ReservationSteps(database)

    def reserve(
        self,
        reference: str,
        *lines: tuple[ItemKey | int, int],
        as_of: datetime = NOON,
        ttl: timedelta = 30 * MINUTE,
        wait: timedelta | None = None,
        operation: str | None = None,
        not_after: datetime | None = None,
        minimum_days_left: int | None = None,
        run_id: str = "run",
    ) -> wire.Holding:
        same = _same(reference, "reserve", "shop", as_of) | ({"operation_id": operation} if operation else {})
        step = wire.ReserveStockStep(
            **same,
            lines=_lines(lines),
            expires_at=as_of + ttl,
            waiting_until=as_of + wait if wait else None,
            not_after=not_after,
            minimum_days_left=minimum_days_left,
        )
        return run_activity("reserve_stock", self._steps.reserve_stock, step, run_id=run_id)

    def serve(
        self,
        reference: str,
        *lines: tuple[ItemKey | int, int],
        as_of: datetime = NOON,
        ttl: timedelta = 30 * MINUTE,
        is_last: bool = False,
        look: str = "1",
        not_after: datetime | None = None,
    ) -> wire.Holding:
        same = _same(reference, f"serve/run/{look}", "shop", as_of)
        step = wire.ServeWaitingStep(
            **same, lines=_lines(lines), expires_at=as_of + ttl, is_last=is_last, not_after=not_after
        )
        return run_activity("serve_waiting", self._steps.serve_waiting, step)

    def fulfill(
        self,
        reference: str,
        lines: list[wire.FulfillLine] | None = None,
        *,
        as_of: datetime = NOON,
        occurred_at: datetime | None = None,
        operation: str = "1",
    ) -> wire.Holding:
        same = _same(reference, f"fulfill/{operation}", "picker", as_of)
        step = wire.FulfillReservationStep(**same, lines=lines, occurred_at=occurred_at)
        return run_activity("fulfill_reservation", self._steps.fulfill_reservation, step)

    def lower(
        self, reference: str, *lines: wire.FulfillLine, as_of: datetime = NOON, operation: str = "1"
    ) -> wire.Holding:
        same = _same(reference, f"release/{operation}", "shop", as_of)
        step = wire.LowerReservationStep(**same, lines=list(lines), reason="not needed")
        return run_activity("lower_reservation", self._steps.lower_reservation, step)

    def cancel(self, reference: str, *, as_of: datetime = NOON, operation: str = "1") -> wire.Holding:
        return self._release(reference, ReservationStatus.CANCELLED, as_of, f"cancel/{operation}")

    def give_way(self, reference: str, *, as_of: datetime = NOON, operation: str = "1") -> wire.Holding:
        return self._release(reference, ReservationStatus.CANCELLED, as_of, f"give_way/{operation}", gave_way=True)

    def hold_again(
        self, reference: str, *lines: tuple[ItemKey | int, int], as_of: datetime = NOON, run: str = "another-run"
    ) -> wire.Holding:
        same = _same(reference, f"hold_again/{run}", "shop", as_of)
        return run_activity("hold_again", self._steps.hold_again, wire.HoldAgainStep(**same, lines=_lines(lines)))

    def expire(self, reference: str, *, as_of: datetime) -> wire.Holding:
        return self._release(reference, ReservationStatus.EXPIRED, as_of, "expire")

    def extend(self, reference: str, ttl: timedelta, *, as_of: datetime = NOON, operation: str = "1") -> wire.Holding:
        same = _same(reference, f"extend/{operation}", "shop", as_of)
        step = wire.ExtendReservationStep(**same, ttl_minutes=ttl / MINUTE, expires_at=as_of + ttl)
        return run_activity("extend_reservation", self._steps.extend_reservation, step)

    def _release(
        self, reference: str, status: Any, as_of: datetime, name: str, *, gave_way: bool = False
    ) -> wire.Holding:
        same = _same(reference, name, "shop", as_of)
        step = wire.ReleaseReservationStep(**same, status=status, reason="because", gave_way=gave_way)
        return run_activity("release_reservation", self._steps.release_reservation, step)
