"""The steps of a reorder run: find items below their reorder point, and draft each uncovered one once.

Whether an item needs an order is decided under its lock. Two runs that look at the same item at once decide one after
the other, and the second sees the first one's draft. `database.reorder` reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row
from temporalio import activity

from activities.catalogue import require_warehouse
from activities.drafts import store_draft
from activities.writes import OnDatabase, database_errors, effect_once
from database.clock import day_of
from database.locks import lock_items
from database.operations import Operation
from database.reorder import (
    next_number,
    read_covered,
    read_groups,
    read_needing,
    read_open_orders,
    read_planned_numbers,
    read_skipped,
    read_still_needing,
    read_unstarted,
    timezone_of,
)
from database.sessions import Database
from stockkeeper.contracts.adjustment import DEFAULT_ADJUSTMENT, AdjustmentPolicy
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.purchase_order import PROCESS as PURCHASE_ORDER
from stockkeeper.contracts.purchase_order_state import ApprovalPolicy, PurchaseOrderLine, PurchaseOrderRequest
from stockkeeper.contracts.reorder import (
    AT_ONCE,
    COVERED_SHOWN,
    GROUPS_A_LOOK,
    LINES_AN_ORDER,
    LOOK,
    ORDERS_SHOWN_AN_ITEM,
    REQUESTED_BY,
    SKIPPED_SHOWN,
    WORKFLOW_TYPE,
    AskForReorder,
    Below,
    CoveredState,
    DraftedReorder,
    DraftReorderStep,
    FindBelow,
    FindUnstarted,
    Group,
    ReorderActivities,
    ReorderRequest,
    SkippedState,
    Unstarted,
)
from stockkeeper.domain.reorder import OpenOrder, PlannedNumbers, Position, quantity_for, reason_for
from stockkeeper.domain.replenishment import Terms, whole_units
from stockkeeper.domain.stock import ItemKey

_DAYS_FORESEEN = 3_660


class ReorderSteps(OnDatabase, ReorderActivities):
    """`ReorderActivities` on PostgreSQL.

    Args:
        database: The database.
        approval: The approval policy of the drafts.
        over_delivery_percent: How much more than ordered may be received, in percent of each line.
        task_queue: Where the workers listen.
        limits: Value and units of goods below catalogue cost up to which a draft needs no approval.
    """

    def __init__(
        self,
        database: Database,
        *,
        approval: ApprovalPolicy,
        over_delivery_percent: Decimal,
        task_queue: str,
        limits: AdjustmentPolicy = DEFAULT_ADJUSTMENT,
    ) -> None:
        super().__init__(database)
        self._approval = approval
        self._over_delivery_percent = over_delivery_percent
        self._limit = limits.as_limit
        self._task_queue = task_queue

    @activity.defn(name="find_below", no_thread_cancel_exception=True)
    def find_below(self, question: FindBelow) -> Below:
        """Group the items below their point by supplier and warehouse; only items below their point are read.

        Raises:
            UnknownWarehouse: There is no such warehouse.
        """
        with database_errors(), self._database.snapshot() as connection:
            if question.warehouse_id is not None:
                require_warehouse(connection, question.warehouse_id)
            below = read_groups(connection, question.warehouse_id, question.as_of)
            uncovered = [group for group in below if not group["is_covered"]]
            groups = [group for group in uncovered if group["supplier_id"] is not None and group["is_active"]]
            items_skipped = _items(uncovered) - _items(groups)
            skipped = (
                read_skipped(connection, question.warehouse_id, question.as_of, SKIPPED_SHOWN) if items_skipped else []
            )
            covered = (
                read_covered(
                    connection,
                    question.warehouse_id,
                    question.as_of,
                    most=COVERED_SHOWN,
                    orders_each=ORDERS_SHOWN_AN_ITEM,
                )
                if len(uncovered) < len(below)
                else []
            )
        return Below(
            items_below=_items(below),
            items_covered=_items(below) - _items(uncovered),
            groups=[Group.model_validate(group) for group in groups[:GROUPS_A_LOOK]],
            more_groups=len(groups) > GROUPS_A_LOOK,
            skipped=[SkippedState.model_validate(item) for item in skipped],
            items_skipped=items_skipped,
            covered=[CoveredState.model_validate(item) for item in covered],
        )

    @activity.defn(name="draft_reorder", no_thread_cancel_exception=True)
    def draft_reorder(self, step: DraftReorderStep) -> DraftedReorder:
        """Draft one order from one supplier for one warehouse; its workflow is started afterwards.

        Locks: the items, sorted by product. Whether each still needs an order is decided under its lock, where the
        drafts of other runs are seen. Operation: ``{workflow}/{run}/draft/{pass}/{number}``.
        """
        if step.dry_run:
            with database_errors(), self._database.snapshot() as connection:
                rows, more = _needing(connection, step)
                return DraftedReorder(order=_order(connection, step, rows, "dry-run"), more=more)

        def effect(connection: Connection, operation: Operation) -> DraftedReorder:
            candidates, more = _needing(connection, step)
            lock_items(connection, [ItemKey(row.warehouse_id, row.product_id) for row in candidates])
            product_ids = [row.product_id for row in candidates]
            rows = read_still_needing(connection, step.warehouse_id, step.supplier_id, step.as_of, product_ids)
            number = next_number(connection) if rows else ""
            order = _order(connection, step, rows, number)
            if order is not None:
                # The draft belongs to the order's own workflow, which is started afterwards.
                drafted_by = replace(operation, workflow_id=PURCHASE_ORDER.id_of(order.po_number), run_id="")
                percent = self._over_delivery_percent
                store_draft(connection, drafted_by, order, self._approval, percent, self._limit, as_of=step.as_of)
            return DraftedReorder(order=order, more=more)

        return effect_once(self._database, step, DraftedReorder, effect)[0]

    @activity.defn(name="find_unstarted", no_thread_cancel_exception=True)
    def find_unstarted(self, question: FindUnstarted) -> Unstarted:
        """Find a draft that a run stored without starting its workflow, so that another run can start it."""
        with database_errors(), self._database.snapshot() as connection:
            found = read_unstarted(connection, question.after_po_id)
        if found is None:
            return Unstarted()
        po_id = found.pop("po_id")
        return Unstarted(po_id=po_id, order=PurchaseOrderRequest.model_validate(found))

    @activity.defn(name="ask_for_reorder")
    async def ask_for_reorder(self, question: AskForReorder) -> None:
        """Request an immediate reorder run: signal the running one, or start it, in one step of Temporal.

        So no request is lost, and a thousand requests within a moment are served by one run.
        """
        del question
        await activity.client().start_workflow(
            WORKFLOW_TYPE,
            ReorderRequest(),
            id=AT_ONCE,
            task_queue=self._task_queue,
            start_signal=LOOK,
            static_summary="what has just fallen below its reorder point",
        )


def _items(groups: Iterable[Mapping[str, Any]]) -> int:
    return sum(group["items"] for group in groups)


def _needing(connection: Connection, step: DraftReorderStep) -> tuple[Sequence[Row[Any]], bool]:
    """At most as many items that need an order as an order has lines, and whether there are more."""
    rows = read_needing(
        connection,
        step.warehouse_id,
        step.supplier_id,
        step.as_of,
        after_product_id=step.after_product_id,
        most=LINES_AN_ORDER + 1,
    )
    return rows[:LINES_AN_ORDER], len(rows) > LINES_AN_ORDER


def _order(
    connection: Connection, step: DraftReorderStep, rows: Sequence[Row[Any]], po_number: str
) -> PurchaseOrderRequest | None:
    if not rows:
        return None
    plans = read_planned_numbers(connection, step.warehouse_id, [row.product_id for row in rows])
    open_orders = read_open_orders(connection, step.warehouse_id, rows)
    timezone = timezone_of(connection, step.warehouse_id)
    lead_time_days = max(float(row.lead_time_days) for row in rows)
    return PurchaseOrderRequest(
        po_number=po_number,
        supplier_id=step.supplier_id,
        warehouse_id=step.warehouse_id,
        line_items=[_line(row, plans.get(row.product_id), open_orders.get(row.product_id, [])) for row in rows],
        expected_delivery_date=_day(step.as_of, timezone, lead_time_days),
        requested_by=REQUESTED_BY,
        reason=f"{counted(len(rows), 'item')} below the reorder point",
        approval=None,
    )


def _line(row: Row[Any], planned: PlannedNumbers | None, open_orders: Sequence[OpenOrder]) -> PurchaseOrderLine:
    position = Position(row.quantity_available, row.in_time, row.in_transit)
    terms = Terms(row.minimum_order_quantity, row.pack_size)
    is_planned = planned is not None and planned.decides(row.reorder_point)
    return PurchaseOrderLine(
        product_id=row.product_id,
        qty=quantity_for(position, row.reorder_point, row.reorder_quantity, terms, is_planned=is_planned),
        unit_cost=row.unit_cost,
        note=reason_for(position, row.reorder_point, terms, planned, open_orders),
    )


def _day(as_of: datetime, timezone: str, days: float) -> date | None:
    """The calendar day that is ``days`` ahead, in a time zone; None if it is years ahead."""
    if days > _DAYS_FORESEEN:
        return None
    return day_of(as_of, timezone) + timedelta(days=whole_units(days))
