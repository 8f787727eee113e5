"""What the databases of an order in parts are asked for: the steps by which a course's requests are carried out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stockkeeper.contracts.lot import LotQuantity
from stockkeeper.contracts.messages import Step, utc
from stockkeeper.contracts.order_in_parts import PartOfOrder
from stockkeeper.contracts.reservation import (
    UNDONE,
    ExtendReservationStep,
    FulfillLine,
    FulfillReservationStep,
    HoldAgainStep,
    Holding,
    LowerReservationStep,
    ReleaseReservationStep,
    ReservationActivities,
    ReservationLine,
    SecureReservationStep,
    wanted_lines,
)
from stockkeeper.domain.order_in_parts import (
    SECURED_UNTIL,
    Course,
    End,
    Hold,
    Lots,
    OrderInParts,
    Pick,
    Request,
    Secure,
    SetDeadline,
    Take,
)
from stockkeeper.domain.reservation import ReservationEvent, ReservationStatus, WantedLine

Activity = Callable[[Any, Any], Holding]


@dataclass(frozen=True)
class Asked:
    """A step on its way to the database of a part.

    Attributes:
        activity: The activity that carries it out.
        step: Its input.
        text: The text beside it in the Temporal UI.
    """

    activity: Activity
    step: Step
    text: str


def course_of(order: OrderInParts, step: Any) -> Course:
    """The course by which a step of a reservation is carried out in several databases."""
    match step:
        case FulfillReservationStep():
            return order.take(_wanted(step.lines), ReservationEvent.FULFILL, done="shipped")
        case LowerReservationStep():
            return order.take(_wanted(step.lines), ReservationEvent.RELEASE, done="released")
        case ExtendReservationStep():
            return order.extend(step.expires_at)
        case HoldAgainStep():
            return order.hold_again(step.as_of)
        case ReleaseReservationStep(gave_way=True):
            return order.give_way()
        case ReleaseReservationStep(status=ReservationStatus.EXPIRED):
            return order.expire()
        case ReleaseReservationStep():
            return order.cancel()
    return order.hold(step.expires_at)


def asked_of(
    request: Request, commanded: Asked, part: PartOfOrder, operation: Callable[..., str], run: str, number: int
) -> Asked:
    """The step by which one part is asked.

    Args:
        request: What it is asked for.
        commanded: The step as of an order in one database.
        part: The part.
        operation: Makes an operation id of its parts after the workflow id.
        run: The run that asks.
        number: The request's number within the run.
    """
    step: Any = commanded.step
    stamp = {name: getattr(step, name) for name in ("performed_by", "as_of", "reference_type", "reference_id")}
    match request:
        case Hold():
            own: dict[str, Any] = {"lines": [ReservationLine(**line.model_dump()) for line in part.lines]}
            if isinstance(step, HoldAgainStep):
                own["in_part"] = True
            return Asked(commanded.activity, step.model_copy(update=own), commanded.text)
        case Secure() | Pick():
            picked = _lines(request.units, request.lots) if isinstance(request, Pick) else None
            secure = SecureReservationStep(
                **stamp,
                operation_id=operation("secure", run, str(number)),
                command=_command_of(step),
                effect=step.operation_id,
                expires_at=SECURED_UNTIL,
                occurred_at=step.occurred_at,
                picked=picked,
            )
            text = "secure" if picked is None else "hold the lots that were picked"
            return Asked(ReservationActivities.secure_reservation, secure, f"{text}, to {commanded.text}")
        case SetDeadline(is_by_wish=False):
            back = ExtendReservationStep(
                **stamp,
                operation_id=operation("put_back", run, str(number)),
                ttl_minutes=0,
                expires_at=request.expires_at,
            )
            text = f"held until {utc(request.expires_at)} again"
            return Asked(ReservationActivities.extend_reservation, back, text)
        case Take():
            taking = {"part": _lines(request.units, request.lots), "put_back": request.expires_at}
            return Asked(commanded.activity, step.model_copy(update=taking), commanded.text)
        case End():
            ending = _end_of(request, step, stamp, operation(UNDONE, run))
            return Asked(ReservationActivities.release_reservation, ending, f"release: {ending.reason}")
    return commanded


def _end_of(request: End, step: Any, stamp: dict[str, Any], undone: str) -> ReleaseReservationStep:
    """The step that ends a part: by the command that is under way, or because other parts couldn't be held."""
    if isinstance(step, ReleaseReservationStep):
        # Where no line gave way, the same operation has just been refused. It follows a line of another part, and may
        # be held again with that.
        name = f"{step.operation_id}/rest" if step.gave_way else step.operation_id
        decided = {"status": request.status, "is_decided": True}
        return step.model_copy(update={"operation_id": name, "put_back": request.expires_at, **decided})
    if isinstance(step, HoldAgainStep):
        # As it was: what gave way once may be held again later.
        return ReleaseReservationStep(
            **stamp,
            operation_id=f"{step.operation_id}/undone",
            status=ReservationStatus.CANCELLED,
            reason="not all lines of the order could be held again",
            gave_way=True,
            is_decided=True,
        )
    return ReleaseReservationStep(
        **stamp,
        operation_id=undone,
        status=ReservationStatus.CANCELLED,
        reason="not all lines of the order could be held",
        is_decided=True,
    )


def _lines(units: Mapping[int, int], lots: Lots) -> list[FulfillLine]:
    """Units of a part by its lines, with the lots that were picked."""
    return [
        FulfillLine(
            reservation_id=line,
            quantity=each,
            lots=[LotQuantity(**lot._asdict()) for lot in lots[line]] if line in lots else None,
        )
        for line, each in units.items()
    ]


def _command_of(step: Step) -> Literal["fulfill", "release", "cancel"]:
    if isinstance(step, FulfillReservationStep):
        return "fulfill"
    return "release" if isinstance(step, LowerReservationStep) else "cancel"


def _wanted(lines: Sequence[FulfillLine] | None) -> list[WantedLine] | None:
    if lines is None:
        return None
    return wanted_lines(lines)
