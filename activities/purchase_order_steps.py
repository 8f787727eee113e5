"""The steps of a purchase order have these in common: one transaction each, the order's end, and its answer."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection
from temporalio import activity

from activities.differences import require_difference_approved
from activities.document_steps import Command, DocumentSteps
from activities.writes import Effect, OnDatabase, document_once
from database.clock import end_of_day, today_in
from database.document import close_document
from database.locked_order import LockedOrder, changes_of
from database.locks import lock_suppliers
from database.operations import Operation
from database.pipeline import Statement, send
from database.purchase_order import PURCHASE_ORDER
from database.purchase_order_goods import taken_back
from database.purchase_order_reading import (
    Receipt,
    lock_orders,
    orders_of,
    read_orders,
    read_purchase_order,
    require_order,
)
from database.sessions import Database
from database.supplier_performance import keep_lead_times
from database.worth import unit_costs
from stockkeeper.contracts.adjustment import DEFAULT_ADJUSTMENT, AdjustmentPolicy
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.purchase_order import (
    AmendPurchaseOrderStep,
    ApproveOrderDifferenceStep,
    ApprovePurchaseOrderStep,
    ConfirmPurchaseOrderStep,
    CorrectReceiptStep,
    DraftPurchaseOrderStep,
    EndPurchaseOrderStep,
    ReceivePurchaseOrderStep,
    ResumePurchaseOrderStep,
    ReturnGoodsStep,
    StoredPurchaseOrder,
)
from stockkeeper.contracts.purchase_order_state import ApprovalPolicy
from stockkeeper.contracts.receipt import RECEIPTS_SHOWN
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.purchase_order import (
    PurchaseOrder,
    PurchaseOrderStatus,
)
from stockkeeper.domain.receipt import Taken
from stockkeeper.domain.short_dated import ShortDatedReceipts
from stockkeeper.domain.transitions import titled
from stockkeeper.domain.worth import worth_of_units

PurchaseOrderStep = (
    DraftPurchaseOrderStep
    | ApprovePurchaseOrderStep
    | AmendPurchaseOrderStep
    | CorrectReceiptStep
    | ReturnGoodsStep
    | ResumePurchaseOrderStep
    | ConfirmPurchaseOrderStep
    | ReceivePurchaseOrderStep
    | ApproveOrderDifferenceStep
    | EndPurchaseOrderStep
)


class OrderRoom:
    """Purchase orders for `activities.document_steps`."""

    def lock(self, numbers: Sequence[str]) -> Statement:
        """Lock orders by their numbers."""
        return lock_orders(numbers)

    def read(self, commands: Sequence[Command]) -> list[Statement]:
        """Read orders, and what their receipts have booked before."""
        receipts = [Receipt(each.number, each.name or "") for each in commands]
        return read_orders([each.number for each in commands], RECEIPTS_SHOWN, receipts)

    def take_in(self, rows: Sequence[list[Any]]) -> Mapping[str, LockedOrder]:
        """The orders by number."""
        return orders_of(rows)

    def require(self, found: Mapping[str, LockedOrder], number: str) -> LockedOrder:
        """The order of this number; raises `InvalidRequest` if there is none."""
        return require_order(found, number)

    def changes(self, documents: Iterable[LockedOrder]) -> Iterable[Statement]:
        """What has changed of orders, as statements."""
        return changes_of(documents)

    def answer(self, document: LockedOrder, operation: Operation) -> StoredPurchaseOrder:
        """The order as it is now, for the operation's run."""
        return _stored(document.shown, operation.run_id or None)

    def booked(self, document: LockedOrder, operation: Operation) -> None:
        """The units of a receipt are what its step says."""
        del document, operation


class OrderSteps(OnDatabase):
    """What the steps of an order need.

    Args:
        database: The database.
        approval: The policy for orders that don't bring their own.
        over_delivery_percent: How much more than ordered may be received, in percent of each line.
        limits: Value and units of goods without a counterpart (unpaid or not ordered) up to which one person decides.
        short_dated_receipts: What becomes of a receipt with a lot that has too few days left.
    """

    def __init__(
        self,
        database: Database,
        *,
        approval: ApprovalPolicy,
        over_delivery_percent: Decimal,
        limits: AdjustmentPolicy = DEFAULT_ADJUSTMENT,
        short_dated_receipts: ShortDatedReceipts = ShortDatedReceipts.QUARANTINE,
    ) -> None:
        super().__init__(database)
        self._approval = approval
        self._over_delivery_percent = over_delivery_percent
        self._limits = limits
        self._limit = limits.as_limit
        self._short_dated_receipts = short_dated_receipts
        self._orders = DocumentSteps(database, OrderRoom(), StoredPurchaseOrder)

    def require_permitted(
        self,
        connection: Connection,
        operation: Operation,
        order: PurchaseOrder,
        units: Mapping[int, int],
        as_of: datetime,
    ) -> None:
        """Refuse to book back more of an order than one person may, without another person's approval."""
        if not units:
            return
        before = taken_back(connection, order)
        by_now = {number: before.get(number, 0) + units.get(number, 0) for number in before.keys() | units.keys()}
        what = f"{counted(sum(by_now.values()), 'unit')} of {titled(PURCHASE_ORDER.name, order.po_number)} booked back"
        self._require_approved(connection, operation, order, by_now, what, as_of)

    def require_ordered(
        self,
        connection: Connection,
        operation: Operation,
        order: PurchaseOrder,
        taken: Mapping[int, Taken],
        as_of: datetime,
    ) -> None:
        """Refuse to receive more than was ordered, above the limit and without another person's approval."""
        over, grows = order.more_than_ordered(taken)
        if not grows:
            return
        units = counted(sum(over.values()), "unit")
        what = f"{units} received on {titled(PURCHASE_ORDER.name, order.po_number)} beyond its order"
        self._require_approved(connection, operation, order, over, what, as_of)

    def _require_approved(
        self,
        connection: Connection,
        operation: Operation,
        order: PurchaseOrder,
        units: Mapping[int, int],
        what: str,
        as_of: datetime,
    ) -> None:
        """Refuse a difference of these units, by line, above the limit and without another person's approval."""
        costs = unit_costs(connection, {line.product_id for line in order.lines})
        worth = worth_of_units(
            (units[line.line_number], costs[line.product_id] or line.unit_cost or None)
            for line in order.lines
            if units.get(line.line_number)
        )
        number = order.po_number
        require_difference_approved(connection, operation, PURCHASE_ORDER, number, what, worth, self._limit, as_of)

    def _once(self, step: PurchaseOrderStep, effect: Effect) -> StoredPurchaseOrder:
        return document_once(
            self._database,
            step,
            StoredPurchaseOrder,
            effect,
            lambda connection: stored_order(connection, step.po_number),
        )


def end_order(
    connection: Connection,
    operation: Operation,
    order: PurchaseOrder,
    status: PurchaseOrderStatus,
    as_of: datetime,
    *,
    reason: str | None,
) -> None:
    """End the order, and measure how long the supplier took. The caller has locked the order."""
    close_document(connection, operation, PURCHASE_ORDER, order.po_id, status, as_of, reason=reason)
    send(connection, [lock_suppliers([order.supplier_id]), *keep_lead_times([order.po_id])])


def stored_order(connection: Connection, po_number: str) -> StoredPurchaseOrder:
    """The order as it is in this transaction."""
    order = read_purchase_order(connection, po_number, receipts=RECEIPTS_SHOWN)
    return _stored(order, activity.info().workflow_run_id)


def _stored(shown: Mapping[str, Any], run_id: str | None) -> StoredPurchaseOrder:
    """The order as this run sees it."""
    due_at = end_of_day(shown["expected_delivery_date"], shown["timezone"])
    more = {"due_at": due_at, "drafted_by_another_run": shown["run_id"] != run_id}
    return StoredPurchaseOrder.model_validate({**shown, **more, "receipts": shown["receipts"][-RECEIPTS_SHOWN:]})


def require_to_come(connection: Connection, warehouse_id: int, day: date | None, as_of: datetime) -> None:
    """Refuse to expect goods on a day that has passed where the warehouse is; today is in time.

    Raises:
        InvalidRequest: With both days.
    """
    if day is not None and day < (today := today_in(connection, warehouse_id, as_of)):
        raise InvalidRequest(
            f"expected_delivery_date: {day} has passed; where the warehouse is, today is {today}",
            {"expected_delivery_date": str(day), "today": str(today)},
        )
