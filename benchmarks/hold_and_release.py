"""The workflow that `benchmarks.activity_ways` measures: a reservation's hot path, with either kind of activity."""

from datetime import timedelta
from typing import Any

from temporalio import workflow

from stockkeeper.contracts import policies
from stockkeeper.contracts.reservation import (
    Holding,
    ReleaseReservationStep,
    ReservationActivities,
    ReservationLine,
    ReserveStockStep,
)
from stockkeeper.domain.reservation import ReservationStatus


@workflow.defn
class HoldAndRelease:
    """Holds one unit, answers, waits for a signal, and releases it: by local or by regular activities."""

    def __init__(self) -> None:
        self._held: Holding | None = None
        self._finish = False

    @workflow.run
    async def run(self, way: str) -> None:
        """Hold, answer, release."""
        reference = workflow.info().workflow_id
        now = workflow.now()
        common: dict[str, Any] = {
            "performed_by": "benchmark",
            "as_of": now,
            "reference_type": "ORDER",
            "reference_id": reference,
        }
        reserve = ReserveStockStep(
            operation_id=f"{reference}/reserve",
            lines=[ReservationLine(product_id=1, warehouse_id=1, quantity=1)],
            expires_at=now + timedelta(minutes=30),
            **common,
        )
        release = ReleaseReservationStep(
            operation_id=f"{reference}/cancel", status=ReservationStatus.CANCELLED, reason="measured", **common
        )
        if way == "local":
            self._held = await workflow.execute_local_activity_method(
                ReservationActivities.reserve_stock, reserve, **policies.LOCAL_WRITE
            )
        else:
            self._held = await workflow.execute_activity_method(
                ReservationActivities.reserve_stock, reserve, **policies.LOCKED_WRITE
            )
        await workflow.wait_condition(lambda: self._finish)
        if way == "local":
            await workflow.execute_local_activity_method(
                ReservationActivities.release_reservation, release, **policies.LOCAL_WRITE
            )
        else:
            await workflow.execute_activity_method(
                ReservationActivities.release_reservation, release, **policies.LOCKED_WRITE
            )

    @workflow.update
    async def reserved(self) -> None:
        """Wait until the unit is held."""
        await workflow.wait_condition(lambda: self._held is not None)

    @workflow.signal
    def finish(self) -> None:
        """Release it now."""
        self._finish = True
