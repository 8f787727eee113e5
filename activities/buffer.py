"""Units of an item that are kept from sale, on PostgreSQL."""

from sqlalchemy import Connection
from temporalio import activity

from activities.stock import StockQuestions, level_of
from activities.writes import OnDatabase, database_errors, effect_once
from database.ledger import set_buffer
from database.locks import lock_or_create_items
from database.operations import Operation
from stockkeeper.contracts.buffer import BufferActivities, SetBufferStep
from stockkeeper.contracts.stock import FindItems, StockLevel


class ItemBuffers(OnDatabase, BufferActivities):
    """`BufferActivities` on PostgreSQL."""

    @activity.defn(name="set_buffer", no_thread_cancel_exception=True)
    def set_buffer(self, step: SetBufferStep) -> StockLevel:
        """Keep so many units of an item from sale. Holds that are there already stay as they are.

        Locks: the item, which is created if it was never stocked. Operation: the caller's.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got it.
            NotPermitted: The caller may not change items of that warehouse.
        """
        asked = FindItems(products=[step.product], warehouses=[step.warehouse])
        found = StockQuestions(self._database).find_items(asked)
        with database_errors():
            item = step.item_of(found)

        def effect(connection: Connection, operation: Operation) -> StockLevel:
            lock_or_create_items(connection, [item])
            set_buffer(connection, operation, item, step.quantity)
            return level_of(connection, item, step.as_of)

        return effect_once(self._database, step, StockLevel, effect)[0]
