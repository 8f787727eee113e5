"""A purchase order: goods that are wanted from a supplier, from the draft to the shelf.

A draft waits for as many approvals as its total asks for, by people who didn't ask for it themselves. With the last
one it goes out to the supplier (SUBMITTED), who may confirm it (CONFIRMED). Goods come in receipts. Once nothing is
owed any more, or the rest is given up, it is RECEIVED. It is CANCELLED by one rejection, by the last deadline for
approvals, or by wish as long as nothing has come.

A draft, and an order that is out and of which nothing has come, may be amended. What was approved was the order as it
was: an amended draft, and an order whose total grows, is approved anew, by people who haven't written it.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import NamedTuple

from stockkeeper.domain.approval import Approval
from stockkeeper.domain.errors import InvalidRequest, InvalidState
from stockkeeper.domain.receipt import Awaited, Taken, share_out
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


class Tier(NamedTuple):
    """How many approvals an order needs whose total is at most ``up_to``; None: however large it is."""

    up_to: Decimal | None
    approvals: int


def require_tiers(tiers: Sequence[Tier]) -> None:
    """Every total falls into exactly one tier: the bounds rise, and the last tier has none.

    Raises:
        InvalidRequest: Some total would fall into no tier, or a tier could never be reached.
    """
    if not tiers or tiers[-1].up_to is not None:
        raise InvalidRequest("tiers: the last one must have up_to null, so that every total has a tier")
    bounds = [tier.up_to for tier in tiers[:-1]]
    # Bounds that are missing before the end would make the tiers after them unreachable.
    known = [bound for bound in bounds if bound is not None]
    if len(known) != len(bounds) or any(lower >= upper for lower, upper in itertools.pairwise(known)):
        raise InvalidRequest("tiers: up_to must rise from tier to tier, and only the last is null")


def required_approvals(tiers: Sequence[Tier], total: Decimal) -> int:
    """How many different people must approve an order of this total: the first tier that reaches it says."""
    return next(tier.approvals for tier in tiers if tier.up_to is None or total <= tier.up_to)


def receivable(qty: int, over_delivery_percent: Decimal) -> int:
    """The most units that may be received for ``qty`` ordered: the tolerance is rounded down to whole units."""
    more = (qty * over_delivery_percent / 100).to_integral_value(rounding=ROUND_DOWN)
    return qty + int(more)


@dataclass(frozen=True)
class OrderedLine:
    """One line; quantities in units.

    Attributes:
        line_number: Its place in the order, from 1.
        product_id: The product.
        qty: Units ordered.
        unit_cost: Cost of one unit.
        quantity_received: Units accepted into stock so far.
        quantity_rejected: Units that came and were not accepted: kept apart, and still owed.
        quantity_receivable: The most that may be received: ``qty`` and the tolerance for over-delivery.
        quantity_returned: Units received that have gone back to the supplier.
    """

    line_number: int
    product_id: int
    qty: int
    unit_cost: Decimal
    quantity_received: int
    quantity_rejected: int
    quantity_receivable: int
    quantity_returned: int = 0

    @property
    def quantity_owed(self) -> int:
        """Units that the supplier still owes."""
        return max(self.qty - self.quantity_received, 0)


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
    def has_received(self) -> bool:
        """Whether anything has entered stock."""
        return any(line.quantity_received for line in self.lines)

    def after(self, event: PurchaseOrderEvent) -> PurchaseOrderStatus:
        """The status after an event.

        Raises:
            InvalidState: It can't happen now.
        """
        return PURCHASE_ORDER.next(self.status, event, of=self.po_number)

    def after_cancel(self) -> PurchaseOrderStatus:
        """The status after a cancellation, which is possible as long as nothing was delivered.

        Raises:
            InvalidState: It can't be cancelled any more; the rest can be closed short.
        """
        status = self.after(PurchaseOrderEvent.CANCEL)
        if self.has_received:
            name = titled(PURCHASE_ORDER.document, self.po_number)
            message = f"{name} has received goods and can't be cancelled; close it short instead"
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
            document=titled(PURCHASE_ORDER.document, self.po_number),
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

    def require_version(self, version: int | None) -> None:
        """Refuse an approval of another version than the present one; None: whichever is the present one.

        Raises:
            InvalidState: It has been amended since.
        """
        if version is not None and version != self.version:
            name = titled(PURCHASE_ORDER.document, self.po_number)
            message = f"{name} has been amended: it is version {self.version}, not {version}; look at it again"
            raise InvalidState(message, str(self.status), str(PurchaseOrderEvent.APPROVE))

    def plan_amendment(self, total: Decimal, required: int) -> "Amendment":
        """What an amendment makes of it.

        Args:
            total: The new total.
            required: Approvals that an order like that needs.

        Raises:
            InvalidState: It has been confirmed or has ended, or goods have come.
        """
        self.after(PurchaseOrderEvent.AMEND)
        if any(line.quantity_received or line.quantity_rejected for line in self.lines):
            name = titled(PURCHASE_ORDER.document, self.po_number)
            message = f"{name} has received goods and can't be amended; close it short, and order the rest anew"
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
        taken: dict[int, Taken] = {}
        for product_id, (quantity, rejected) in delivered.items():
            lines = [line for line in self.lines if line.product_id == product_id]
            if not lines:
                message = f"product {product_id} isn't on {titled(PURCHASE_ORDER.document, self.po_number)}"
                raise InvalidRequest(message, {"product_id": product_id})
            accepted = _spread(quantity, lines)
            if sum(accepted.values()) < quantity:
                raise _too_many(product_id, quantity, lines)
            rejected_on = next((line for line in lines if line.quantity_owed), lines[-1]).line_number
            for line in lines:
                share = Taken(accepted[line.line_number], rejected if line.line_number == rejected_on else 0)
                if any(share):
                    taken[line.line_number] = share
        return dict(sorted(taken.items()))

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
        name = f"receipt {receipt_id} of {titled(PURCHASE_ORDER.document, self.po_number)}"
        if not brought:
            raise InvalidRequest(f"there is no {name}")
        lines = [line for line in self.lines if line.line_number in brought]
        none = Taken(0, 0)
        accepted = share_out(
            {product: Taken(units.accepted, 0) for product, units in too_many.items()},
            [
                Awaited(
                    line.line_number,
                    line.product_id,
                    min(brought[line.line_number].accepted, line.quantity_received - line.quantity_returned),
                )
                for line in lines
            ],
            name,
            _more_than_came,
        )
        rejected = share_out(
            {product: Taken(0, units.unfit) for product, units in too_many.items()},
            [Awaited(line.line_number, line.product_id, brought[line.line_number].unfit) for line in lines],
            name,
            _more_than_came,
        )
        return {
            number: Taken(accepted.get(number, none).accepted, rejected.get(number, none).unfit)
            for number in sorted(accepted.keys() | rejected.keys())
        }

    def plan_return(self, wanted: Mapping[int, int]) -> dict[int, int]:
        """Units of each line that go back to the supplier: ``{line_number: units}``.

        Args:
            wanted: Units of each product.

        Raises:
            InvalidState: It is a draft, or cancelled.
            InvalidRequest: A product isn't on the order, or fewer of it have been received and not returned.
        """
        self.require_delivered(RETURN_GOODS)
        lines = [
            Awaited(line.line_number, line.product_id, line.quantity_received - line.quantity_returned)
            for line in self.lines
        ]
        asked = {product: Taken(units, 0) for product, units in wanted.items()}
        shares = share_out(asked, lines, titled(PURCHASE_ORDER.document, self.po_number), _more_than_came)
        return {number: share.accepted for number, share in shares.items()}

    def more_than_ordered(self, taken: Mapping[int, Taken]) -> tuple[dict[int, int], bool]:
        """Units received beyond the order by line number, with this receipt; and whether it adds any."""
        none, over, grows = Taken(0, 0), {}, False
        for line in self.lines:
            accepted = taken.get(line.line_number, none).accepted
            before = max(line.quantity_received - line.qty, 0)
            if by_now := max(line.quantity_received + accepted - line.qty, 0):
                over[line.line_number] = by_now
            grows = grows or by_now > before
        return over, grows

    def after_receipt(self, taken: Mapping[int, Taken]) -> PurchaseOrderStatus:
        """The status after a receipt: RECEIVED once no line is owed anything."""
        none = Taken(0, 0)
        owed = any(line.quantity_owed > taken.get(line.line_number, none).accepted for line in self.lines)
        return self.after(PurchaseOrderEvent.RECEIVE if owed else PurchaseOrderEvent.COMPLETE)


class Amendment(NamedTuple):
    """The status of an order after an amendment, and whether approvals that were given before don't count any more."""

    status: PurchaseOrderStatus
    starts_round: bool


def _spread(quantity: int, lines: Sequence[OrderedLine]) -> dict[int, int]:
    """Units for each line: first up to the quantity owed, then up to the tolerance."""
    given: dict[int, int] = {}
    for line in lines:
        given[line.line_number] = min(quantity, line.quantity_owed)
        quantity -= given[line.line_number]
    for line in lines:
        more = min(quantity, line.quantity_receivable - line.quantity_received - given[line.line_number])
        given[line.line_number] += more
        quantity -= more
    return given


def _more_than_came(product_id: int, units: int, there: int) -> InvalidRequest:
    numbers = {"product_id": product_id, "quantity": units, "received": there}
    return InvalidRequest(f"product {product_id}: {units} to be taken back, but only {there} received", numbers)


def _too_many(product_id: int, quantity: int, lines: Sequence[OrderedLine]) -> InvalidRequest:
    owed = sum(line.quantity_owed for line in lines)
    most = sum(line.quantity_receivable - line.quantity_received for line in lines)
    tolerated = f", at most {most} with the tolerance" if most > owed else ""
    numbers = {"product_id": product_id, "quantity": quantity, "owed": owed, "at_most": most}
    return InvalidRequest(f"product {product_id}: {quantity} delivered, but only {owed} still owed{tolerated}", numbers)
