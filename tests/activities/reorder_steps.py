"""A reorder run's side of the activities, on PostgreSQL, without Temporal around them."""

import dataclasses
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from temporalio.testing import ActivityEnvironment

from activities.reorder import ReorderSteps
from activities.transfer import TransferSteps
from contracts.purchase_order import DEFAULT_APPROVAL, ApprovalPolicy, PurchaseOrderRequest
from contracts.reorder import Below, DraftedReorder, DraftReorder, FindBelow, FindUnstarted
from contracts.transfer import ArrivedLine, DispatchTransfer, HoldTransfer, ReceiveTransfer, TransferLine
from database.sessions import Database
from domain.stock import ItemKey
from tests.activities.steps import NOON
from tests.shop import new_reference

R = TypeVar("R")


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

    def below(self, warehouse_id: int) -> Below:
        """What is below its point there."""
        return _run("find_below", self._steps.find_below, FindBelow(warehouse_id=warehouse_id))

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
        step = DraftReorder(
            operation_id=operation or f"{new_reference('reorder')}/run/draft/1",
            performed_by="reorder",
            as_of=as_of,
            supplier_id=supplier_id,
            warehouse_id=warehouse_id,
            dry_run=dry_run,
            after_product_id=after_product_id,
        )
        return _run("draft_reorder", self._steps.draft_reorder, step)

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
        return _run("find_unstarted", self._steps.find_unstarted, FindUnstarted()).orders


class Moving:
    """A transfer's side, as far as goods on their way matter to a reorder run."""

    def __init__(self, database: Database) -> None:
        self._steps = TransferSteps(database)

    def hold(self, source: ItemKey, to_warehouse_id: int, units: int) -> str:
        """A transfer that hasn't left; its number."""
        number = new_reference("transfer")
        step = HoldTransfer(
            **self._said(number, "hold"),
            from_warehouse_id=source.warehouse_id,
            to_warehouse_id=to_warehouse_id,
            line_items=[TransferLine(product_id=source.product_id, quantity=units)],
            expected_transit_hours=None,
            requested_by="tom",
        )
        _run("hold_transfer", self._steps.hold_transfer, step)
        return number

    def send(self, source: ItemKey, to_warehouse_id: int, units: int) -> str:
        """A transfer that is on its way; its number."""
        number = self.hold(source, to_warehouse_id, units)
        step = DispatchTransfer(**self._said(number, "dispatch"))
        _run("dispatch_transfer", self._steps.dispatch_transfer, step)
        return number

    def arrive(self, number: str, item: ItemKey, units: int) -> None:
        """Units of it have come."""
        line = ArrivedLine(product_id=item.product_id, quantity=units)
        step = ReceiveTransfer(**self._said(number, "receive"), receipt_id="truck-1", lines=[line])
        _run("receive_transfer", self._steps.receive_transfer, step)

    def _said(self, number: str, step: str) -> dict[str, Any]:
        return {
            "operation_id": f"transfer-{number}/{step}",
            "performed_by": "tom",
            "as_of": NOON,
            "transfer_number": number,
        }


def _run(name: str, activity: Callable[[Any], R], argument: Any) -> R:
    environment = ActivityEnvironment()
    workflow_id = getattr(argument, "operation_id", "reorder").partition("/")[0]
    environment.info = dataclasses.replace(
        environment.info, activity_type=name, workflow_id=workflow_id, workflow_run_id="run"
    )
    return environment.run(activity, argument)
