"""The step of a run for lots that expire: lock the items, exchange what is held, and tell.

`stockkeeper.domain.lot_expiry` decides what is told, and `database.lot_expiry` reads and writes.
"""

from sqlalchemy import Connection
from temporalio import activity

from activities.catalogue import require_warehouse
from activities.writes import OnDatabase, effect_once, effects_of
from database.corrections import Correction
from database.lot_expiry import items_with_lots_that_expire, pass_items
from database.operations import Operation
from database.sessions import Database
from stockkeeper.contracts.lot_expiry import (
    ITEMS_A_PAGE,
    LOTS_TOLD,
    ExpiringLotState,
    ItemPlace,
    LotExpiryActivities,
    LotsPassed,
    PassLotsStep,
)
from stockkeeper.domain.lot_expiry import Expiry
from stockkeeper.domain.stock import ItemKey


class LotExpirySteps(OnDatabase, LotExpiryActivities):
    """`LotExpiryActivities` on PostgreSQL.

    Args:
        database: The database.
        notice_days: Days left at which a lot is told ahead, for runs that don't say.
    """

    def __init__(self, database: Database, notice_days: int) -> None:
        super().__init__(database)
        self._notice_days = notice_days

    @activity.defn(name="pass_lots", no_thread_cancel_exception=True)
    def pass_lots(self, step: PassLotsStep) -> LotsPassed:
        """Give those who hold units of expired lots others, or let them give way; tell lots near their end once.

        Locks: the items of one page, by warehouse and product. Operation: ``{run}/pass/{page}``.

        Raises:
            UnknownWarehouse: There is no such warehouse.
        """

        def effect(connection: Connection, operation: Operation) -> LotsPassed:
            if step.warehouse_id is not None:
                require_warehouse(connection, step.warehouse_id)
            within = self._notice_days if step.within_days is None else step.within_days
            found = items_with_lots_that_expire(
                connection,
                warehouse_id=step.warehouse_id,
                within_days=within,
                as_of=step.as_of,
                after=ItemKey(step.after.warehouse_id, step.after.product_id),
                most=ITEMS_A_PAGE + 1,
            )
            items = [item for item in found[:ITEMS_A_PAGE] if item.warehouse_id == found[0].warehouse_id]
            if not items:
                return LotsPassed()
            passed = pass_items(connection, operation, items, within_days=within, as_of=step.as_of)
            on_others = effects_of(Correction(gave_way=passed.gave_way))
            over = [lot for lot in passed.lots if lot.expiry is Expiry.EXPIRED]
            soon = [lot for lot in passed.lots if lot.expiry is Expiry.EXPIRING]
            return LotsPassed(
                **on_others.model_dump(exclude={"is_repeat"}),
                lots_expired=len(over),
                lots_expiring=len(soon),
                lots=[
                    ExpiringLotState.model_validate(each._asdict() | each.item._asdict())
                    for each in over[:LOTS_TOLD] + soon[:LOTS_TOLD]
                ],
                units_given_up=passed.units_given_up,
                after=ItemPlace(**items[-1]._asdict()) if len(found) > len(items) else None,
            )

        return effect_once(self._database, step, LotsPassed, effect)[0]
