"""Reordering in the database: what is below its point and not covered is drafted, once.

Whether an item needs an order is decided under its lock. Two runs that look at the same item at once decide one after
the other, and the second sees the first one's draft.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, RowMapping, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger
from temporalio import activity

from activities.catalogue import require_warehouse
from activities.drafts import store_draft
from activities.writes import database_errors, effect_once
from database.document import is_stored
from database.locks import lock_items
from database.operations import Operation
from database.purchase_order import PURCHASE_ORDER
from database.sessions import Database
from database.tables import REORDER_NUMBERS, warehouses
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.purchase_order import ApprovalPolicy, PurchaseOrderLine, PurchaseOrderRequest, workflow_id
from stockkeeper.contracts.reorder import (
    AT_ONCE,
    GROUPS_A_LOOK,
    LINES_AN_ORDER,
    LOOK,
    REQUESTED_BY,
    SKIPPED_SHOWN,
    WORKFLOW_TYPE,
    AskForReorder,
    Below,
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
from stockkeeper.domain.reorder import PlannedNumbers, Position, quantity_for, reason_for
from stockkeeper.domain.replenishment import Terms, whole_units
from stockkeeper.domain.stock import ItemKey

# Once over what is below: everything else about it is added up from here. Names come last, for the few that are left.
_BELOW = text("""
    WITH below AS (
        SELECT supplier_id, warehouse_id, is_active, is_covered, count(*) AS items
        FROM items_below
        WHERE :warehouse_id IS NULL OR warehouse_id = :warehouse_id
        GROUP BY supplier_id, warehouse_id, is_active, is_covered
    )
    SELECT below.*, suppliers.name AS supplier, warehouses.name AS warehouse
    FROM below JOIN warehouses USING (warehouse_id) LEFT JOIN suppliers USING (supplier_id)
    ORDER BY warehouse_id, supplier_id
""").bindparams(bindparam("warehouse_id", type_=BigInteger))

_SKIPPED = text("""
    SELECT product_id, warehouse_id,
        CASE WHEN is_active THEN 'no supplier is known for it' ELSE 'it is no longer active' END AS reason
    FROM items_below
    WHERE NOT is_covered AND (supplier_id IS NULL OR NOT is_active)
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
    ORDER BY warehouse_id, product_id
    LIMIT :most
""").bindparams(bindparam("warehouse_id", type_=BigInteger))

_NEEDING = text("""
    SELECT * FROM items_below
    WHERE warehouse_id = :warehouse_id AND supplier_id = :supplier_id AND NOT is_covered AND is_active
        AND product_id > :after_product_id
    ORDER BY product_id
    LIMIT :most
""")

_STILL_NEEDING = text("""
    SELECT * FROM items_below
    WHERE warehouse_id = :warehouse_id AND product_id = ANY (:product_ids)
        AND supplier_id = :supplier_id AND NOT is_covered AND is_active
    ORDER BY product_id
""").bindparams(bindparam("product_ids", type_=ARRAY(BigInteger)))

_PLANS = text("""
    SELECT plan.* FROM item_plans AS plan JOIN inventory_items USING (warehouse_id, product_id)
    WHERE warehouse_id = :warehouse_id AND product_id = ANY (:product_ids) AND planning = 'auto'
""").bindparams(bindparam("product_ids", type_=ARRAY(BigInteger)))

_UNSTARTED = text("""
    SELECT po_id, po_number, supplier_id, warehouse_id, expected_delivery_date, requested_by, reason
    FROM purchase_orders WHERE run_id = '' AND po_id > :after_po_id ORDER BY po_id LIMIT 1
""")

_LINES = text("""
    SELECT product_id, qty, unit_cost, note FROM purchase_order_lines WHERE po_id = :po_id ORDER BY line_number
""")

_DAYS_FORESEEN = 3_660


class ReorderSteps(ReorderActivities):
    """`ReorderActivities` on PostgreSQL.

    Args:
        database: Where.
        approval: The policy for what is drafted.
        over_delivery_percent: How much more than ordered may be received, in percent of each line.
        task_queue: Where the workers listen.
    """

    def __init__(
        self, database: Database, *, approval: ApprovalPolicy, over_delivery_percent: Decimal, task_queue: str
    ) -> None:
        self._database = database
        self._approval = approval
        self._over_delivery_percent = over_delivery_percent
        self._task_queue = task_queue

    @activity.defn(name="find_below", no_thread_cancel_exception=True)
    def find_below(self, question: FindBelow) -> Below:
        """What is below its point: as many items as are, and no others, are looked at.

        Raises:
            UnknownWarehouse: There is no such place.
        """
        of = {"warehouse_id": question.warehouse_id}
        with database_errors(), self._database.snapshot() as connection:
            if question.warehouse_id is not None:
                require_warehouse(connection, question.warehouse_id)
            below = connection.execute(_BELOW, of).mappings().all()
            uncovered = [row for row in below if not row["is_covered"]]
            groups = [row for row in uncovered if row["supplier_id"] is not None and row["is_active"]]
            items_skipped = _items(uncovered) - _items(groups)
            skipped = (
                connection.execute(_SKIPPED, of | {"most": SKIPPED_SHOWN}).mappings().all() if items_skipped else []
            )
        return Below(
            items_below=_items(below),
            items_covered=_items(below) - _items(uncovered),
            groups=[Group.model_validate(dict(row)) for row in groups[:GROUPS_A_LOOK]],
            more_groups=len(groups) > GROUPS_A_LOOK,
            skipped=[SkippedState.model_validate(dict(row)) for row in skipped],
            items_skipped=items_skipped,
        )

    @activity.defn(name="draft_reorder", no_thread_cancel_exception=True)
    def draft_reorder(self, step: DraftReorderStep) -> DraftedReorder:
        """Draft one order for what one supplier delivers to one warehouse; its workflow is started afterwards.

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
            rows = connection.execute(
                _STILL_NEEDING,
                {
                    "warehouse_id": step.warehouse_id,
                    "supplier_id": step.supplier_id,
                    "product_ids": [row.product_id for row in candidates],
                },
            ).all()
            number = _next_number(connection) if rows else ""
            order = _order(connection, step, rows, number)
            if order is not None:
                # The draft belongs to the order's own workflow, which is started afterwards.
                drafted_by = replace(operation, workflow_id=workflow_id(order.po_number), run_id="")
                percent = self._over_delivery_percent
                store_draft(connection, drafted_by, order, self._approval, percent, as_of=step.as_of)
            return DraftedReorder(order=order, more=more)

        return effect_once(self._database, step, DraftedReorder, effect)[0]

    @activity.defn(name="find_unstarted", no_thread_cancel_exception=True)
    def find_unstarted(self, question: FindUnstarted) -> Unstarted:
        """A draft that a run stored and whose workflow it couldn't start any more: somebody else will."""
        with database_errors(), self._database.snapshot() as connection:
            found = connection.execute(_UNSTARTED, {"after_po_id": question.after_po_id}).mappings().one_or_none()
            if found is None:
                return Unstarted()
            lines = connection.execute(_LINES, {"po_id": found["po_id"]}).mappings()
            order = PurchaseOrderRequest(
                **{name: value for name, value in found.items() if name != "po_id"},
                line_items=[PurchaseOrderLine.model_validate(dict(line)) for line in lines],
            )
            return Unstarted(po_id=found["po_id"], order=order)

    @activity.defn(name="ask_for_reorder")
    async def ask_for_reorder(self, question: AskForReorder) -> None:
        """Signal the run that looks at once, and start it if there is none: Temporal does both in one step.

        So nobody who asks is missed, and a thousand who ask within a moment are served by one run.
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


def _items(groups: Iterable[RowMapping]) -> int:
    return sum(group["items"] for group in groups)


def _next_number(connection: Connection) -> str:
    """A number that no order has; somebody may have taken some for orders of their own."""
    while True:
        number = f"RO-{connection.execute(select(REORDER_NUMBERS.next_value())).scalar_one()}"
        if not is_stored(connection, PURCHASE_ORDER, number):
            return number


def _needing(connection: Connection, step: DraftReorderStep) -> tuple[Sequence[Row[Any]], bool]:
    """Items that need an order, as many as one has, and whether there are more."""
    rows = connection.execute(
        _NEEDING,
        {
            "warehouse_id": step.warehouse_id,
            "supplier_id": step.supplier_id,
            "after_product_id": step.after_product_id,
            "most": LINES_AN_ORDER + 1,
        },
    ).all()
    return rows[:LINES_AN_ORDER], len(rows) > LINES_AN_ORDER


def _order(
    connection: Connection, step: DraftReorderStep, rows: Sequence[Row[Any]], po_number: str
) -> PurchaseOrderRequest | None:
    if not rows:
        return None
    plans = _plans(connection, step.warehouse_id, [row.product_id for row in rows])
    timezone = connection.execute(
        select(warehouses.c.timezone).where(warehouses.c.warehouse_id == step.warehouse_id)
    ).scalar_one()
    lead_time_days = max(float(row.lead_time_days) for row in rows)
    return PurchaseOrderRequest(
        po_number=po_number,
        supplier_id=step.supplier_id,
        warehouse_id=step.warehouse_id,
        line_items=[_line(row, plans.get(row.product_id)) for row in rows],
        expected_delivery_date=_day(step.as_of, timezone, lead_time_days),
        requested_by=REQUESTED_BY,
        reason=f"{counted(len(rows), 'item')} below the reorder point",
        approval=None,
    )


def _line(row: Row[Any], planned: PlannedNumbers | None) -> PurchaseOrderLine:
    position = Position(row.quantity_available, row.on_order, row.in_transit)
    terms = Terms(row.minimum_order_quantity, row.pack_size)
    is_planned = planned is not None and planned.decides(row.reorder_point)
    return PurchaseOrderLine(
        product_id=row.product_id,
        qty=quantity_for(position, row.reorder_point, row.reorder_quantity, terms, is_planned=is_planned),
        unit_cost=row.unit_cost,
        note=reason_for(position, row.reorder_point, terms, planned),
    )


def _plans(connection: Connection, warehouse_id: int, product_ids: Sequence[int]) -> Mapping[int, PlannedNumbers]:
    rows = connection.execute(_PLANS, {"warehouse_id": warehouse_id, "product_ids": list(product_ids)})
    return {
        row.product_id: PlannedNumbers(
            days=row.days,
            daily_mean=row.daily_mean,
            daily_deviation=row.daily_deviation,
            lead_time_days=row.lead_time_days,
            lead_time_deviation_days=row.lead_time_deviation_days,
            service_level=row.service_level,
            safety_stock=row.safety_stock,
            economic_order_quantity=row.economic_order_quantity,
            reorder_point=row.reorder_point,
        )
        for row in rows
    }


def _day(as_of: datetime, timezone: str, days: float) -> date | None:
    """The day on which something is expected that takes so long, where it is to arrive; None beyond any calendar."""
    if days > _DAYS_FORESEEN:
        return None
    return as_of.astimezone(ZoneInfo(timezone)).date() + timedelta(days=whole_units(days))
