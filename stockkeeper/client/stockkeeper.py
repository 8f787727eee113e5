"""The client for Python services."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from typing import Self

from temporalio.client import Client

from stockkeeper.client import adjustment as adjustments
from stockkeeper.client import customer_return as returns
from stockkeeper.client import cycle_count as counts
from stockkeeper.client import ledger, reservation
from stockkeeper.client import purchase_order as orders
from stockkeeper.client import transfer as transfers
from stockkeeper.client.adjustment import Adjustment, AdjustmentAwaitingApproval
from stockkeeper.client.calls import ANSWER_WITHIN
from stockkeeper.client.connection import connect_temporal, task_queue
from stockkeeper.client.customer_return import CustomerReturn
from stockkeeper.client.cycle_count import CycleCount
from stockkeeper.client.purchase_order import AwaitingApproval, PurchaseOrder
from stockkeeper.client.reservation import Hold
from stockkeeper.client.transfer import Transfer
from stockkeeper.contracts.adjustment import AdjustmentLine
from stockkeeper.contracts.customer_return import ReturnLine
from stockkeeper.contracts.ledger import LevelThen, Movement
from stockkeeper.contracts.purchase_order import ApprovalPolicy, PurchaseOrderLine
from stockkeeper.contracts.reservation import ReservationLine
from stockkeeper.contracts.transfer import TransferLine


class Stockkeeper:
    """Stock, as a service sees it. One for a process is enough; it may be used from many tasks at once."""

    def __init__(self, client: Client, *, task_queue: str, answer_within: timedelta = ANSWER_WITHIN) -> None:
        self.client = client
        self.task_queue = task_queue
        self.answer_within = answer_within

    @classmethod
    async def connect(
        cls,
        address: str | None = None,
        *,
        namespace: str | None = None,
        queue: str | None = None,
        answer_within: timedelta = ANSWER_WITHIN,
    ) -> Self:
        """Connect to Temporal.

        Args:
            address: ``host:port``; None: by the standard ``TEMPORAL_*`` variables or ``temporal.toml``, or else
                ``localhost:7233``.
            namespace: The same for the namespace.
            queue: The workers' task queue; None: ``STOCKKEEPER_TASK_QUEUE``, or else ``stockkeeper``.
            answer_within: How long each call waits for its answer before it raises `Unreachable`.

        Raises:
            Unreachable: Nobody answers there.
        """
        client = await connect_temporal(address, namespace)
        return cls(client, task_queue=queue or task_queue(), answer_within=answer_within)

    async def reserve(
        self,
        reference_id: str,
        lines: Sequence[ReservationLine],
        *,
        performed_by: str,
        ttl_minutes: float = 30,
    ) -> Hold:
        """Hold all of these lines until the deadline, or none of them.

        The reference is what makes it happen once: the same call again, after a lost answer or a crash, gives the same
        hold. A reference whose hold has ended isn't held again; an order that starts over needs a new one, such as
        ``1042-2``. After `InsufficientStock` the same reference may try again.

        Args:
            reference_id: Your name for it: the order's number.
            lines: Units of a product in a warehouse. The same product on two lines counts together.
            performed_by: The service or person that asks.
            ttl_minutes: How long to hold; may be a fraction.

        Raises:
            InsufficientStock: With the numbers of every item that is short. Nothing is held.
            UnknownProduct, UnknownWarehouse, InvalidRequest: The request is wrong. Nothing is held.
            OperationConflict: The reference was used for other lines.
            InvalidState: The reference's hold was cancelled or has expired.
            Unreachable: No answer in time. It may be held: ask again.
        """
        return await reservation.reserve(
            self.client,
            reference_id,
            lines,
            performed_by=performed_by,
            ttl_minutes=ttl_minutes,
            task_queue=self.task_queue,
            within=self.answer_within,
        )

    async def hold(self, reference_id: str) -> Hold:
        """The hold of a reference that was reserved before, here or elsewhere.

        Raises:
            NotFound: There is none.
            Unreachable: No worker answers.
        """
        return await reservation.find_hold(self.client, reference_id, within=self.answer_within)

    async def draft_purchase_order(
        self,
        po_number: str,
        lines: Sequence[PurchaseOrderLine],
        *,
        supplier_id: int,
        warehouse_id: int,
        requested_by: str,
        reason: str,
        expected_delivery_date: date | None = None,
        approval: ApprovalPolicy | None = None,
    ) -> PurchaseOrder:
        """Draft a purchase order: it waits for approval, or goes out at once if its total needs none.

        The number is what makes it happen once: the same call again, after a lost answer or a crash, gives the same
        order.

        Args:
            po_number: Your number for it.
            lines: Units of a product, and what one costs.
            supplier_id: From whom.
            warehouse_id: Where it is to be delivered.
            requested_by: Who wants it; somebody else has to approve it.
            reason: Why, for whoever decides.
            expected_delivery_date: A day in the warehouse's timezone.
            approval: Who has to approve; None: as the workers' settings say.

        Raises:
            UnknownSupplier, UnknownWarehouse, UnknownProduct, InvalidRequest: The request is wrong. Nothing is stored.
            OperationConflict: The number is another order's.
            Unreachable: No answer in time. It may be stored: ask again.
        """
        return await orders.draft_purchase_order(
            self.client,
            po_number,
            lines,
            supplier_id=supplier_id,
            warehouse_id=warehouse_id,
            requested_by=requested_by,
            reason=reason,
            expected_delivery_date=expected_delivery_date,
            approval=approval,
            task_queue=self.task_queue,
            within=self.answer_within,
        )

    async def purchase_order(self, po_number: str) -> PurchaseOrder:
        """A purchase order that was drafted before, here or elsewhere.

        Raises:
            NotFound: There is none.
            Unreachable: No worker answers.
        """
        return await orders.find_purchase_order(self.client, po_number, within=self.answer_within)

    async def awaiting_approval(self, *, limit: int | None = None) -> list[AwaitingApproval]:
        """Drafts that wait for approval, the oldest first. What has just changed may take a moment to show.

        Raises:
            Unreachable: Nobody answers.
        """
        return await orders.awaiting_approval(self.client, limit=limit)

    async def create_transfer(
        self,
        transfer_number: str,
        lines: Sequence[TransferLine],
        *,
        from_warehouse_id: int,
        to_warehouse_id: int,
        requested_by: str,
        expected_transit_hours: float | None = None,
    ) -> Transfer:
        """Plan a transfer: all of these lines are held at the source until it is dispatched, or none of them.

        The number is what makes it happen once: the same call again, after a lost answer or a crash, gives the same
        transfer. After `InsufficientStock` the same number may try again.

        Args:
            transfer_number: Your number for it.
            lines: Units of a product. The same product on two lines counts together.
            from_warehouse_id: Where it is.
            to_warehouse_id: Where it is to be.
            requested_by: The service or person that asks.
            expected_transit_hours: Hours from dispatch after which somebody is told that it is overdue; None: nobody.

        Raises:
            InsufficientStock: With the numbers of every item that is short. Nothing is held.
            UnknownProduct, UnknownWarehouse, InvalidRequest: The request is wrong. Nothing is held.
            OperationConflict: The number is another transfer's.
            InvalidState: It was cancelled.
            Unreachable: No answer in time. It may be held: ask again.
        """
        return await transfers.create_transfer(
            self.client,
            transfer_number,
            lines,
            from_warehouse_id=from_warehouse_id,
            to_warehouse_id=to_warehouse_id,
            requested_by=requested_by,
            expected_transit_hours=expected_transit_hours,
            task_queue=self.task_queue,
            within=self.answer_within,
        )

    async def transfer(self, transfer_number: str) -> Transfer:
        """A transfer that was made before, here or elsewhere.

        Raises:
            NotFound: There is none.
            Unreachable: No worker answers.
        """
        return await transfers.find_transfer(self.client, transfer_number, within=self.answer_within)

    async def create_return(
        self,
        return_number: str,
        lines: Sequence[ReturnLine],
        *,
        warehouse_id: int,
        reference_id: str,
        performed_by: str,
    ) -> CustomerReturn:
        """Say what a customer sends back. Stock doesn't change until it has come and was inspected.

        The number is what makes it happen once: the same call again, after a lost answer or a crash, gives the same
        return, as it is then.

        Args:
            return_number: Your number for it.
            lines: Units of a product. The same product on two lines counts together.
            warehouse_id: Where it comes back to.
            reference_id: What it was sold under: the order's number.
            performed_by: The service or person that asks.

        Raises:
            UnknownProduct, UnknownWarehouse, InvalidRequest: The request is wrong. Nothing is stored.
            OperationConflict: The number is another return's.
            Unreachable: No answer in time. It may be stored: ask again.
        """
        return await returns.create_return(
            self.client,
            return_number,
            lines,
            warehouse_id=warehouse_id,
            reference_id=reference_id,
            performed_by=performed_by,
            task_queue=self.task_queue,
            within=self.answer_within,
        )

    async def customer_return(self, return_number: str) -> CustomerReturn:
        """A return that was registered before, here or elsewhere.

        Raises:
            NotFound: There is none.
            Unreachable: No worker answers.
        """
        return await returns.find_return(self.client, return_number, within=self.answer_within)

    async def adjust(
        self,
        adjustment_number: str,
        lines: Sequence[AdjustmentLine],
        *,
        warehouse_id: int,
        reason: str,
        performed_by: str,
    ) -> Adjustment:
        """Put the books right by hand: all of these lines or none, at once or, above a limit, once somebody approves.

        Whether it is POSTED or waits (PENDING), its state says. The number is what makes it happen once: the same call
        again, after a lost answer or a crash, gives the same adjustment. After `InsufficientStock` the same number may
        try again. Orders and transfers whose stock isn't there by this lose their hold, and are told.

        Args:
            adjustment_number: Your number for it.
            lines: Units of a product, positive in and negative out. The same product on two lines counts together.
            warehouse_id: Where.
            reason: Why, for whoever decides, and for whoever reads the ledger.
            performed_by: Who asks for it; above the limit somebody else has to approve it.

        Raises:
            InsufficientStock: Less is on hand than is to be taken off, with the numbers. Nothing is changed.
            UnknownProduct, UnknownWarehouse, InvalidRequest: The request is wrong. Nothing is changed.
            OperationConflict: The number is another adjustment's.
            Unreachable: No answer in time. It may be posted: ask again.
        """
        return await adjustments.adjust(
            self.client,
            adjustment_number,
            lines,
            warehouse_id=warehouse_id,
            reason=reason,
            performed_by=performed_by,
            task_queue=self.task_queue,
            within=self.answer_within,
        )

    async def adjustment(self, adjustment_number: str) -> Adjustment:
        """An adjustment that was asked for before, here or elsewhere.

        Raises:
            NotFound: There is none.
            Unreachable: No worker answers.
        """
        return await adjustments.find_adjustment(self.client, adjustment_number, within=self.answer_within)

    async def adjustments_awaiting_approval(self, *, limit: int | None = None) -> list[AdjustmentAwaitingApproval]:
        """Adjustments that wait for approval, the oldest first. What has just changed may take a moment to show.

        Raises:
            Unreachable: Nobody answers.
        """
        return await adjustments.adjustments_awaiting_approval(self.client, limit=limit)

    async def open_count(
        self, count_number: str, product_ids: Sequence[int], *, warehouse_id: int, requested_by: str
    ) -> CycleCount:
        """Say that these products are to be counted. Stock may go on moving meanwhile; nothing is locked by it.

        The number is what makes it happen once: the same call again, after a lost answer or a crash, gives the same
        count, as it is then.

        Args:
            count_number: Your number for it.
            product_ids: What is to be counted; the same product twice is one line.
            warehouse_id: Where.
            requested_by: The service or person that asks.

        Raises:
            UnknownProduct, UnknownWarehouse, InvalidRequest: The request is wrong. Nothing is stored.
            OperationConflict: The number is another count's.
            Unreachable: No answer in time. It may be stored: ask again.
        """
        return await counts.open_count(
            self.client,
            count_number,
            product_ids,
            warehouse_id=warehouse_id,
            requested_by=requested_by,
            task_queue=self.task_queue,
            within=self.answer_within,
        )

    async def cycle_count(self, count_number: str) -> CycleCount:
        """A count that was opened before, here, elsewhere or by the plan of the day.

        Raises:
            NotFound: There is none.
            Unreachable: No worker answers.
        """
        return await counts.find_count(self.client, count_number, within=self.answer_within)

    def stock_at(
        self, as_of: datetime, *, product: str | None = None, warehouse: str | None = None
    ) -> AsyncIterator[LevelThen]:
        """What was on hand at an instant, in the order of SKU and warehouse, read page by page.

        The answer is final: asked again, it is the same, whatever is being written meanwhile. What had no movement by
        then is left out.

        Args:
            as_of: The instant, with its offset from UTC; not in the future.
            product: Only this one, by its SKU or id.
            warehouse: Only this one, by its name or id.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing is called that.
            InvalidRequest: The instant is yet to come, or an import has been writing since before it.
            Unreachable: No worker answers.
        """
        return ledger.stock_at(self.client, as_of, product=product, warehouse=warehouse, task_queue=self.task_queue)

    def history(
        self, product: str, warehouse: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[Movement]:
        """An item's movements with who, why and the workflow run behind each: the latest first, read page by page.

        Args:
            product: Its SKU or id.
            warehouse: Its name or id.
            since: From then on.
            until: Until just before then.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing is called that.
            Unreachable: No worker answers.
        """
        return ledger.history(self.client, product, warehouse, since=since, until=until, task_queue=self.task_queue)
