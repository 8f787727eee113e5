"""A model of the databases that hold an order in parts, to which courses are put in many orders of events."""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from stockkeeper.domain.errors import DomainError, InsufficientStock, InvalidRequest, InvalidState, Shortage
from stockkeeper.domain.order_in_parts import (
    SECURED_UNTIL,
    Course,
    End,
    FollowLine,
    Hold,
    OrderInParts,
    Outcome,
    PartHeld,
    Pick,
    Request,
    Secure,
    SetDeadline,
    Take,
    go_on,
)
from stockkeeper.domain.reservation import (
    RESERVATION,
    HeldLine,
    ReservationEvent,
    ReservationStatus,
    deadline_of,
    require_given_way,
    require_open,
    status_of,
)
from stockkeeper.domain.stock import ItemKey

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
DEADLINE = START + timedelta(minutes=30)
IN_TIME = DEADLINE - timedelta(seconds=1)
TOO_LATE = DEADLINE + timedelta(seconds=1)


@dataclass(frozen=True)
class Asking:
    """What comes with a request: the command that it belongs to, and who asks.

    Attributes:
        effect: The command's own operation.
        as_of: The command's time.
        until: The deadline of the hold, or the new one.
        run: The run that asks.
        number: The request's number within the run.
    """

    effect: str
    as_of: datetime
    until: datetime
    run: str
    number: int


class Part(Protocol):
    """A database that holds a part of the order."""

    place: int

    def ask(self, request: Request, asking: Asking) -> Outcome:
        """Carry a request out, once."""
        ...


class Killed(Exception):
    """The run was terminated, or what it asked for last never came back."""


@dataclass
class Database:
    """One database: one item, what an order holds of it, and whoever else buys it."""

    place: int
    on_hand: int
    wanted: Sequence[int]
    lines: list[HeldLine] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    undone: bool = False
    bought: int = 0
    missing: int = 0
    lots: Collection[str] = ()

    @property
    def shipped(self) -> int:
        """Units that have left for the order."""
        return sum(line.quantity_fulfilled for line in self.lines)

    @property
    def held(self) -> int:
        """Units that the order holds."""
        return sum(line.quantity_open for line in self.lines)

    @property
    def free(self) -> int:
        """Units that anybody may have."""
        return self.on_hand - self.shipped - self.held - self.bought - self.missing

    @property
    def is_secured(self) -> bool:
        """Whether no buyer would ever get what is held."""
        return any(line.quantity_open and line.expires_at == SECURED_UNTIL for line in self.lines)

    def buy(self, units: int, as_of: datetime) -> None:
        """Somebody else buys; an overdue hold is released for it, if it is needed."""
        if units > self.free and any(line.quantity_open and line.expires_at <= as_of for line in self.lines):  # type: ignore[operator]
            self._end(ReservationStatus.EXPIRED)
        if units <= self.free:
            self.bought += units

    def lose(self) -> None:
        """Promised stock isn't there: the first line that holds some gives way."""
        for number, line in enumerate(self.lines):
            if line.quantity_open:
                self.missing += line.quantity_open
                self.lines[number] = replace(line, status=ReservationStatus.CANCELLED)
                return

    def ask(self, request: Request, asking: Asking) -> Outcome:
        """Carry a request out, once for its operation."""
        operation = _operation(request, asking)
        if operation not in self.done:
            try:
                self._carry_out(request, asking.as_of, asking.effect, asking.until)
            except DomainError as refusal:
                return refusal
            self.done.add(operation)
        return PartHeld(
            status_of(self.lines),
            deadline_of(self.lines),
            list(self.lines),
            rest_is_held=status_of(self.lines) is not ReservationStatus.ACTIVE and bool(self.held),
            is_done=isinstance(request, Secure) and asking.effect in self.done,
        )

    def _carry_out(self, request: Request, as_of: datetime, effect: str, until: datetime) -> None:
        match request:
            case Hold():
                self._hold(until)
            case Secure():
                if effect not in self.done:
                    self._require_open(ReservationEvent.FULFILL, as_of)
                    self._extend(SECURED_UNTIL)
            case SetDeadline(expires_at=until):
                self._require_open(ReservationEvent.EXTEND, as_of)
                self._extend(until)
            case Pick():
                self._pick(request, as_of)
            case Take(units=units, expires_at=back):
                self._require_open(ReservationEvent.FULFILL, as_of)
                self._extend(back or until)
                self.lines = [_less(line, units.get(line.reservation_id, 0)) for line in self.lines]
            case FollowLine():
                require_given_way(self.lines, "ORDER", "1042")
                self._end(ReservationStatus.CANCELLED)
            case End(status=status):
                if not self.lines:
                    raise RESERVATION.refusal(ReservationStatus.REJECTED, ReservationEvent.CANCEL)
                self._end(status)
                self.undone = effect == "reserve"

    def _pick(self, request: Pick, as_of: datetime) -> None:
        self._require_open(ReservationEvent.FULFILL, as_of)
        for number in [lot.lot_number for lots in request.lots.values() for lot in lots]:
            if number not in self.lots:
                raise InvalidRequest(f"database {self.place} has no lot {number}")

    def _hold(self, until: datetime) -> None:
        if self.lines and not self.undone:
            return
        if sum(self.wanted) > self.free:
            raise InsufficientStock.of([Shortage(7, self.place, sum(self.wanted), self.free)])
        item, status = ItemKey(self.place, 7), ReservationStatus.ACTIVE
        self.lines = [HeldLine(number, item, units, 0, status, until) for number, units in enumerate(self.wanted, 1)]
        self.undone = False

    def _require_open(self, event: ReservationEvent, as_of: datetime) -> None:
        if not self.lines:
            raise RESERVATION.refusal(ReservationStatus.REJECTED, event)
        require_open(self.lines, event, as_of, "1042")

    def _extend(self, until: datetime) -> None:
        self.lines = [replace(line, expires_at=until) if line.quantity_open else line for line in self.lines]

    def _end(self, status: ReservationStatus) -> None:
        self.lines = [replace(line, status=status) if line.quantity_open else line for line in self.lines]


def _less(line: HeldLine, units: int) -> HeldLine:
    shipped = replace(line, quantity_fulfilled=line.quantity_fulfilled + units)
    return replace(shipped, status=ReservationStatus.FULFILLED) if units and not shipped.quantity_open else shipped


@dataclass
class Run:
    """One run of the order's workflow, and what happens between its requests.

    Attributes:
        databases: What the parts are held in.
        chance: Decides in which order requests are carried out, and whether an attempt is made twice.
        between: Called before and after each request.
        dies_after: Requests after which it is terminated; None: it isn't.
        away: Databases that don't answer a hold in time.
    """

    databases: Sequence[Part]
    chance: random.Random
    between: Callable[[], None] = lambda: None
    name: str = "run"
    dies_after: int | None = None
    away: frozenset[int] = frozenset()
    order: OrderInParts = field(init=False)
    owed: list[Callable[[], None]] = field(default_factory=list)
    _requests: int = 0

    def __post_init__(self) -> None:
        self.order = OrderInParts("1042", [f"database {each.place}" for each in self.databases])

    def go(self, course: Course, effect: str, as_of: datetime, until: datetime = DEADLINE) -> None:
        """Carry a course out.

        Raises:
            DomainError: The command is refused.
            Killed: The run was terminated.
        """
        requests = go_on(course, None)
        while requests is not None:
            outcomes: dict[int, Outcome] = {}
            for part in self.chance.sample(sorted(requests), len(requests)):
                outcomes[part] = self.ask(part, requests[part], effect, as_of, until)
            requests = go_on(course, {part: outcomes[part] for part in requests})

    def finish(self, as_of: datetime) -> None:
        """Release what is left of an order that is over, as the workflow does."""
        if self.order.rest_is_held:
            if self.order.status is ReservationStatus.EXPIRED:
                self.go(self.order.expire(), "expire", as_of)
            else:
                self.go(self.order.give_way(), "give_way", as_of)
        for each in self.owed:
            each()

    def ask(self, part: int, request: Request, effect: str, as_of: datetime, until: datetime = DEADLINE) -> Outcome:
        """Carry one request out, maybe twice."""
        if self.dies_after is not None and self._requests >= self.dies_after:
            raise Killed
        self._requests += 1
        asking, database = Asking(effect, as_of, until, self.name, self._requests), self.databases[part]
        if part in self.away and isinstance(request, Hold):
            # It may come through all the same, and nobody knows.
            if self.chance.random() < 0.5:
                database.ask(request, asking)
            return None
        if part in self.away and isinstance(request, End):
            self.owed.append(lambda: void(database.ask(request, asking)))
            return None
        self.between()
        outcome = database.ask(request, asking)
        self.between()
        if isinstance(outcome, PartHeld) and self.chance.random() < 0.3:
            # The answer was lost, and the attempt is made again.
            return database.ask(request, asking)
        return outcome


def _operation(request: Request, asking: Asking) -> str:
    match request:
        case Hold():
            return f"reserve/{asking.run}"
        case SetDeadline(is_by_wish=True) | Take() | FollowLine():
            return asking.effect
        case End():
            return f"undone/{asking.run}" if asking.effect == "reserve" else f"{asking.effect}/rest"
    return f"{asking.run}/{asking.number}"


def void(_: object) -> None:
    """Nobody waits for the answer."""


def databases(*on_hand: int, wanted: Sequence[int] = (2, 1)) -> list[Database]:
    """Databases with so many units each."""
    return [Database(place, units, wanted) for place, units in enumerate(on_hand, 1)]


def outcome_of(call: Callable[[], None]) -> DomainError | None:
    """What a call is refused with; None: it isn't."""
    try:
        call()
    except DomainError as refusal:
        return refusal
    return None


def refused_with_status(refusal: DomainError | None) -> str:
    """The status of the order that a command is refused for; empty: it isn't, or for another reason."""
    return refusal.status if isinstance(refusal, InvalidState) else ""
