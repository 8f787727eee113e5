"""Questions about what is behind an item's numbers. They lock nothing and change nothing."""

from datetime import UTC, datetime

from temporalio import activity

from activities.stock import StockQuestions
from activities.writes import OnDatabase, database_errors, page_of
from database.item_reasons import read_holds, read_set_aside
from database.order_promising import OnItsWay, read_on_its_way, read_places
from stockkeeper.contracts.item_reasons import (
    REASONS_AT_ONCE,
    ArrivalsPage,
    ItemArrival,
    ItemHold,
    ItemHolds,
    ItemReasonActivities,
    SetAsidePage,
    SetAsideShown,
    ShowArrivals,
    ShowItemHolds,
    ShowSetAside,
)
from stockkeeper.contracts.order_promising import DEFAULT_CONFIDENCE
from stockkeeper.contracts.stock import FindItems
from stockkeeper.domain.arrival import NotCounted
from stockkeeper.domain.stock import ItemKey


class ItemReasons(OnDatabase, ItemReasonActivities):
    """`ItemReasonActivities` on PostgreSQL."""

    @activity.defn(name="show_arrivals", no_thread_cancel_exception=True)
    def show_arrivals(self, question: ShowArrivals) -> ArrivalsPage:
        """One page of what is on order and in transit, by product, warehouse and document."""
        with database_errors(), self._database.snapshot() as connection:
            places = read_places(connection, datetime.now(UTC))
            found = read_on_its_way(connection, question.product_ids, places, DEFAULT_CONFIDENCE)
        wanted = sorted(
            (
                each
                for each in found
                if not question.warehouse_ids or each.item.warehouse_id in question.warehouse_ids
                if question.after is None or _place(each) > question.after
            ),
            key=_place,
        )
        rows = [
            ItemArrival(
                product_id=each.item.product_id,
                warehouse_id=each.item.warehouse_id,
                warehouse=places[each.item.warehouse_id].name,
                source=each.source,
                document=each.number,
                quantity=each.units,
                expected_on=each.given if isinstance(each.arrival, NotCounted) else each.arrival.day,
                basis=None if isinstance(each.arrival, NotCounted) else each.arrival.basis,
                not_counted=each.arrival if isinstance(each.arrival, NotCounted) else None,
            )
            for each in wanted[:REASONS_AT_ONCE]
        ]
        return ArrivalsPage(arrivals=rows, more=len(wanted) > REASONS_AT_ONCE)

    @activity.defn(name="show_item_holds", no_thread_cancel_exception=True)
    def show_item_holds(self, question: ShowItemHolds) -> ItemHolds:
        """One page of the lines of orders and transfers that hold units of an item, the earliest first.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one in the question.
        """
        item = self._item(question.product, question.warehouse)
        with database_errors(), self._database.snapshot() as connection:
            rows = read_holds(connection, item, question.after or 0, REASONS_AT_ONCE + 1)
        holds, more = page_of(ItemHold, rows, REASONS_AT_ONCE)
        return ItemHolds(holds=holds, more=more)

    @activity.defn(name="show_set_aside", no_thread_cancel_exception=True)
    def show_set_aside(self, question: ShowSetAside) -> SetAsidePage:
        """One page of units of an item that inspections have set aside, the earliest first.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one in the question.
        """
        item = self._item(question.product, question.warehouse)
        with database_errors(), self._database.snapshot() as connection:
            rows = read_set_aside(connection, item, question.after or (0, 0), REASONS_AT_ONCE + 1)
        lines, more = page_of(SetAsideShown, rows, REASONS_AT_ONCE)
        return SetAsidePage(lines=lines, more=more)

    def _item(self, product: str, warehouse: str) -> ItemKey:
        found = StockQuestions(self._database).find_items(FindItems(products=[product], warehouses=[warehouse]))
        return ItemKey(found.warehouses[warehouse], found.products[product])


def _place(each: OnItsWay) -> tuple[int, int, str]:
    return each.item.product_id, each.item.warehouse_id, each.number
