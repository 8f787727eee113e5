"""A reservation: stock that is promised to one reference until a deadline.

Held stock stays on hand and is no longer available. All lines of a reservation are held or none, and they
share one deadline. Units may be given up before they leave, and the rest stays held. It ends when all the others have
left (FULFILLED), by wish, or with all of its units given up (CANCELLED), or at the deadline (EXPIRED).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from stockkeeper.domain.errors import InvalidRequest, InvalidState
from stockkeeper.domain.lot import HeldLot, LotUnits
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.transitions import TransitionTable, Words

_TO_THE_SECOND = "%Y-%m-%d %H:%M:%S UTC"


class ReservationStatus(StrEnum):
    """Status of a reservation. WAITING and REJECTED hold nothing and so have no rows in the database."""

    WAITING = "WAITING"
    ACTIVE = "ACTIVE"
    FULFILLED = "FULFILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class ReservationEvent(StrEnum):
    """Event in the life of a reservation."""

    HOLD = "hold"
    REJECT = "reject"
    SHIP = "ship"
    """A fulfilment that leaves something held."""
    FULFILL = "fulfill"
    EXTEND = "extend"
    RELEASE = "release"
    """The end of a part of the hold, which leaves something held."""
    CANCEL = "cancel"
    GIVE_WAY = "give_way"
    """The end of a hold whose stock is missing."""
    EXPIRE = "expire"


RESERVATION = TransitionTable(
    {
        (ReservationStatus.WAITING, ReservationStatus.ACTIVE): {ReservationEvent.HOLD},
        (ReservationStatus.WAITING, ReservationStatus.REJECTED): {ReservationEvent.REJECT},
        (ReservationStatus.WAITING, ReservationStatus.CANCELLED): {ReservationEvent.CANCEL},
        (ReservationStatus.ACTIVE, ReservationStatus.ACTIVE): {
            ReservationEvent.SHIP,
            ReservationEvent.EXTEND,
            ReservationEvent.RELEASE,
        },
        (ReservationStatus.ACTIVE, ReservationStatus.FULFILLED): {ReservationEvent.FULFILL},
        (ReservationStatus.ACTIVE, ReservationStatus.CANCELLED): {ReservationEvent.CANCEL, ReservationEvent.GIVE_WAY},
        (ReservationStatus.ACTIVE, ReservationStatus.EXPIRED): {ReservationEvent.EXPIRE},
    },
    Words(
        "reservation",
        statuses={
            ReservationStatus.WAITING: "is waiting for stock",
            ReservationStatus.ACTIVE: "is held",
            ReservationStatus.FULFILLED: "has been fulfilled",
            ReservationStatus.CANCELLED: "has been cancelled",
            ReservationStatus.EXPIRED: "has expired",
            ReservationStatus.REJECTED: "was rejected for lack of stock",
        },
        commands={
            "reserve": "can't be held again; another hold needs another reference",
            ReservationEvent.HOLD: "can't be held again",
            ReservationEvent.REJECT: "can't be rejected",
            ReservationEvent.SHIP: "can't be shipped",
            ReservationEvent.FULFILL: "can't be fulfilled",
            ReservationEvent.EXTEND: "can't be extended",
            ReservationEvent.RELEASE: "can't be lowered",
            ReservationEvent.CANCEL: "can't be cancelled",
            ReservationEvent.GIVE_WAY: "can't give way",
            ReservationEvent.EXPIRE: "can't expire",
        },
        not_yet={ReservationStatus.WAITING: "is still waiting for stock"},
        advice={ReservationStatus.REJECTED: "reserve again once the stock is there"},
    ),
)


@dataclass(frozen=True)
class HeldLine:
    """One line of a reservation as the database has it; quantities in units."""

    reservation_id: int
    item: ItemKey
    quantity: int
    quantity_fulfilled: int
    status: ReservationStatus
    expires_at: datetime | None
    quantity_released: int = 0
    sourced_line: int | None = None
    """Number of the request's line, counted from 1, if that left the warehouse open; such a line may have several."""
    lots: tuple[HeldLot, ...] = ()
    """Of a tracked product: its units by lot, those that have left as well."""
    minimum_days_left: int | None = None
    """Days that each unit must have left, if the order says so itself."""

    @property
    def quantity_open(self) -> int:
        """Units still held: nothing once the line is no longer ACTIVE."""
        if self.status is not ReservationStatus.ACTIVE:
            return 0
        return self.quantity - self.quantity_fulfilled - self.quantity_released


def status_of(lines: Sequence[HeldLine]) -> ReservationStatus:
    """The status of the whole from its lines.

    A line that expired takes the whole with it, though another line may not have been released yet: they share
    one deadline, and the request that needed the stock released only the items that it had locked. A line of which
    nothing is open is FULFILLED: its units have been shipped or given up; with all of them given up on every line,
    nothing was fulfilled.
    """
    statuses = {line.status for line in lines}
    for decisive in (ReservationStatus.EXPIRED, ReservationStatus.CANCELLED, ReservationStatus.ACTIVE):
        if decisive in statuses:
            return decisive
    is_given_up = bool(lines) and all(line.quantity_released == line.quantity for line in lines)
    return ReservationStatus.CANCELLED if is_given_up else ReservationStatus.FULFILLED


def status_at(lines: Sequence[HeldLine], as_of: datetime) -> ReservationStatus:
    """The status of the whole at an instant: once its deadline has come it is EXPIRED, released already or not."""
    status = status_of(lines)
    if status is ReservationStatus.ACTIVE and any(is_overdue(line, as_of) for line in lines):
        return ReservationStatus.EXPIRED
    return status


def deadline_of(lines: Sequence[HeldLine]) -> datetime | None:
    """The deadline of the whole: of the lines that are still held, or that were until the end.

    A line that has been shipped before keeps the deadline that it had then.
    """
    held = [line for line in lines if line.status is ReservationStatus.ACTIVE]
    until_the_end = held or [line for line in lines if line.status is not ReservationStatus.FULFILLED] or lines
    return max((line.expires_at for line in until_the_end if line.expires_at is not None), default=None)


def require_open(lines: Sequence[HeldLine], event: ReservationEvent, as_of: datetime, reference: str) -> None:
    """A command needs a reservation that is ACTIVE and whose deadline has not come.

    Raises:
        InvalidState: It isn't, or ``as_of`` is at or after the deadline, whether or not it was released already.
    """
    RESERVATION.next(status_at(lines, as_of), event, of=reference)


def require_given_way(lines: Sequence[HeldLine], reference_type: str, reference_id: str) -> None:
    """The rest of a hold gives way only if one of its lines has, because the promised stock isn't there.

    Raises:
        InvalidState: None of its lines has given way, so the hold goes on.
    """
    if (status := status_of(lines)) is not ReservationStatus.CANCELLED:
        message = f"the hold of {reference_type.lower()} {reference_id} hasn't given way"
        raise InvalidState(message, str(status), str(ReservationEvent.GIVE_WAY))


def require_in_time(reference: str, not_after: datetime | None, at: datetime) -> None:
    """An order that nobody waits for any more isn't held.

    Args:
        reference: The order.
        not_after: The last instant at which it may be held; None: there is none.
        at: When its turn has come.

    Raises:
        InvalidState: It is too late.
    """
    if not_after is not None and at > not_after:
        raise too_late(reference, not_after, at)


def too_late(reference: str, not_after: datetime | None, at: datetime) -> InvalidState:
    """The refusal of an order that isn't held because nobody waits for it any more; see `require_in_time`."""
    by = "" if not_after is None else f": it was to be held by {not_after.astimezone(UTC):{_TO_THE_SECOND}}"
    message = f"order {reference} wasn't held{by}, and it was {at.astimezone(UTC):{_TO_THE_SECOND}} when its turn came"
    return InvalidState(message, ReservationStatus.REJECTED, "reserve")


def is_overdue(line: HeldLine, as_of: datetime) -> bool:
    """Whether the line is still held although its deadline has come. A hold without a deadline never is."""
    return bool(line.quantity_open) and line.expires_at is not None and line.expires_at <= as_of


@dataclass(frozen=True)
class ItemHold:
    """The hold of one order or transfer on one item.

    Attributes:
        reference_type: ``ORDER`` or ``TRANSFER``.
        reference_id: Its own name.
        workflow_id: Id of the workflow that commands it.
        lines: Its open lines on the item: several, if it asked for the same product on several lines.
    """

    reference_type: str
    reference_id: str
    workflow_id: str
    lines: Sequence[HeldLine]

    @property
    def quantity_open(self) -> int:
        """Units that it holds of the item."""
        return sum(line.quantity_open for line in self.lines)

    @property
    def has_deadline(self) -> bool:
        """Whether the hold has a deadline, and so ends by itself."""
        return any(line.expires_at is not None for line in self.lines)

    def is_overdue(self, as_of: datetime) -> bool:
        """Whether its deadline has come."""
        return any(is_overdue(line, as_of) for line in self.lines)


def giving_way(held: Sequence[ItemHold], units: int, as_of: datetime) -> list[ItemHold]:
    """Choose the holds on an item that end because some of its units are missing.

    Holds whose deadline has come end first: they are owed nothing any more. Then the latest: it was promised
    last. A hold gives way whole, because an order is held whole or not at all; so more may become free than had to.

    Args:
        held: All open holds on the item, in the order in which they were placed.
        units: How many units have to be given up.
        as_of: The workflow's time.
    """
    overdue = [hold for hold in held if hold.is_overdue(as_of)]
    others = [hold for hold in reversed(held) if not hold.is_overdue(as_of)]
    ended: list[ItemHold] = []
    for hold in [*overdue, *others]:
        if units <= 0:
            break
        ended.append(hold)
        units -= hold.quantity_open
    return ended


@dataclass(frozen=True)
class WantedLine:
    """Units of a product that a shipment takes, optionally from one warehouse or one line only."""

    quantity: int
    product_id: int | None = None
    warehouse_id: int | None = None
    reservation_id: int | None = None
    lots: tuple[LotUnits, ...] = ()

    def matches(self, line: HeldLine) -> bool:
        """Whether units of ``line`` fit."""
        return (
            self.reservation_id in (None, line.reservation_id)
            and self.product_id in (None, line.item.product_id)
            and self.warehouse_id in (None, line.item.warehouse_id)
        )

    def __str__(self) -> str:
        given = {
            "reservation": self.reservation_id,
            "product": self.product_id,
            "warehouse": self.warehouse_id,
        }
        return ", ".join(f"{name} {value}" for name, value in given.items() if value is not None)


def _warehouse_of(line: HeldLine) -> str:
    return f"warehouse {line.item.warehouse_id}"


def plan_fulfilment(
    lines: Sequence[HeldLine],
    wanted: Sequence[WantedLine] | None,
    *,
    place_of: Callable[[HeldLine], str] = _warehouse_of,
    done: str = "shipped",
) -> dict[int, int]:
    """How many units each line gives: ``{reservation_id: units}``, lines that give nothing left out.

    To a shipment, or back into what is available.

    Args:
        lines: The reservation's lines.
        wanted: Units to ship, in the order of the lines; None: all units still held.
        place_of: The warehouse of a line, as a message names it.
        done: What becomes of the units, in messages: ``shipped``, ``released``.

    Raises:
        InvalidRequest: More is wanted of something than is still held; or a part of a product is wanted that several
            warehouses hold, and none is named.
    """
    left = {line.reservation_id: line.quantity_open for line in lines}
    if wanted is None:
        return {reservation_id: units for reservation_id, units in left.items() if units}
    given: Counter[int] = Counter()
    for want in wanted:
        _require_one_place(want, [line for line in lines if left[line.reservation_id]], left, place_of, done)
        missing = want.quantity
        for line, units in _given(lines, want, left):
            given[line.reservation_id] += units
            missing -= units
        if missing:
            held = want.quantity - missing
            raise InvalidRequest(f"{want}: {want.quantity} to be {done}, but only {held} still held")
    return {reservation_id: units for reservation_id, units in sorted(given.items()) if units}


def plan_lots(
    lines: Sequence[HeldLine], wanted: Sequence[WantedLine] | None, given: Mapping[int, int]
) -> dict[int, list[LotUnits]]:
    """The lots that were named for the units that each line gives: ``{reservation_id: lots}``.

    Args:
        lines: The reservation's lines.
        wanted: Units to ship, as `plan_fulfilment` had them.
        given: Its answer.

    Raises:
        InvalidRequest: Lots were named for some of a line's units only.
    """
    left = dict(given)
    named: dict[int, Counter[str]] = {}
    for want in wanted or ():
        lots = list(want.lots)
        for line, units in _given([line for line in lines if line.reservation_id in left], want, left):
            unnamed = units
            while lots and unnamed:
                number, quantity = lots.pop(0)
                taken = min(quantity, unnamed)
                named.setdefault(line.reservation_id, Counter())[number] += taken
                unnamed -= taken
                if quantity > taken:
                    lots.insert(0, LotUnits(number, quantity - taken))
    for reservation_id, its in named.items():
        if its.total() != given[reservation_id]:
            raise InvalidRequest(f"name the lots of all units of reservation {reservation_id}, or of none")
    return {each: [LotUnits(*lot) for lot in its.items()] for each, its in named.items()}


def _given(lines: Sequence[HeldLine], want: WantedLine, left: dict[int, int]) -> Iterator[tuple[HeldLine, int]]:
    """The units that each line gives to what is wanted, in their order; they are taken off what is left of it."""
    missing = want.quantity
    for line in lines:
        if missing and want.matches(line):
            units = min(missing, left[line.reservation_id])
            left[line.reservation_id] -= units
            missing -= units
            yield line, units


def _require_one_place(
    want: WantedLine,
    lines: Sequence[HeldLine],
    left: Mapping[int, int],
    place_of: Callable[[HeldLine], str],
    done: str,
) -> None:
    """Units of a product are of the warehouse that is named; only all of them may be of several at once.

    Raises:
        InvalidRequest: Several warehouses hold the product, and only a part is wanted, from none of them by name.
    """
    by_place = {line.item.warehouse_id: line for line in reversed(lines) if want.matches(line)}
    held: Counter[int] = Counter()
    for line in lines:
        if want.matches(line):
            held[line.item.warehouse_id] += left[line.reservation_id]
    if len(held) > 1 and want.quantity < held.total():
        places = " and ".join(f"{place_of(by_place[place])} ({units})" for place, units in held.items())
        raise InvalidRequest(
            f"{want}: {want.quantity} to be {done}, and {len(held)} warehouses hold it, {places}; name one of them"
        )
