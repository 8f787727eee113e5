"""The steps of a reorder run: find items below their reorder point, and draft each uncovered one once.

Whether an item needs an order is decided under its lock. Two runs that look at the same item at once decide one after
the other, and the second sees the first one's draft. `database.reorder` reads.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row
from temporalio import activity

from activities.catalogue import require_warehouse
from activities.document_events import document_changed
from activities.drafts import store_draft
from activities.purchase_order_steps import stored_order
from activities.reorder_lines import Levels, days_to_last, joining, joint_levels, wanted_lines
from activities.writes import OnDatabase, database_errors, effect_once
from database.clock import day_of
from database.events import insert_events
from database.locks import lock_items
from database.operations import Operation
from database.order_terms import read_joint_items, read_order_terms, review_days_stored
from database.perishing import Perishing, read_perishing, read_sell_days
from database.pipeline import send
from database.reorder import (
    Looked,
    next_number,
    read_covered,
    read_groups,
    read_needing,
    read_skipped,
    read_still_needing,
    read_unstarted,
    timezone_of,
)
from database.sessions import Database, use_one_core
from stockkeeper.contracts.adjustment import DEFAULT_ADJUSTMENT, AdjustmentPolicy
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.purchase_order import PROCESS as PURCHASE_ORDER
from stockkeeper.contracts.purchase_order_state import ApprovalPolicy, PurchaseOrderLine, PurchaseOrderRequest
from stockkeeper.contracts.reorder import (
    AT_ONCE,
    COVERED_SHOWN,
    GROUPS_A_LOOK,
    GROUPS_WAITING_SHOWN,
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
    WaitingState,
)
from stockkeeper.domain.reorder_lines import lines_of
from stockkeeper.domain.replenishment import whole_units
from stockkeeper.domain.review_days import is_review_day, next_review
from stockkeeper.domain.stock import ItemKey

_DAYS_FORESEEN = 3_660


class ReorderSteps(OnDatabase, ReorderActivities):
    """`ReorderActivities` on PostgreSQL.

    Args:
        database: The database.
        approval: The approval policy of the drafts.
        over_delivery_percent: How much more than ordered may be received, in percent of each line.
        task_queue: Where the workers listen.
        own_suffix: The end of the id of the run that looks at once; each of several databases has its own.
        limits: Value and units of goods below catalogue cost up to which a draft needs no approval.
    """

    def __init__(
        self,
        database: Database,
        *,
        approval: ApprovalPolicy,
        over_delivery_percent: Decimal,
        task_queue: str,
        own_suffix: str = "",
        limits: AdjustmentPolicy = DEFAULT_ADJUSTMENT,
    ) -> None:
        super().__init__(database)
        self._approval = approval
        self._over_delivery_percent = over_delivery_percent
        self._limit = limits.as_limit
        self._task_queue = task_queue
        self._at_once = AT_ONCE + own_suffix

    @activity.defn(name="find_below", no_thread_cancel_exception=True)
    def find_below(self, question: FindBelow) -> Below:
        """Group the items below their point by supplier and warehouse; only items below their point are read.

        Raises:
            UnknownWarehouse: There is no such warehouse.
        """
        with database_errors(), self._database.snapshot() as connection:
            use_one_core(connection)
            if question.warehouse_id is not None:
                require_warehouse(connection, question.warehouse_id)
            look = _look(connection, question)
            below = read_groups(connection, look)
            uncovered = [group for group in below if not group["is_covered"]]
            orderable = [group for group in uncovered if group["supplier_id"] is not None and group["is_active"]]
            waiting = [] if question.as_of is None else [group for group in orderable if not _is_reviewed(group)]
            groups = [group for group in orderable if group not in waiting]
            items_skipped = _items(uncovered) - _items(orderable)
            skipped = read_skipped(connection, look, SKIPPED_SHOWN) if items_skipped else []
            covered = (
                read_covered(connection, look, most=COVERED_SHOWN, orders_each=ORDERS_SHOWN_AN_ITEM)
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
            waiting=[_waiting(group) for group in waiting[:GROUPS_WAITING_SHOWN]],
            items_waiting=_items(waiting),
        )

    @activity.defn(name="draft_reorder", no_thread_cancel_exception=True)
    def draft_reorder(self, step: DraftReorderStep) -> DraftedReorder:
        """Draft one order from one supplier for one warehouse; its workflow is started afterwards.

        Locks: the items, sorted by product, with those that may join. Whether each still needs an order, or joins it,
        is decided under its lock, where the drafts of other runs are seen. Operation:
        ``{workflow}/{run}/draft/{pass}/{number}``.

        Raises:
            InvalidState: The order isn't worth what the supplier accepts at least, and can't be made so. Nothing is
                drafted.
        """
        if step.dry_run:
            with database_errors(), self._database.snapshot() as connection:
                draft = _Draft(connection, step)
                return DraftedReorder(order=draft.order(lambda: "dry-run"), more=draft.more)

        def effect(connection: Connection, operation: Operation) -> DraftedReorder:
            use_one_core(connection)
            draft = _Draft(connection, step)
            draft.lock()
            order = draft.order(lambda: next_number(connection))
            if order is not None:
                # The draft belongs to the order's own workflow, which is started afterwards.
                drafted_by = replace(operation, workflow_id=PURCHASE_ORDER.id_of(order.po_number), run_id="")
                percent = self._over_delivery_percent
                store_draft(connection, drafted_by, order, self._approval, percent, self._limit, as_of=step.as_of)
                stored = stored_order(connection, order.po_number)
                lines = [dict(line) for line in order.line_items]
                drafted = document_changed(operation, stored, process=PURCHASE_ORDER, lines=lines)
                send(connection, [insert_events([drafted._replace(reason=order.reason)])])
            return DraftedReorder(order=order, more=draft.more)

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
            id=self._at_once,
            task_queue=self._task_queue,
            start_signal=LOOK,
            static_summary="what has just fallen below its reorder point",
        )


def _look(connection: Connection, question: FindBelow) -> Looked:
    place, as_of = question.warehouse_id, question.as_of
    return Looked(place, as_of, {} if as_of is None else read_perishing(connection, as_of, warehouse_id=place))


def _items(groups: Iterable[Mapping[str, Any]]) -> int:
    return sum(group["items"] for group in groups)


def _is_reviewed(group: Mapping[str, Any]) -> bool:
    """Whether orders go out to its supplier on the warehouse's day."""
    return is_review_day(review_days_stored(group["review_days"]), group["today"])


def _waiting(group: Mapping[str, Any]) -> WaitingState:
    order_on = next_review(review_days_stored(group["review_days"]), group["today"])
    return WaitingState.model_validate({**group, "order_on": order_on})


class _Draft:
    """An order from one supplier for one warehouse: items that need it, at most as many as it has lines, and others.

    If the supplier's orders are joint, the items near their point join it, unless the items that need it are more than
    an order has lines.

    Attributes:
        needing: The items that need it.
        more: Whether there are more of them.
    """

    def __init__(self, connection: Connection, step: DraftReorderStep) -> None:
        self._connection = connection
        self._step = step
        self._perishing = read_perishing(connection, step.as_of, warehouse_id=step.warehouse_id)
        rows = read_needing(
            connection,
            Looked(step.warehouse_id, step.as_of, self._perishing),
            step.supplier_id,
            after_product_id=step.after_product_id,
            most=LINES_AN_ORDER + 1,
        )
        self.needing: Sequence[Row[Any]] = rows[:LINES_AN_ORDER]
        self.more = len(rows) > LINES_AN_ORDER
        self._terms = read_order_terms(connection, step.supplier_id)
        self._levels: Levels = {}
        self._joining: list[Row[Any]] = []
        if self._terms.joint_orders and self.needing:
            items = read_joint_items(connection, step.warehouse_id, step.supplier_id, step.as_of)
            self._levels = joint_levels(items, float(self._terms.line_cost))
            self._perishing = self._read_perishing(None)
            if not self.more:
                self._joining = joining(items, self._levels, self._perishing, LINES_AN_ORDER - len(self.needing))

    def lock(self) -> None:
        """Lock the items, and keep those that still need an order or still join it."""
        step, connection = self._step, self._connection
        lock_items(connection, [ItemKey(row.warehouse_id, row.product_id) for row in (*self.needing, *self._joining)])
        needing, joined = ([row.product_id for row in rows] for rows in (self.needing, self._joining))
        self._perishing = self._read_perishing([*needing, *joined])
        look = Looked(step.warehouse_id, step.as_of, self._perishing)
        self.needing = read_still_needing(connection, look, step.supplier_id, needing)
        if joined:
            items = read_joint_items(connection, step.warehouse_id, step.supplier_id, step.as_of, joined)
            known = [row for row in items if row.product_id in self._levels]
            self._joining = joining(known, self._levels, self._perishing, len(joined))

    def _read_perishing(self, product_ids: Collection[int] | None) -> Perishing:
        """Lots that end before the goods are there, or before those of the next joint order are."""
        return read_perishing(
            self._connection,
            self._step.as_of,
            warehouse_id=self._step.warehouse_id,
            product_ids=product_ids,
            more_days=days_to_last(self._levels),
        )

    def order(self, next_po_number: Callable[[], str]) -> PurchaseOrderRequest | None:
        """The start of the order's workflow; None: nothing needs it, and it takes no number.

        Raises:
            InvalidState: It isn't worth what the supplier accepts at least, and can't be made so.
        """
        if not self.needing:
            return None
        step, joined = self._step, len(self._joining)
        timezone = timezone_of(self._connection, step.warehouse_id)
        products = [row.product_id for row in (*self.needing, *self._joining)]
        wanted = wanted_lines(
            self._connection,
            step.warehouse_id,
            self.needing,
            self._joining,
            self._levels,
            self._perishing,
            read_sell_days(self._connection, step.warehouse_id, step.supplier_id, products, timezone),
        )
        lines = lines_of(wanted, self._terms.minimum_order_value)
        lead_time_days = max(float(row.lead_time_days) for row in (*self.needing, *self._joining))
        below = f"{counted(len(self.needing), 'item')} below the reorder point"
        return PurchaseOrderRequest(
            po_number=next_po_number(),
            supplier_id=step.supplier_id,
            warehouse_id=step.warehouse_id,
            line_items=[
                PurchaseOrderLine(product_id=each.product_id, qty=each.units, unit_cost=each.unit_cost, note=each.note)
                for each in lines
            ],
            expected_delivery_date=_day(step.as_of, timezone, lead_time_days),
            requested_by=REQUESTED_BY,
            reason=below + (f", {counted(joined, 'item')} near it" if joined else ""),
            approval=None,
        )


def _day(as_of: datetime, timezone: str, days: float) -> date | None:
    """The calendar day that is ``days`` ahead, in a time zone; None if it is years ahead."""
    if days > _DAYS_FORESEEN:
        return None
    return day_of(as_of, timezone) + timedelta(days=whole_units(days))
