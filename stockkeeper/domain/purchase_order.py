"""A purchase order: goods that are wanted from a supplier, from the draft to the shelf.

A draft waits for as many approvals as its total asks for, by people who didn't ask for it themselves. With the last
one it goes out to the supplier (SUBMITTED), who may confirm it (CONFIRMED). Goods come in receipts. Once nothing is
owed any more, or the rest is given up, it is RECEIVED. It is CANCELLED by one rejection, by the last deadline for
approvals, or by wish as long as nothing has come.

A draft, and an order that is out and of which nothing has come, may be amended. What was approved was the order as it
was: an amended draft, and an order whose total grows, is approved anew, by people who haven't written it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from stockkeeper.domain.approval import Approval
from stockkeeper.domain.errors import InvalidRequest, InvalidState
from stockkeeper.domain.purchase_order_lines import (
    OrderedLine,
    beyond_ordered,
    share_delivered,
    share_returned,
    share_taken_back,
)
from stockkeeper.domain.receipt import Taken
from stockkeeper.domain.transitions import TransitionTable, Words, titled


class PurchaseOrderStatus(StrEnum):
    """Status of a purchase order."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    CONFIRMED = "CONFIRMED"
    RECEIVED = "RECEIVED"
    CANCELLED = "CANCELLED"


class PurchaseOrderEvent(StrEnum):
    """Event in the life of a purchase order."""

    APPROVE = "approve"
    """An approval after which more are needed."""
    SUBMIT = "submit"
    """The result of the last approval."""
    REJECT = "reject"
    LAPSE = "lapse"
    """The last deadline for approvals."""
    CONFIRM = "confirm"
    RECEIVE = "receive"
    """A receipt that leaves something owed."""
    COMPLETE = "complete"
    """The result of the last receipt."""
    CLOSE_SHORT = "close_short"
    CANCEL = "cancel"
    AMEND = "amend"
    """New lines, for which no new approval is needed, or which were never out."""
    REOPEN = "reopen"
    """New lines of an order that is out, for which it needs new approvals."""


CORRECT_RECEIPT = "correct_receipt"
RETURN_GOODS = "return_goods"
"""Commands on goods that have come. They are right after the order's end as well, and leave its status as it is."""

PURCHASE_ORDER = TransitionTable(
    {
        (PurchaseOrderStatus.DRAFT, PurchaseOrderStatus.DRAFT): {
            PurchaseOrderEvent.APPROVE,
            PurchaseOrderEvent.AMEND,
        },
        (PurchaseOrderStatus.DRAFT, PurchaseOrderStatus.SUBMITTED): {PurchaseOrderEvent.SUBMIT},
        (PurchaseOrderStatus.DRAFT, PurchaseOrderStatus.CANCELLED): {
            PurchaseOrderEvent.REJECT,
            PurchaseOrderEvent.LAPSE,
            PurchaseOrderEvent.CANCEL,
        },
        (PurchaseOrderStatus.SUBMITTED, PurchaseOrderStatus.CONFIRMED): {PurchaseOrderEvent.CONFIRM},
        (PurchaseOrderStatus.SUBMITTED, PurchaseOrderStatus.SUBMITTED): {
            PurchaseOrderEvent.RECEIVE,
            PurchaseOrderEvent.AMEND,
        },
        (PurchaseOrderStatus.SUBMITTED, PurchaseOrderStatus.DRAFT): {PurchaseOrderEvent.REOPEN},
        (PurchaseOrderStatus.SUBMITTED, PurchaseOrderStatus.RECEIVED): {
            PurchaseOrderEvent.COMPLETE,
            PurchaseOrderEvent.CLOSE_SHORT,
        },
        (PurchaseOrderStatus.SUBMITTED, PurchaseOrderStatus.CANCELLED): {PurchaseOrderEvent.CANCEL},
        (PurchaseOrderStatus.CONFIRMED, PurchaseOrderStatus.CONFIRMED): {
            PurchaseOrderEvent.CONFIRM,
            PurchaseOrderEvent.RECEIVE,
        },
        (PurchaseOrderStatus.CONFIRMED, PurchaseOrderStatus.RECEIVED): {
            PurchaseOrderEvent.COMPLETE,
            PurchaseOrderEvent.CLOSE_SHORT,
        },
        (PurchaseOrderStatus.CONFIRMED, PurchaseOrderStatus.CANCELLED): {PurchaseOrderEvent.CANCEL},
    },
    Words(
        "purchase order",
        statuses={
            PurchaseOrderStatus.DRAFT: "is waiting for approval",
            PurchaseOrderStatus.SUBMITTED: "has been sent to the supplier",
            PurchaseOrderStatus.CONFIRMED: "has been confirmed by the supplier",
            PurchaseOrderStatus.RECEIVED: "has been received",
            PurchaseOrderStatus.CANCELLED: "has been cancelled",
        },
        commands={
            PurchaseOrderEvent.APPROVE: "can't be approved any more",
            PurchaseOrderEvent.SUBMIT: "can't be sent to the supplier",
            PurchaseOrderEvent.REJECT: "can't be rejected any more",
            PurchaseOrderEvent.LAPSE: "can't lapse any more",
            PurchaseOrderEvent.CONFIRM: "can't be confirmed",
            PurchaseOrderEvent.RECEIVE: "can take no more deliveries",
            PurchaseOrderEvent.COMPLETE: "can take no more deliveries",
            PurchaseOrderEvent.CLOSE_SHORT: "can't be closed short",
            PurchaseOrderEvent.CANCEL: "can't be cancelled",
            CORRECT_RECEIPT: "has no receipt to correct",
            RETURN_GOODS: "has nothing to return",
            PurchaseOrderEvent.AMEND: "can't be amended",
            PurchaseOrderEvent.REOPEN: "can't be amended",
            "approve_difference": "no difference of it can be approved",
        },
        not_yet={PurchaseOrderStatus.DRAFT: "isn't approved yet"},
    ),
)


@dataclass(frozen=True)
class PurchaseOrder:
    """A purchase order as stored, and the rules for its commands.

    Attributes:
        approvers: The people whose approval counts for it as it is now.
        version: 1 as drafted; each amendment makes the next.
        approvals_since: The version from which on approvals count.
        amenders: The people who have amended it.
    """

    po_id: int
    po_number: str
    supplier_id: int
    warehouse_id: int
    status: PurchaseOrderStatus
    requested_by: str
    required_approvals: int
    approvers: Collection[str]
    lines: Sequence[OrderedLine]
    total: Decimal = Decimal(0)
    version: int = 1
    approvals_since: int = 1
    amenders: Collection[str] = ()

    @property
    def _name(self) -> str:
        return titled(PURCHASE_ORDER.document, self.po_number)

    @property
    def has_received(self) -> bool:
        """Whether anything has entered stock."""
        return any(line.quantity_received for line in self.lines)

    def after(self, event: PurchaseOrderEvent, command: str = "") -> PurchaseOrderStatus:
        """The status after an event; ``command`` if what asks has another name than that.

        Raises:
            InvalidState: It can't happen now.
        """
        return PURCHASE_ORDER.next(self.status, event, of=self.po_number, command=command)

    def after_cancel(self) -> PurchaseOrderStatus:
        """The status after a cancellation, which is possible as long as nothing was delivered.

        Raises:
            InvalidState: It can't be cancelled any more; the rest can be closed short.
        """
        status = self.after(PurchaseOrderEvent.CANCEL)
        if self.has_received:
            message = f"{self._name} has received goods and can't be cancelled; close it short instead"
            raise InvalidState(message, str(self.status), str(PurchaseOrderEvent.CANCEL))
        return status

    def after_close_short(self) -> PurchaseOrderStatus:
        """The status after closing short: RECEIVED if units came, CANCELLED if none did.

        Raises:
            InvalidState: It isn't out for delivery.
        """
        status = self.after(PurchaseOrderEvent.CLOSE_SHORT)
        return status if self.has_received else self.after(PurchaseOrderEvent.CANCEL)

    @property
    def approval(self) -> Approval:
        """The approvals that it needs and has."""
        return Approval(
            document=self._name,
            involved=[self.requested_by, *self.amenders],
            involvement="requested or amended" if self.amenders else "requested",
            required=self.required_approvals,
            given=self.approvers,
        )

    def after_approval(self, approver: str) -> PurchaseOrderStatus:
        """The status after one more approval: SUBMITTED with the last that is needed.

        Raises:
            InvalidState: It doesn't wait for approval.
            NotPermitted: The approver is the requester.
        """
        status = self.after(PurchaseOrderEvent.APPROVE)
        return self.after(PurchaseOrderEvent.SUBMIT) if self.approval.is_complete_with(approver) else status

    def require_version(self, version: int | None, event: PurchaseOrderEvent = PurchaseOrderEvent.APPROVE) -> None:
        """Refuse to approve or amend another version than the present one; None: whichever is the present one.

        Raises:
            InvalidState: It has been amended since.
        """
        if version is not None and version != self.version:
            message = f"{self._name} has been amended: it is version {self.version}, not {version}; look at it again"
            raise InvalidState(message, str(self.status), str(event))

    def plan_amendment(self, total: Decimal, required: int, *, has_come: bool = False) -> "Amendment":
        """What an amendment makes of it.

        Args:
            total: The new total.
            required: Approvals that an order like that needs.
            has_come: Whether a receipt was booked, also if all of it was corrected since: it stands on the lines.

        Raises:
            InvalidState: It has been confirmed or has ended, or goods have come.
        """
        self.after(PurchaseOrderEvent.AMEND)
        if has_come or any(line.quantity_received or line.quantity_rejected for line in self.lines):
            message = f"{self._name} has received goods and can't be amended; close it short, and order the rest anew"
            raise InvalidState(message, str(self.status), str(PurchaseOrderEvent.AMEND))
        if self.status is PurchaseOrderStatus.DRAFT:
            event = PurchaseOrderEvent.AMEND if required else PurchaseOrderEvent.SUBMIT
            return Amendment(self.after(event), starts_round=True)
        grows = total > self.total or required > self.required_approvals
        event = PurchaseOrderEvent.REOPEN if grows and required else PurchaseOrderEvent.AMEND
        return Amendment(self.after(event), starts_round=grows)

    def plan_receipt(self, delivered: Mapping[int, Taken]) -> dict[int, Taken]:
        """Share of each line in the delivered units: ``{line_number: Taken}``, without lines that get none.

        A product on several lines fills them in order; further units, within the tolerance, go to
        the first line that may still take it. Rejected units belong to the first of the product's lines that is owed
        something, or else to its last.

        Raises:
            InvalidState: It isn't out for delivery.
            InvalidRequest: A product isn't on the order, or more of it came than may be received.
        """
        self.after(PurchaseOrderEvent.RECEIVE)
        return share_delivered(self.lines, delivered, self._name)

    def require_delivered(self, command: str) -> None:
        """Refuse a command on goods that have come, on an order of which none can have come.

        Raises:
            InvalidState: It is a draft, or cancelled.
        """
        out = (PurchaseOrderStatus.SUBMITTED, PurchaseOrderStatus.CONFIRMED, PurchaseOrderStatus.RECEIVED)
        if self.status not in out:
            raise PURCHASE_ORDER.refusal(self.status, command, of=self.po_number)

    def plan_correction(
        self, receipt_id: str, brought: Mapping[int, Taken], too_many: Mapping[int, Taken]
    ) -> dict[int, Taken]:
        """Share of each line in units that a receipt has booked and that didn't come: ``{line_number: Taken}``.

        Args:
            receipt_id: The receipt.
            brought: Units that it has brought, by line number, less those that were taken back before.
            too_many: Units of each product that are to be taken back.

        Raises:
            InvalidState: It is a draft, or cancelled.
            InvalidRequest: The receipt hasn't brought so many, or they have gone back to the supplier.
        """
        self.require_delivered(CORRECT_RECEIPT)
        name = f"receipt {receipt_id} of {self._name}"
        if not brought:
            raise InvalidRequest(f"there is no {name}")
        return share_taken_back(self.lines, brought, too_many, name)

    def plan_return(self, wanted: Mapping[int, int]) -> dict[int, int]:
        """Units of each line that go back to the supplier: ``{line_number: units}``.

        Args:
            wanted: Units of each product.

        Raises:
            InvalidState: It is a draft, or cancelled.
            InvalidRequest: A product isn't on the order, or fewer of it have been received and not returned.
        """
        self.require_delivered(RETURN_GOODS)
        return share_returned(self.lines, wanted, self._name)

    def more_than_ordered(self, taken: Mapping[int, Taken]) -> tuple[dict[int, int], bool]:
        """Units received beyond the order by line number, with this receipt; and whether it adds any."""
        return beyond_ordered(self.lines, taken)

    def after_receipt(self, taken: Mapping[int, Taken]) -> PurchaseOrderStatus:
        """The status after a receipt: RECEIVED once no line is owed anything."""
        none = Taken(0, 0)
        owed = any(line.quantity_owed > taken.get(line.line_number, none).accepted for line in self.lines)
        return self.after(PurchaseOrderEvent.RECEIVE if owed else PurchaseOrderEvent.COMPLETE)


class Amendment(NamedTuple):
    """The status of an order after an amendment, and whether approvals that were given before don't count any more."""

    status: PurchaseOrderStatus
    starts_round: bool
