"""An order with lines in several databases: held in all of them or in none, and commanded as one.

Each database decides alone, by its own lock, about the part that it holds. So whatever ends the hold is decided in two
phases. First every part is secured: it gets a deadline that no buyer reaches, in a transaction that judges the time of
the command against the deadline that it had. If one part refuses, because its deadline has come or it gave way, the
command is refused, and nothing has left. Once all are secured, nothing but a correction of the stock can take a part
away, and the effect is owed to each of them, however long it takes. A rest that stays held gets back the deadline that
it had.

A course is a generator without I/O: it yields what is to be asked of which parts, and gets their outcomes. The workflow
carries the requests out; tests carry them out on a model, in thousands of orders of events.
"""

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias

from stockkeeper.domain.errors import DomainError, InsufficientStock, InvalidRequest, InvalidState, OperationConflict
from stockkeeper.domain.lot import LotUnits
from stockkeeper.domain.reservation import (
    RESERVATION,
    HeldLine,
    ReservationEvent,
    ReservationStatus,
    WantedLine,
    plan_fulfilment,
    plan_lots,
)

SECURED_UNTIL = datetime(2199, 12, 31, tzinfo=UTC)
"""The deadline of a part while its order's command is carried out: later than any that an order can ask for."""

_OVER = (ReservationStatus.EXPIRED, ReservationStatus.CANCELLED)


@dataclass(frozen=True)
class PartHeld:
    """The part of an order that one database holds.

    Attributes:
        status: Its status by itself.
        expires_at: Its deadline.
        lines: Its lines.
        rest_is_held: Whether it has ended by one of its lines, and others have yet to be released.
        is_done: Whether the effect that it was to be secured for had been carried out before; then it wasn't secured.
    """

    status: ReservationStatus
    expires_at: datetime | None
    lines: Sequence[HeldLine] = ()
    rest_is_held: bool = False
    is_done: bool = False

    @property
    def is_finished(self) -> bool:
        """Whether it has ended as it should: all of its units have been shipped or given up."""
        return all(line.quantity == line.quantity_fulfilled + line.quantity_released for line in self.lines)

    @property
    def is_given_up(self) -> bool:
        """Whether all of its units were given up one by one, and none was shipped."""
        return all(line.quantity == line.quantity_released for line in self.lines)

    @property
    def is_over(self) -> bool:
        """Whether it has ended with units that neither left nor were given up one by one."""
        return self.status in _OVER and not self.is_finished


@dataclass(frozen=True)
class Hold:
    """Hold the lines of the part, for a while: whoever doesn't answer in time is asked again, or given up."""


@dataclass(frozen=True)
class Secure:
    """Give the part a deadline that no buyer reaches, unless the deadline that it has has come."""


@dataclass(frozen=True)
class SetDeadline:
    """Give the part another deadline: by wish, or the one that it had before it was secured."""

    expires_at: datetime
    is_by_wish: bool = False


Lots: TypeAlias = Mapping[int, Sequence[LotUnits]]
"""The lots that were picked, by line, where that was said."""


@dataclass(frozen=True)
class Pick:
    """Hold the lots that were picked, by line, in the place of others: the part is secured, and units leave next."""

    units: Mapping[int, int]
    lots: Lots


@dataclass(frozen=True)
class Take:
    """Carry out the command's effect on the part: units by line. What it still holds has its deadline again."""

    units: Mapping[int, int]
    expires_at: datetime | None = None
    lots: Lots = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """End the part, whatever has become of it: that is decided. If it is owed, nobody waits for the answer."""

    status: ReservationStatus
    expires_at: datetime | None = None
    is_owed: bool = False


@dataclass(frozen=True)
class FollowLine:
    """End the part if one of its lines gave way."""


Request: TypeAlias = Hold | Secure | SetDeadline | Pick | Take | End | FollowLine
Outcome: TypeAlias = PartHeld | DomainError | None
"""A part as it is after the request; why it is refused, and nothing has changed there; None: no answer in time."""
Outcomes: TypeAlias = dict[int, Outcome]
Course: TypeAlias = Generator[Mapping[int, Request], Outcomes, None]
"""Yields what is to be asked of which parts, at the same time, and gets all of their outcomes."""
Asking: TypeAlias = Generator[Mapping[int, Request], Outcomes, Outcomes]
Shares: TypeAlias = dict[int, dict[int, int]]
"""Units by line, by part."""


def go_on(course: Course, outcomes: Outcomes | None) -> Mapping[int, Request] | None:
    """What a course asks for next; None: it is over.

    Args:
        course: The course.
        outcomes: Those of what it asked for last; None: it hasn't begun.

    Raises:
        DomainError: The command is refused.
    """
    try:
        return next(course) if outcomes is None else course.send(outcomes)
    except StopIteration:
        return None


class OrderInParts:
    """The parts of one order, and the courses of its commands.

    Args:
        number: The order's number, for messages.
        names: The database of each part, as messages name it.
        parts: The parts as they were last seen; empty: nothing is known of them.
    """

    def __init__(self, number: str, names: Sequence[str], parts: Sequence[PartHeld] = ()) -> None:
        self.number = number
        self.names = names
        self.parts: dict[int, PartHeld] = dict(enumerate(parts))
        """Those that are known."""
        self._remarks: list[str] = []

    def take_remarks(self) -> list[str]:
        """What people should know of the courses since the last time that this was asked."""
        remarks, self._remarks = self._remarks, []
        return remarks

    @property
    def status(self) -> ReservationStatus:
        """The status of the whole: one part that expired or was cancelled takes the whole with it."""
        parts = [each for each in self.parts.values() if each.lines]
        over = {each.status for each in parts if each.is_over}
        for decisive in _OVER:
            if decisive in over:
                return decisive
        if any(not each.is_finished for each in parts):
            return ReservationStatus.ACTIVE
        is_given_up = bool(parts) and all(each.is_given_up for each in parts)
        return ReservationStatus.CANCELLED if is_given_up else ReservationStatus.FULFILLED

    @property
    def rest_is_held(self) -> bool:
        """Whether the order is over, and some of it has yet to be released."""
        if self.status is ReservationStatus.ACTIVE:
            return False
        held = [each for each in self.parts.values() if not each.is_finished]
        return any(each.rest_is_held or each.status is ReservationStatus.ACTIVE for each in held)

    @property
    def deadline(self) -> datetime | None:
        """The deadline of the whole: of the parts that hold something, or that did until the end."""
        held = [each for each in self.parts.values() if not each.is_finished] or [*self.parts.values()]
        known = {each.expires_at for each in held if each.expires_at is not None}
        return max(known - {SECURED_UNTIL}, default=None)

    def hold(self, expires_at: datetime) -> Course:
        """Hold all parts until a deadline, or none. What an earlier run has left is found again.

        A part that doesn't answer in time is given up once it is certain that the order was never held whole: nothing
        of an earlier run is lost by it.

        Raises:
            InsufficientStock: With the numbers of every item that is short, in any part. Nothing stays held.
            InvalidState: A part didn't answer in time, or was too late for ``not_after``. Nothing stays held.
            DomainError: The request is wrong, or the number was used for other lines. Nothing new stays held.
        """
        answered: Outcomes = {}
        missing = [*range(len(self.names))]
        while missing:
            answered |= yield from self._ask(dict.fromkeys(missing, Hold()))
            missing = [part for part, outcome in answered.items() if outcome is None]
            if missing and _is_new([*answered.values()], expires_at):
                break
        refusals = [outcome for _, outcome in sorted(answered.items()) if isinstance(outcome, DomainError)]
        if missing or refusals:
            yield from self._undo(answered, expires_at)
            self.parts = {}
            raise self._refusal(missing, refusals)
        yield from self._agree_on_a_deadline(expires_at)

    def hold_again(self, at: datetime) -> Course:
        """Hold all parts again of an order that gave way, until the deadline that they had, or none of them.

        A part that doesn't answer is waited for: only it knows whether its lines gave way.

        Args:
            at: The command's time. A part whose deadline isn't known any more, because the order gave way while it was
                secured, is over by then.

        Raises:
            InsufficientStock: With the numbers of every item that is short, in any part. Nothing stays held.
            InvalidState: The order ended in another way, or its deadline has come. Nothing new stays held.
            DomainError: The number was used for other lines. Nothing new stays held.
        """
        answered: Outcomes = {}
        missing = [*range(len(self.names))]
        while missing:
            answered |= yield from self._ask(dict.fromkeys(missing, Hold()))
            missing = [part for part, outcome in answered.items() if outcome is None]
        refusals = [outcome for _, outcome in sorted(answered.items()) if isinstance(outcome, DomainError)]
        held = [part for part, each in self.parts.items() if each.status is ReservationStatus.ACTIVE]
        if refusals or not held:
            # Of another order of this number nothing is released.
            if not any(isinstance(each, OperationConflict) for each in refusals):
                yield from self._ask(dict.fromkeys(held, End(ReservationStatus.CANCELLED)))
            self.parts = {}
            if not refusals:
                raise RESERVATION.refusal(ReservationStatus.FULFILLED, "reserve", of=self.number)
            raise self._refusal([], refusals)
        yield from self._agree_on_a_deadline(at)

    def take(self, wanted: Sequence[WantedLine] | None, event: ReservationEvent, *, done: str) -> Course:
        """Ship units, or give them up: in all concerned parts, or in none.

        Args:
            wanted: The units; None: all that is held.
            event: The command.
            done: What becomes of the units, in messages: ``shipped``, ``released``.

        Raises:
            InvalidState: A part isn't held any more. Nothing has left, and the order is over. Or a part gave way after
                all were secured: then what the others have shipped stays shipped, as the message says.
            InvalidRequest: More is wanted than is held, or a lot was picked that isn't free. Nothing has left.
            OperationConflict: The command's number was used for other lines. Nothing has left.
        """
        self._require_one_place(wanted)
        deadline = self.deadline
        # All of them: one of which everything has left may know that the command was carried out before.
        outcomes = yield from self._secure(event, [*self.parts], deadline)
        was_done = [part for part, outcome in outcomes.items() if isinstance(outcome, PartHeld) and outcome.is_done]
        secured = [part for part, outcome in outcomes.items() if isinstance(outcome, PartHeld) and not outcome.is_done]
        try:
            # Its database compares the contents.
            again = yield from self._ask(dict.fromkeys(was_done, Take({})))
            _raise_any(again.values())
            shares, lots = self._shares(secured, wanted, done, finishing=bool(was_done))
            # What was picked is held before anything leaves anywhere: a lot that isn't free refuses the whole.
            picked = yield from self._ask({part: Pick(shares[part], named) for part, named in lots.items()})
            _raise_any(picked.values())
        except DomainError:
            yield from self._put_back(secured, deadline)
            raise
        taken = yield from self._ask(
            {part: Take(units, deadline, lots.get(part, {})) for part, units in shares.items()}
        )
        yield from self._put_back([part for part in secured if part not in taken], deadline)
        gone = {part: outcome for part, outcome in taken.items() if isinstance(outcome, DomainError)}
        if gone:
            raise self._gone(gone, [part for part in taken if part not in gone], event, done)

    def cancel(self) -> Course:
        """Cancel the order: all of its parts, or none.

        Raises:
            InvalidState: A part isn't held any more, and the order is over; or nothing is held, nor will be.
        """
        event = ReservationEvent.CANCEL
        if self.parts:
            concerned = [part for part, each in self.parts.items() if not each.is_finished]
            deadline = self.deadline
            secured = yield from self._secure(event, concerned, deadline)
            yield from self._ask(dict.fromkeys(secured, End(ReservationStatus.CANCELLED, deadline)))
            return
        # An earlier run may have left something.
        ended = yield from self._ask(dict.fromkeys(range(len(self.names)), End(ReservationStatus.CANCELLED)))
        if not self.parts:
            _raise_any(ended.values())
        if (status := self.status) is not ReservationStatus.CANCELLED:
            self.parts = {}
            raise RESERVATION.refusal(status, event, of=self.number)

    def expire(self) -> Course:
        """Release what is held, at the deadline."""
        held = [part for part, each in self.parts.items() if not each.is_finished]
        yield from self._ask(dict.fromkeys(held, End(ReservationStatus.EXPIRED)))

    def extend(self, expires_at: datetime) -> Course:
        """Give all parts that hold something another deadline.

        Raises:
            InvalidState: A part isn't held any more. The order is over.
        """
        held = [part for part, each in self.parts.items() if not each.is_finished]
        moved = yield from self._ask(dict.fromkeys(held, SetDeadline(expires_at, is_by_wish=True)))
        _raise_any(moved.values())

    def give_way(self) -> Course:
        """End the order because a line of one of its parts gave way.

        Raises:
            InvalidState: None did.
        """
        was_over = self.status in _OVER
        held = [part for part, each in self.parts.items() if not each.is_finished]
        followed = yield from self._ask(dict.fromkeys(held, FollowLine()))
        others = [part for part, outcome in followed.items() if isinstance(outcome, DomainError)]
        if len(others) == len(held) and not was_over:
            _raise_any(followed.values())
        yield from self._ask(dict.fromkeys(others, End(ReservationStatus.CANCELLED)))

    def _ask(self, requests: Mapping[int, Request]) -> Asking:
        """Ask, and keep what the parts have become."""
        if not requests:
            return {}
        outcomes = yield requests
        for part, outcome in outcomes.items():
            if isinstance(outcome, PartHeld):
                self.parts[part] = outcome
            elif isinstance(outcome, InvalidState) and outcome.status in _OVER and part in self.parts:
                # It has ended without its order's doing. What of it is still held isn't known.
                ended = ReservationStatus(outcome.status)
                self.parts[part] = replace(self.parts[part], status=ended, rest_is_held=True)
        return outcomes

    def _secure(self, event: ReservationEvent, concerned: Sequence[int], deadline: datetime | None) -> Asking:
        """Keep the parts from their deadline, all of them that hold something, or none.

        Returns:
            The parts that are secured, or in which the command's effect had been carried out before.

        Raises:
            DomainError: One refuses. The others have the deadline again that they had.
        """
        before = dict(self.parts)
        outcomes = yield from self._ask(dict.fromkeys(concerned, Secure()))
        held: Outcomes = {part: outcome for part, outcome in outcomes.items() if isinstance(outcome, PartHeld)}
        if any(isinstance(outcome, PartHeld) and outcome.is_done for outcome in held.values()):
            # That was decided before, and is finished now, whatever the others say.
            return held
        refusals = [
            outcome
            for part, outcome in outcomes.items()
            if isinstance(outcome, DomainError)
            # One of which everything has left has nothing to say.
            and not (isinstance(outcome, InvalidState) and before[part].is_finished)
        ]
        if refusals:
            yield from self._put_back([*held], deadline)
            raise next((each for each in refusals if isinstance(each, InvalidState)), refusals[0])
        if not held:
            raise RESERVATION.refusal(self.status, event, of=self.number)
        return held

    def _put_back(self, secured: Iterable[int], deadline: datetime | None) -> Course:
        """Give those parts that still hold something the deadline again that they had."""
        if deadline is not None:
            held = [part for part in secured if self.parts[part].status is ReservationStatus.ACTIVE]
            yield from self._ask(dict.fromkeys(held, SetDeadline(deadline)))

    def _undo(self, answered: Outcomes, expires_at: datetime) -> Course:
        """Release what is held of an order that can't be held whole; nobody waits for parts that don't answer."""
        # Of another order of this number nothing is released: only what was held just now.
        is_conflict = any(isinstance(outcome, OperationConflict) for outcome in answered.values())
        undone: dict[int, Request] = {}
        for part, outcome in answered.items():
            if outcome is None:
                undone[part] = End(ReservationStatus.CANCELLED, is_owed=True)
            elif isinstance(outcome, PartHeld) and (not is_conflict or outcome.expires_at == expires_at):
                undone[part] = End(ReservationStatus.CANCELLED)
        yield from self._ask(undone)

    def _refusal(self, missing: Collection[int], refusals: Sequence[DomainError]) -> DomainError:
        short = [each for each in refusals if isinstance(each, InsufficientStock)]
        if others := [each for each in refusals if not isinstance(each, InsufficientStock)]:
            return others[0]
        if short:
            return InsufficientStock.of([each for refusal in short for each in refusal.shortages])
        message = f"order {self.number} wasn't held: {self._named(missing)} didn't answer in time"
        return InvalidState(message, ReservationStatus.REJECTED, "reserve")

    def _agree_on_a_deadline(self, expires_at: datetime) -> Course:
        """Give all parts one deadline: a run that was terminated may have left them with several."""
        held = {part: each for part, each in self.parts.items() if each.status is ReservationStatus.ACTIVE}
        known = {each.expires_at for each in held.values() if each.expires_at is not None}
        until = min(known - {SECURED_UNTIL}, default=expires_at)
        yield from self._ask({part: SetDeadline(until) for part, each in held.items() if each.expires_at != until})

    def _require_one_place(self, wanted: Sequence[WantedLine] | None) -> None:
        """Lots are picked in one warehouse: where several databases hold the product, that is named.

        Raises:
            InvalidRequest: It isn't.
        """
        for want in wanted or ():
            if want.lots and sum(any(want.matches(line) for line in part.lines) for part in self.parts.values()) > 1:
                raise InvalidRequest(f"{want}: several databases hold it; name the warehouse of its lots as well")

    def _shares(
        self, secured: Iterable[int], wanted: Sequence[WantedLine] | None, done: str, *, finishing: bool
    ) -> tuple[Shares, dict[int, dict[int, Sequence[LotUnits]]]]:
        """The units that each part gives, by its lines; and their lots, where they were named.

        Args:
            secured: The parts.
            wanted: The units.
            done: What becomes of them, in messages.
            finishing: Whether other parts have given theirs before: these give what there is of the rest.

        Raises:
            InvalidRequest: As of an order in one database; or the number of a line is that of lines in several.
        """
        of_parts = [(part, line) for part in secured for line in self.parts[part].lines]
        # Each database numbers its lines by itself.
        lines = [replace(line, reservation_id=number) for number, (_, line) in enumerate(of_parts)]
        if wanted is not None:
            found = [_by_place(want, [line for _, line in of_parts], done, finishing=finishing) for want in wanted]
            wanted = [want for want in found if want is not None]
            if finishing:
                wanted = _as_far_as_there(lines, wanted)
        shares: Shares = {}
        given = plan_fulfilment(lines, wanted, done=done)
        for number, units in given.items():
            part, line = of_parts[number]
            shares.setdefault(part, {})[line.reservation_id] = units
        lots: dict[int, dict[int, Sequence[LotUnits]]] = {}
        for number, named in plan_lots(lines, wanted, given).items():
            part, line = of_parts[number]
            lots.setdefault(part, {})[line.reservation_id] = named
        return shares, lots

    def _gone(
        self, gone: Mapping[int, DomainError], others: Sequence[int], event: ReservationEvent, done: str
    ) -> DomainError:
        """The refusal by parts that were secured: what gave way is told, and what has left stays as it is."""
        why = "; ".join(f"{self.names[part]}: {refusal.message}" for part, refusal in gone.items())
        kept = f"; the units of {self._named(others)} have been {done}" if others else ""
        self._remarks.append(f"{event} was carried out in a part only: {why}{kept}")
        return InvalidState(f"{why}{kept}", self.status, event)

    def _named(self, parts: Iterable[int]) -> str:
        return " and ".join(self.names[part] for part in parts)


def _is_new(outcomes: Sequence[Outcome], expires_at: datetime) -> bool:
    """Whether an order was never held whole before: something of it has just been held, or can't be."""
    if any(isinstance(outcome, OperationConflict) for outcome in outcomes):
        return False
    return any(
        outcome.expires_at == expires_at if isinstance(outcome, PartHeld) else outcome is not None
        for outcome in outcomes
    )


def _raise_any(outcomes: Iterable[Outcome]) -> None:
    """Raise the first refusal, if there is one."""
    for outcome in outcomes:
        if isinstance(outcome, DomainError):
            raise outcome


def _by_place(want: WantedLine, lines: Sequence[HeldLine], done: str, *, finishing: bool) -> WantedLine | None:
    """The same units by the line's place, if they name a line by its number; None: that is of a part done before."""
    if want.reservation_id is None:
        return want
    places = [place for place, line in enumerate(lines) if want.matches(line)]
    if len(places) > 1:
        raise InvalidRequest(f"{want}: lines in several databases have this number; name the warehouse as well")
    if not places and not finishing:
        raise InvalidRequest(f"{want}: {want.quantity} to be {done}, but only 0 still held")
    return replace(want, reservation_id=places[0]) if places else None


def _as_far_as_there(lines: Sequence[HeldLine], wanted: Sequence[WantedLine]) -> list[WantedLine]:
    """What of these units the lines have."""
    left = {line.reservation_id: line.quantity_open for line in lines}
    there = []
    for want in wanted:
        units = 0
        for line in lines:
            if want.matches(line):
                taken = min(want.quantity - units, left[line.reservation_id])
                left[line.reservation_id] -= taken
                units += taken
        if units:
            there.append(replace(want, quantity=units))
    return there
