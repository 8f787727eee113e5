"""A reorder run's side of the activities, on PostgreSQL, without Temporal around them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.reorder import ReorderSteps
from database.sessions import Database
from stockkeeper.contracts.purchase_order_state import DEFAULT_APPROVAL, ApprovalPolicy, PurchaseOrderRequest
from stockkeeper.contracts.reorder import Below, DraftedReorder, DraftReorderStep, FindBelow, FindUnstarted
from stockkeeper.domain.stock import ItemKey
from tests.support.replenishment_rows import nothing_else_to_order, set_point, supply
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON, run_activity


class Reordering:
    """One run after another; each draft has an operation of its own, unless a test repeats one on purpose."""

    def __init__(
        self, database: Database, *, approval: ApprovalPolicy = DEFAULT_APPROVAL, over_delivery_percent: str = "0"
    ) -> None:
        self._steps = ReorderSteps(
            database,
            approval=approval,
            over_delivery_percent=Decimal(over_delivery_percent),
            task_queue="nobody works here",
        )

    def below(self, warehouse_id: int, as_of: datetime | None = NOON) -> Below:
        """What is below its point there."""
        return ActivityEnvironment().run(self._steps.find_below, FindBelow(warehouse_id=warehouse_id, as_of=as_of))

    def draft(
        self,
        supplier_id: int,
        warehouse_id: int,
        *,
        dry_run: bool = False,
        after_product_id: int = 0,
        as_of: datetime = NOON,
        operation: str | None = None,
    ) -> DraftedReorder:
        """One order, or what it would be."""
        step = DraftReorderStep(
            operation_id=operation or f"{new_reference('reorder')}/run/draft/1",
            performed_by="reorder",
            as_of=as_of,
            supplier_id=supplier_id,
            warehouse_id=warehouse_id,
            dry_run=dry_run,
            after_product_id=after_product_id,
        )
        return run_activity("draft_reorder", self._steps.draft_reorder, step)

    def order(self, supplier_id: int, warehouse_id: int, **other: Any) -> PurchaseOrderRequest:
        """One order, which there is."""
        drafted = self.draft(supplier_id, warehouse_id, **other)
        assert drafted.order is not None
        return drafted.order

    def everything(self, warehouse_id: int) -> list[PurchaseOrderRequest]:
        """A whole run: order after order of each supplier, until there is nothing more."""
        orders = []
        for group in self.below(warehouse_id).groups:
            while (drafted := self.draft(group.supplier_id, warehouse_id)).order is not None:
                orders.append(drafted.order)
                if not drafted.more:
                    break
        return orders

    def unstarted(self) -> list[PurchaseOrderRequest]:
        """Drafts that no workflow has taken over."""
        orders: list[PurchaseOrderRequest] = []
        after = 0
        while True:
            found = ActivityEnvironment().run(self._steps.find_unstarted, FindUnstarted(after_po_id=after))
            if found.order is None:
                return orders
            assert found.po_id > after
            after = found.po_id
            orders.append(found.order)


@contextmanager
def reordered_in_two_places(
    database: Database, shop: Shop
) -> Iterator[tuple[ItemKey, PurchaseOrderRequest, PurchaseOrderRequest]]:
    """Reorders of one product for two warehouses, while nothing else is to be ordered; and the first one's item."""
    reordering, here, supplier = Reordering(database), shop.item(4), shop.supplier()
    there = shop.item(4, product=here.product_id)
    supply(shop.engine, here, supplier)
    with nothing_else_to_order(shop.engine):
        set_point(shop.engine, [here, there], 10)
        first, second = (reordering.order(supplier, item.warehouse_id) for item in (here, there))
        yield here, first, second
