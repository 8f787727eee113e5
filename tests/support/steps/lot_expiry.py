"""Calls the step of a run for lots that expire on PostgreSQL, without Temporal around it."""

from datetime import datetime

from activities.lot_expiry import LotExpirySteps
from database.sessions import Database
from stockkeeper.contracts.lot_expiry import ItemPlace, LotsPassed, PassLotsStep
from tests.support.shop import new_reference
from tests.support.steps.activity import run_activity


class LotExpiryCalls:
    """A run's side of the step."""

    def __init__(self, database: Database, notice_days: int = 30) -> None:
        self._steps = LotExpirySteps(database, notice_days)

    def pass_lots(
        self,
        warehouse_id: int | None,
        as_of: datetime,
        *,
        run: str | None = None,
        within_days: int | None = None,
        after: ItemPlace | None = None,
    ) -> LotsPassed:
        """The step of a run, a new one unless it is named, in one warehouse or all."""
        step = PassLotsStep(
            operation_id=f"{run or new_reference('expiry')}/pass/{after.product_id if after else 0}",
            performed_by="lot-expiry",
            as_of=as_of,
            warehouse_id=warehouse_id,
            within_days=within_days,
            after=after or ItemPlace(),
        )
        return run_activity("pass_lots", self._steps.pass_lots, step)
