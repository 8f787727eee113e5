"""A transfer: stock on its way from one warehouse to another, where nothing appears and nothing vanishes.

While it is PENDING its units are held at the source. They leave whole or in parts; those that have left are at neither
place, and the rest stays held. From the first departure on it is IN_TRANSIT. Units arrive in receipts; damaged ones
don't enter stock. Missing units stay in transit until they arrive or are written off. Once nothing is in transit and
nothing held any more, the transfer is RECEIVED. By a cancellation the hold is released, and units still in transit go
back to the source.

For each line, always: dispatched = received + damaged + written off + returned + in transit. Of a tracked product the
same is true of each lot: what is in transit of it is what left, and only that arrives, is lost, or comes back.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.receipt import Awaited, Taken, share_out
from stockkeeper.domain.transitions import TransitionTable, Words


class TransferStatus(StrEnum):
    """Status of a transfer. A REJECTED one holds nothing and so has no rows in the database."""

    PENDING = "PENDING"
    IN_TRANSIT = "IN_TRANSIT"
    RECEIVED = "RECEIVED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"


class TransferEvent(StrEnum):
    """Event in the life of a transfer."""

    REJECT = "reject"
    DISPATCH = "dispatch"
    """The first departure, of all units or some."""
    RECEIVE = "receive"
    """A receipt that leaves something in transit, or held."""
    COMPLETE = "complete"
    """The last receipt."""
    WRITE_OFF = "write_off"
    CANCEL = "cancel"
    GIVE_WAY = "give_way"
    """The end of the hold at the source, whose stock isn't there."""
    GO_ON = "go_on"
    """A further departure, a write-off or the end of the hold, after which units are still in transit or held."""


TRANSFER = TransitionTable(
    {
        (TransferStatus.PENDING, TransferStatus.REJECTED): {TransferEvent.REJECT},
        (TransferStatus.PENDING, TransferStatus.IN_TRANSIT): {TransferEvent.DISPATCH},
        (TransferStatus.PENDING, TransferStatus.CANCELLED): {TransferEvent.CANCEL, TransferEvent.GIVE_WAY},
        (TransferStatus.IN_TRANSIT, TransferStatus.IN_TRANSIT): {
            TransferEvent.RECEIVE,
            TransferEvent.GO_ON,
        },
        (TransferStatus.IN_TRANSIT, TransferStatus.RECEIVED): {TransferEvent.COMPLETE, TransferEvent.WRITE_OFF},
        (TransferStatus.IN_TRANSIT, TransferStatus.CANCELLED): {TransferEvent.CANCEL},
    },
    Words(
        "transfer",
        statuses={
            TransferStatus.PENDING: "hasn't been dispatched yet",
            TransferStatus.IN_TRANSIT: "has been dispatched",
            TransferStatus.RECEIVED: "has been received",
            TransferStatus.CANCELLED: "has been cancelled",
            TransferStatus.REJECTED: "was rejected for lack of stock",
        },
        commands={
            "hold": "can't be held again; another transfer needs another number",
            TransferEvent.REJECT: "can't be rejected",
            TransferEvent.DISPATCH: "can't be dispatched",
            TransferEvent.RECEIVE: "can take no more deliveries",
            TransferEvent.COMPLETE: "can take no more deliveries",
            TransferEvent.WRITE_OFF: "can't be written off",
            TransferEvent.CANCEL: "can't be cancelled",
            "approve_difference": "no difference of it can be approved",
            TransferEvent.GIVE_WAY: "can't give up its hold",
            TransferEvent.GO_ON: "can't go on",
        },
        not_yet={TransferStatus.PENDING: "hasn't been dispatched yet"},
        advice={TransferStatus.REJECTED: "start it again once the stock is there"},
    ),
)


class TransitKind(StrEnum):
    """Why the units in transit changed. DISPATCHED adds; all others take.

    DISPATCHED, RECEIVED and RETURNED have their counterpart in the ledger, at the source, at the destination, and at
    the source again. DAMAGED and WRITTEN_OFF have none: those units left the source and are in no warehouse's stock.
    """

    DISPATCHED = "DISPATCHED"
    RECEIVED = "RECEIVED"
    DAMAGED = "DAMAGED"
    WRITTEN_OFF = "WRITTEN_OFF"
    RETURNED = "RETURNED"


class OfProduct(NamedTuple):
    """Units of a product, of one lot if one is named."""

    product_id: int
    lot_number: str | None = None


class OfLine(NamedTuple):
    """Units of a line, of one lot if its product is tracked."""

    line_number: int
    lot_number: str | None = None


@dataclass(frozen=True)
class TransferredLine:
    """One line; quantities in units.

    Attributes:
        line_number: Its place in the transfer, from 1.
        product_id: The product.
        quantity: Units that are wanted at the destination.
        in_transit: Units that have left the source and have not been accounted for.
        held: Units that are still held at the source.
        lots: Units in transit of each lot, lots without any left out; None: its product isn't tracked.
    """

    line_number: int
    product_id: int
    quantity: int
    in_transit: int
    held: int = 0
    lots: Mapping[str, int] | None = None

    @property
    def in_transit_by_lot(self) -> Mapping[str | None, int]:
        """Units in transit of each lot; without lots, all of them."""
        by_lot: dict[str | None, int] = {None: self.in_transit}
        return by_lot if self.lots is None else {lot: units for lot, units in self.lots.items()}  # noqa: C416 - other keys


@dataclass(frozen=True)
class Transfer:
    """A transfer as stored, and the rules for its commands."""

    transfer_id: int
    transfer_number: str
    from_warehouse_id: int
    to_warehouse_id: int
    status: TransferStatus
    expected_transit_hours: float | None
    lines: Sequence[TransferredLine]

    @property
    def in_transit(self) -> dict[int, int]:
        """Units in transit by line number, lines without any left out."""
        return {line.line_number: line.in_transit for line in self.lines if line.in_transit}

    @property
    def lots_in_transit(self) -> dict[OfLine, int]:
        """Units in transit by line number and lot, those without any left out."""
        return {
            OfLine(line.line_number, lot): units
            for line in self.lines
            for lot, units in line.in_transit_by_lot.items()
            if units
        }

    @property
    def held(self) -> dict[int, int]:
        """Units still held at the source by line number, lines without any left out."""
        return {line.line_number: line.held for line in self.lines if line.held}

    def due_at(self, dispatched_at: datetime) -> datetime | None:
        """From when on a transfer that leaves at this instant is overdue; None: it never is."""
        if self.expected_transit_hours is None:
            return None
        return dispatched_at + timedelta(hours=self.expected_transit_hours)

    def after(self, event: TransferEvent, command: str = "") -> TransferStatus:
        """The status after an event; ``command`` if what asks has another name than that.

        Raises:
            InvalidState: It can't happen now.
        """
        return TRANSFER.next(self.status, event, of=self.transfer_number, command=command)

    def after_dispatch(self) -> TransferStatus:
        """The status after a departure.

        Raises:
            InvalidState: It has ended, or everything has left already.
        """
        if self.status is TransferStatus.IN_TRANSIT and self.held:
            return self.after(TransferEvent.GO_ON)
        return self.after(TransferEvent.DISPATCH)

    def plan_dispatch(self, wanted: Mapping[int, int] | None) -> dict[int, int]:
        """Units of each line that leave: ``{line_number: units}``, without lines of which none do.

        Args:
            wanted: Units by product, which a product on several lines takes from them in order; None: all units held.

        Raises:
            InvalidState: It has ended, or everything has left already.
            InvalidRequest: A product isn't on the transfer, or more of it is wanted than is held.
        """
        self.after_dispatch()
        if wanted is None:
            return self.held
        lines = [Awaited(line.line_number, line.product_id, line.held) for line in self.lines]
        asked = {product_id: Taken(units, 0) for product_id, units in wanted.items()}
        shares = share_out(asked, lines, self._named, _more_than_held)
        return {line_number: share.accepted for line_number, share in shares.items()}

    def plan_write_off(self, lost: Mapping[OfProduct, int] | None) -> dict[OfLine, int]:
        """Units of each line and lot that are given up, without those of which none are.

        Args:
            lost: Units by product and lot, which a product on several lines loses from them in order; None: all in
                transit.

        Raises:
            InvalidState: It isn't in transit.
            InvalidRequest: Nothing is in transit; a product isn't on the transfer, or less of it or of the lot is in
                transit; or the lot isn't named, and it isn't plain which one.
        """
        self.after(TransferEvent.WRITE_OFF)
        if not self.in_transit:
            raise InvalidRequest(
                f"nothing of transfer {self.transfer_number} is in transit, so nothing can be written off; "
                "the rest is still held at the source"
            )
        if lost is None:
            return self.lots_in_transit
        asked = {of: Taken(units, 0) for of, units in lost.items()}
        return {of: share.accepted for of, share in self._share(asked, "to be written off").items()}

    def after_write_off(self, lost: Mapping[OfLine, int]) -> TransferStatus:
        """The status after a write-off: RECEIVED once nothing is in transit and nothing held any more."""
        left = self._left_after(sum(lost.values()))
        return self.after(TransferEvent.GO_ON if left else TransferEvent.WRITE_OFF)

    def after_giving_way(self) -> TransferStatus:
        """The status after the end of its hold: a transfer of which a part has left waits for that part.

        Raises:
            InvalidState: It has ended.
        """
        if self.status is not TransferStatus.IN_TRANSIT:
            return self.after(TransferEvent.GIVE_WAY)
        return self.after(TransferEvent.GO_ON if self.in_transit else TransferEvent.COMPLETE)

    def plan_receipt(self, delivered: Mapping[OfProduct, Taken]) -> dict[OfLine, Taken]:
        """Share of each line and lot in the delivered units, without those that get none.

        A product on several lines fills them in order, first with fit units, then with damaged ones.

        Raises:
            InvalidState: It isn't in transit.
            InvalidRequest: A product isn't on the transfer, or more of it or of the lot came than is in transit; or the
                lot isn't named, and it isn't plain which one.
        """
        self.after(TransferEvent.RECEIVE)
        return self._share(delivered, "delivered")

    def after_receipt(self, taken: Mapping[OfLine, Taken]) -> TransferStatus:
        """The status after a receipt: RECEIVED once nothing is in transit and nothing held any more."""
        left = self._left_after(sum(share.units for share in taken.values()))
        return self.after(TransferEvent.RECEIVE if left else TransferEvent.COMPLETE)

    @property
    def _named(self) -> str:
        return f"transfer {self.transfer_number}"

    def _left_after(self, accounted_for: int) -> int:
        """Units held or in transit, once so many of those in transit are accounted for."""
        return sum(self.held.values()) + sum(self.in_transit.values()) - accounted_for

    def _share(self, units: Mapping[OfProduct, Taken], what: str) -> dict[OfLine, Taken]:
        """Share of each line and lot in units that are accounted for; ``what`` becomes of them, in messages."""
        of_lots: dict[str | None, dict[int, Taken]] = {}
        for (product_id, lot), taken in self._with_lots(units, what).items():
            of_lots.setdefault(lot, {})[product_id] = taken
        shares: dict[OfLine, Taken] = {}
        for lot, came in of_lots.items():
            lines = [
                Awaited(line.line_number, line.product_id, line.in_transit_by_lot.get(lot, 0)) for line in self.lines
            ]
            shared = share_out(came, lines, self._named, partial(_too_many, what=what, lot=lot))
            shares |= {OfLine(line_number, lot): share for line_number, share in shared.items()}
        return dict(sorted(shares.items(), key=lambda share: share[0].line_number))

    def _with_lots(self, units: Mapping[OfProduct, Taken], what: str) -> dict[OfProduct, Taken]:
        """The units with their lots: where none is named, the one that is meant plainly.

        It is the only lot in transit; or all that is in transit is meant, and all of it becomes the same.
        """
        found: dict[OfProduct, Taken] = {}
        unnamed = []
        for of, taken in units.items():
            lines = [line for line in self.lines if line.product_id == of.product_id]
            is_tracked = any(line.lots is not None for line in lines)
            if of.lot_number is not None and lines and not is_tracked:
                raise InvalidRequest(f"product {of.product_id} isn't tracked by lot: leave out lot {of.lot_number}")
            if of.lot_number is None and is_tracked:
                unnamed.append((of.product_id, taken))
            else:
                found[of] = taken
        for product_id, taken in unnamed:
            left = self._not_named(product_id, found)
            if taken.units > left.total():
                raise _too_many(product_id, taken.units, left.total(), what=what)
            if len(left) > 1 and (taken.units < left.total() or (taken.accepted and taken.unfit)):
                lots = " and ".join(f"{lot} ({there})" for lot, there in left.items())
                raise InvalidRequest(
                    f"product {product_id}: name the lots of the {taken.units} units {what}; in transit are {lots}"
                )
            for lot, there in left.items():
                all_of_it = Taken(there, 0) if taken.accepted else Taken(0, there)
                of, share = OfProduct(product_id, lot), taken if len(left) == 1 else all_of_it
                before = found.get(of, Taken(0, 0))
                found[of] = Taken(before.accepted + share.accepted, before.unfit + share.unfit)
        return found

    def _not_named(self, product_id: int, named: Mapping[OfProduct, Taken]) -> Counter[str]:
        """Units in transit of each lot of a product, less those of lots that are named."""
        left: Counter[str] = Counter()
        for line in self.lines:
            if line.product_id == product_id:
                left.update(line.lots or {})
        for of, taken in named.items():
            if of.product_id == product_id and of.lot_number is not None:
                left[of.lot_number] -= taken.units
        return +left


def _too_many(product_id: int, units: int, in_transit: int, *, what: str, lot: str | None = None) -> InvalidRequest:
    numbers = {"product_id": product_id, "quantity": units, "in_transit": in_transit}
    of = f" of lot {lot}" if lot is not None else ""
    return InvalidRequest(f"product {product_id}: {units}{of} {what}, but only {in_transit} in transit", numbers)


def _more_than_held(product_id: int, wanted: int, held: int) -> InvalidRequest:
    numbers = {"product_id": product_id, "quantity": wanted, "held": held}
    return InvalidRequest(f"product {product_id}: {wanted} to be dispatched, but only {held} still held", numbers)
