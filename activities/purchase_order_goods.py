"""The steps in which goods of a purchase order come, are corrected, and go back: lock, decide, write, answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.differences import store_difference_approval
from activities.document_steps import Plan, nothing
from activities.opened_inspections import number_of, open_inspection
from activities.purchase_order_steps import OrderSteps
from activities.writes import UNCHANGED, require_same
from database.goods import Lots, arriving_items, put_into_stock, take_out_of_stock
from database.locked_order import LockedOrder
from database.locked_stock import LockedStock
from database.operations import Operation
from database.purchase_order import PURCHASE_ORDER
from database.purchase_order_goods import RECEIPTS, brought_by, insert_return, returned_by
from database.purchase_order_reading import lock_purchase_order
from database.receipt_lots import lots_brought_by, short_dated_lots
from database.receipts import booked, insert_receipt
from database.stock_reading import Wants
from database.stock_rows import Moving
from stockkeeper.contracts.difference import APPROVE_DIFFERENCE
from stockkeeper.contracts.messages import InspectingAnswer, StockAnswer
from stockkeeper.contracts.opened_inspection import OpenedInspection
from stockkeeper.contracts.purchase_order import (
    ApproveOrderDifferenceStep,
    CorrectReceiptStep,
    ReceivePurchaseOrderStep,
    ReturnGoodsStep,
    StoredPurchaseOrder,
)
from stockkeeper.contracts.purchase_order_state import ReceiptLine, SentBackLine
from stockkeeper.domain.conflicts import done_differently, twin_of
from stockkeeper.domain.lot import LotFacts, StockState
from stockkeeper.domain.purchase_order import (
    PurchaseOrder,
    PurchaseOrderEvent,
    PurchaseOrderStatus,
)
from stockkeeper.domain.purchase_order_lines import require_brought
from stockkeeper.domain.receipt import Delivered, Taken, delivered_by_product
from stockkeeper.domain.short_dated import ComingLot, ShortDatedReceipts, few_days, refusal
from stockkeeper.domain.stock import ItemKey, MovementType


class OrderGoodsSteps(OrderSteps):
    """The goods of `PurchaseOrderActivities` on PostgreSQL."""

    @activity.defn(name="receive_purchase_order", no_thread_cancel_exception=True)
    def receive_purchase_order(self, step: ReceivePurchaseOrderStep) -> StoredPurchaseOrder:
        """Book accepted goods into stock by a PURCHASE movement for each line, and record rejected ones.

        A line of a tracked product is of one lot, which keeps its supplier and the order's number. What has expired, or
        has fewer days left than the product or the supplier's terms ask for, is received into quarantine, with an
        inspection that answers for it; or the receipt is refused, by the setting. Items that the warehouse never
        stocked are created. With the last unit owed the order is RECEIVED, and the supplier's lead time is measured.

        Locks: the order, then the items, then the supplier. Operation: ``{workflow}/receive/{receipt_id}``.

        Raises:
            InvalidState: The order isn't out for delivery.
            InvalidRequest: A product isn't on the order, more came than may be received, or a lot is missing, isn't
                wanted, is known with other days or has too few left. Nothing is booked.
            NotPermitted: More was received than ordered, above the limit, and no other person has approved that.
        """

        def plan(locked: LockedOrder, operation: Operation) -> Plan:
            order, delivered = locked.order, _delivered(step.lines)
            if earlier := locked.known.get(step.receipt_id):
                another = done_differently("receive", step.receipt_id, "purchase order", step.po_number)
                require_same(earlier, delivered, otherwise=another)
                return Plan(Wants(), nothing)
            taken = order.plan_receipt(delivered)
            status = order.after_receipt(taken)
            if (twin := locked.twin_of(step.receipt_id)) is not None:
                raise twin_of("delivery", step.receipt_id, twin)
            units = {line_number: share.accepted for line_number, share in taken.items()}
            arriving, lots = arriving_items(order.warehouse_id, order.lines, units), _lots(step.lines)

            def carry_out(stock: LockedStock) -> InspectingAnswer | None:
                short_dated = self._short_dated(stock, order, lots, step.took_place_at)
                self.require_ordered(stock.connection, operation, order, taken, step.as_of)
                arrived = put_into_stock(
                    stock,
                    operation,
                    MovementType.PURCHASE,
                    order.warehouse_id,
                    order.lines,
                    units,
                    reference_id=order.po_number,
                    reason=f"receipt {step.receipt_id} of purchase order {order.po_number}",
                    lots=lots,
                    supplier_id=order.supplier_id,
                )
                locked.receive(operation, step.receipt_id, taken, step.took_place_at, step.unfit_reason)
                locked.add_lots(
                    (product_id, stock.items[ItemKey(order.warehouse_id, product_id)].lots[lot.lot_number].facts, came)
                    for product_id, its in lots.items()
                    for lot, came in its
                )
                locked.pay(arrived, step.as_of)
                if status is PurchaseOrderStatus.RECEIVED:
                    locked.close(operation, status, step.as_of)
                opened = self._open_inspections(stock, operation, order, step, short_dated)
                return InspectingAnswer(opened_inspections=opened) if opened else None

            _, is_over = order.more_than_ordered(taken)
            named = [(product_id, lot.lot_number) for product_id, its in lots.items() for lot, _ in its]
            wants = Wants(arriving=arriving, lots=named, moves=bool(arriving), as_of=step.as_of)
            # A lot may have to be inspected, and an inspection is written past the memory.
            return Plan(wants, carry_out, writes_itself=is_over or bool(lots))

        return self._orders.once(step, step.po_number, plan, name=step.receipt_id)

    def _short_dated(self, stock: LockedStock, order: PurchaseOrder, lots: Lots, came_at: datetime) -> list[ComingLot]:
        """The lots that come with too few days left, for quarantine; changes nothing.

        Raises:
            InvalidRequest: By the setting no such receipt is taken; or a lot is known with other days.
        """
        short_dated = short_dated_lots(stock, order, lots, came_at)
        if short_dated and self._short_dated_receipts is ShortDatedReceipts.REFUSE:
            raise refusal(short_dated)
        return short_dated

    def _open_inspections(
        self,
        stock: LockedStock,
        operation: Operation,
        order: PurchaseOrder,
        step: ReceivePurchaseOrderStep,
        short_dated: Sequence[ComingLot],
    ) -> list[OpenedInspection]:
        """Set aside the short-dated lots of a receipt in quarantine, and open the inspection that answers for them."""
        if not short_dated:
            return []
        place = order.warehouse_id
        units = [Moving(ItemKey(place, lot.product_id), lot.units, lot.facts.lot_number) for lot in short_dated]
        return [
            open_inspection(
                stock,
                operation,
                self._limits,
                units,
                number=number_of(order.po_number, step.receipt_id),
                warehouse_id=place,
                state=StockState.QUARANTINE,
                reason=f"receipt {step.receipt_id} of purchase order {order.po_number}: {few_days(short_dated)}",
                as_of=step.as_of,
            )
        ]

    @activity.defn(name="approve_order_difference", no_thread_cancel_exception=True)
    def approve_order_difference(self, step: ApproveOrderDifferenceStep) -> StoredPurchaseOrder:
        """Store an approval of units received beyond the order, or booked back. Another person may book them then.

        Locks: the order. Operation: ``{workflow}/approve_difference/{command}``.

        Raises:
            InvalidState: The order isn't out for delivery, and nothing of it has come.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            order = lock_purchase_order(connection, step.po_number)
            if order.status is not PurchaseOrderStatus.RECEIVED:
                order.after(PurchaseOrderEvent.RECEIVE, APPROVE_DIFFERENCE.name)
            store_difference_approval(connection, operation, PURCHASE_ORDER, order.po_number, step, step.as_of)

        return self._once(step, effect)

    @activity.defn(name="correct_purchase_receipt", no_thread_cancel_exception=True)
    def correct_purchase_receipt(self, step: CorrectReceiptStep) -> StoredPurchaseOrder:
        """Book back units that a receipt has booked and that didn't come, by a counter-entry for each line.

        The counter-entry is a receipt of negative units, and a PURCHASE movement out. It is right after the order's end
        as well, and leaves its status as it is. What all corrections of an order take out of stock is held to the limit
        of value and person.

        Locks: the order, then the items. Operation: ``{workflow}/correct_receipt/{correction_id}``.

        Raises:
            InvalidState: The order is a draft, or cancelled.
            InvalidRequest: There is no such receipt, or it hasn't brought so many, or not of this lot. Nothing is
                booked.
            InsufficientStock: They aren't available: no hold gives way to it.
            NotPermitted: It is above the limit, and no other person has approved that.
            OperationConflict: The number is another receipt's.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            order = lock_purchase_order(connection, step.po_number)
            wrong = _delivered(step.lines)
            if earlier := booked(connection, RECEIPTS, order.po_id, step.correction_id):
                another = done_differently("correct_receipt", step.correction_id, "purchase order", step.po_number)
                require_same(earlier, _negated(wrong), otherwise=another)
                return UNCHANGED
            taken = order.plan_correction(step.receipt_id, brought_by(connection, order, step.receipt_id), wrong)
            lots = _lots(step.lines)
            if lots:
                brought = lots_brought_by(connection, order, step.receipt_id)
                require_brought(lots, brought, f"receipt {step.receipt_id} of purchase order {order.po_number}")
            units = {number: share.accepted for number, share in taken.items() if share.accepted}
            self.require_permitted(connection, operation, order, units, step.as_of)
            _book_out(
                connection,
                operation,
                order,
                units,
                f"receipt {step.receipt_id} of purchase order {order.po_number} corrected: {step.reason}",
                lots,
                step.as_of,
            )
            insert_receipt(
                connection,
                operation,
                RECEIPTS,
                order.po_id,
                step.correction_id,
                _negated(taken),
                step.as_of,
                corrects=step.receipt_id,
                reason=step.reason,
            )
            return None

        return self._once(step, effect)

    @activity.defn(name="return_purchased_goods", no_thread_cancel_exception=True)
    def return_purchased_goods(self, step: ReturnGoodsStep) -> StoredPurchaseOrder:
        """Book received goods out of stock that go back to the supplier, by a PURCHASE movement out for each line.

        It is no demand, and the units aren't owed again. It is right after the order's end as well.

        Locks: the order, then the items. Operation: ``{workflow}/return_goods/{return_id}``.

        Raises:
            InvalidState: The order is a draft, or cancelled.
            InvalidRequest: A product isn't on the order, or fewer were received and not returned. Nothing is booked.
            InsufficientStock: They aren't available: no hold gives way to it.
            OperationConflict: The return's number was used for other quantities.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            order = lock_purchase_order(connection, step.po_number)
            sent = {
                product: units.accepted
                for product, units in delivered_by_product(
                    Delivered(line.product_id, line.quantity, 0) for line in step.lines
                ).items()
            }
            if earlier := returned_by(connection, order, step.return_id):
                another = done_differently("return_goods", step.return_id, "purchase order", step.po_number)
                require_same(earlier, sent, otherwise=another)
                return UNCHANGED
            units = order.plan_return(sent)
            _book_out(
                connection,
                operation,
                order,
                units,
                f"return {step.return_id} of purchase order {order.po_number} to the supplier: {step.reason}",
                _lots(step.lines),
                step.as_of,
            )
            insert_return(
                connection,
                operation,
                order,
                step.return_id,
                units,
                reason=step.reason,
                reference=step.reference,
                as_of=step.as_of,
            )
            return None

        return self._once(step, effect)


def _negated(units: Mapping[int, Taken]) -> dict[int, Taken]:
    return {key: Taken(-share.accepted, -share.unfit) for key, share in units.items()}


def _delivered(lines: Sequence[ReceiptLine]) -> dict[int, Taken]:
    return delivered_by_product(Delivered(line.product_id, line.quantity, line.rejected_quantity) for line in lines)


def _lots(lines: Sequence[ReceiptLine | SentBackLine]) -> dict[int, list[tuple[LotFacts, int]]]:
    """The lots of the units that enter stock, or leave it, by product."""
    lots: dict[int, list[tuple[LotFacts, int]]] = {}
    for line in lines:
        if line.lot is not None and line.quantity:
            lots.setdefault(line.product_id, []).append((line.lot, line.quantity))
    return lots


def _book_out(
    connection: Connection,
    operation: Operation,
    order: PurchaseOrder,
    units: Mapping[int, int],
    reason: str,
    lots: Lots,
    as_of: datetime,
) -> None:
    """Take received units by line number out of stock again, as PURCHASE movements out of the order."""
    take_out_of_stock(
        connection,
        operation,
        MovementType.PURCHASE,
        order.warehouse_id,
        order.lines,
        units,
        reference_id=order.po_number,
        reason=reason,
        lots=lots,
        as_of=as_of,
    )
