"""The base of every message, and the kinds of field they share.

A message from outside is checked strictly: no unknown field, no string for a number, no number for a
string, nothing unbounded. What passes between our own parts, and what we answer with, is read with more patience,
so that workers of two versions understand each other.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails, PydanticSerializationError, to_json

from stockkeeper.contracts.converter import Undecodable
from stockkeeper.contracts.opened_inspection import OpenedInspection
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.lot import LONGEST_LOT_NUMBER
from stockkeeper.domain.worth import in_figures

MAX_LINES = 1_000
MAX_UNITS = 1_000_000_000
MAX_REASON = 500
MAX_GAVE_WAY = 2_000
MAX_ID = 2**63 - 1
MAX_MINUTES = 366 * 24 * 60.0
MAX_HOURS = 366 * 24.0
MAX_DAYS_LEFT = 36_500
MONEY_PLACES = 6
_PROBLEMS_SHOWN = 10
_PLACE_SHOWN = 80
_MONEY_WIRE = re.compile(r"[0-9]{1,30}(\.[0-9]{1,6})?", re.ASCII)
YEARS = range(1970, 2200)
_DAY_WIRE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)

S = TypeVar("S", bound="State")


class Message(BaseModel):
    """A message from outside: a start or a command."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Start(Message):
    """A message that starts a process."""

    @property
    def summary(self) -> str:
        """The line that an operator reads beside a run that it has started."""
        raise NotImplementedError


class State(BaseModel):
    """An answer of a process. Only its workflow changes it, in place."""

    model_config = ConfigDict(extra="ignore")


def state_of(state: type[S], stored: BaseModel, **more: object) -> S:
    """The state of a document from the database's answer: the fields that both have, and ``more``."""
    shared = stored.model_dump(include={*state.model_fields} & {*type(stored).model_fields})
    return state.model_validate(shared | more)


class Step(BaseModel):
    """The input of a writing activity: one step of a workflow.

    Attributes:
        operation_id: Chosen by the workflow; the effect happens once for it, however often it is asked for.
        performed_by: The person or service behind it.
        as_of: The workflow's time, which decides about deadlines; never the database's.
        occurred_at: When the goods moved, if that was before; None: as the step is carried out.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    not_compared: ClassVar[frozenset[str]] = frozenset({"operation_id", "performed_by", "as_of"})
    """Fields in which a repeat may differ from the first step: it comes later, or from another person."""
    added_later: ClassVar[tuple[str, ...]] = ()
    """Fields that an earlier version didn't have. They are compared once they are set: a step that an earlier version
    has carried out is the same operation as one without them."""

    operation_id: str
    performed_by: str
    as_of: AwareDatetime
    occurred_at: AwareDatetime | None = None

    @property
    def took_place_at(self) -> AwareDatetime:
        """When it happened: the effective time, or else the workflow's."""
        return self.occurred_at or self.as_of

    def contents(self) -> dict[str, Any]:
        """The fields that a repeat must have in common with the first step, as plain JSON."""
        later = ("occurred_at", *self.added_later)
        left_out = {*self.not_compared, *(name for name in sorted(later) if getattr(self, name) is None)}
        return self.model_dump(mode="json", exclude=left_out)


class Asked(Step):
    """A step that a client asks for by itself, as it asks a question: read as strictly as any message from outside."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class Page(BaseModel):
    """A part of a long answer to a question."""

    more: bool = Field(description="Rows follow the last one.")


class GaveWay(BaseModel):
    """A hold that ended because its stock is missing."""

    workflow_id: str
    reference_type: str
    reference_id: str
    warehouse_id: int
    product_id: int
    quantity: int


class HeldBefore(BaseModel):
    """A hold that gave way and whose units may be back: it can be held again until the deadline that it had."""

    reference_type: str
    reference_id: str
    warehouse_id: int
    product_id: int
    quantity: int = Field(description="Units that it held.")
    expires_at: AwareDatetime | None = Field(description="Its deadline; null: it has none, as a transfer.")


class DocumentAnswer(BaseModel):
    """The answer to a step on a document.

    Attributes:
        is_repeat: The step had been carried out before, and the answer shows the document as it is now, with whatever
            has come since: also what a lost attempt of the same task has done after it.
    """

    is_repeat: bool = False

    def __eq__(self, other: object) -> bool:
        """Whether they say the same of the document: how an answer came about is no part of that."""
        if isinstance(other, DocumentAnswer):
            other = other.model_copy(update={"is_repeat": self.is_repeat})
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]


class InspectingAnswer(DocumentAnswer):
    """The answer to a step that may have opened inspections.

    Attributes:
        opened_inspections: Those that it has opened; their runs have to be started.
    """

    opened_inspections: list[OpenedInspection] = Field(default_factory=list, exclude_if=lambda opened: not opened)


class StockAnswer(InspectingAnswer):
    """The answer to a step that may have reduced stock.

    Attributes:
        fell_below: Whether this step let an item fall below its reorder point.
        gave_way: The holds that ended by it; their workflows have to be notified.
        gave_way_untold: Number of further holds that the answer has no room for.
        held_before: Holds that gave way earlier on items of which this step has put units back, the earliest first; at
            most a hundred.
    """

    fell_below: bool = False
    gave_way: list[GaveWay] = Field(default_factory=list)
    gave_way_untold: int = 0
    held_before: list[HeldBefore] = Field(default_factory=list)


def _printable(text: str) -> str:
    # No name needs a control character, and PostgreSQL refuses U+0000.
    if not text.isprintable():
        raise ValueError("must not contain control characters or line breaks")
    if text != text.strip():
        raise ValueError("must not begin or end with a space")
    return text


def _exact(value: Any) -> Any:
    # Never a float: 0.1 isn't a tenth there. A whole number is exact in JSON, too.
    if isinstance(value, Decimal):
        return value
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _MONEY_WIRE.fullmatch(text):
        raise ValueError('must be an amount of money as a string, such as "12.50", with at most six decimals')
    return Decimal(text)


def money(amount: Decimal) -> str:
    """An amount in text: all of its digits, and at least two decimals."""
    whole, _, fraction = f"{amount:.{MONEY_PLACES}f}".partition(".")
    return f"{whole}.{fraction.rstrip('0'):0<2}"


def amount(value: Decimal) -> str:
    """An amount as people read it: ``12,780.00``."""
    return in_figures(value)


def counted(number: int, what: str) -> str:
    """A number of things as people read it: ``1 item``, ``2 items``."""
    return f"{number} {what}{'s' * (number != 1)}"


def _day(value: Any) -> Any:
    if isinstance(value, date):
        return value
    # Read here, because pydantic would take a moment at midnight for a day, too.
    if not isinstance(value, str) or not _DAY_WIRE.fullmatch(value):
        raise ValueError("must be a day, such as 2026-11-23")
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise ValueError("there is no such day") from None
    if day.year not in YEARS:
        # Temporal counts nanoseconds in 64 bits, which end in 2262; a deadline beyond would stop the workflow.
        raise ValueError(f"must be between {YEARS[0]} and {YEARS[-1]}")
    return day


def _with_a_day(value: datetime) -> datetime:
    if value.year not in YEARS:
        raise ValueError(f"must be between {YEARS[0]} and {YEARS[-1]}")
    return value


_Line = AfterValidator(_printable)

Units = Annotated[int, Field(gt=0, le=MAX_UNITS, description="A number of units.")]
Id = Annotated[int, Field(gt=0, le=MAX_ID)]
Minutes = Annotated[float, Field(gt=0, le=MAX_MINUTES, description="Minutes; may be a fraction.")]
Hours = Annotated[float, Field(gt=0, le=MAX_HOURS, description="Hours; may be a fraction.")]
Day = Annotated[date, BeforeValidator(_day), Field(description="A day: 2026-11-23.")]
Money = Annotated[
    Decimal,
    BeforeValidator(_exact),
    PlainSerializer(money, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^{_MONEY_WIRE.pattern}$",
            "description": "An amount of money, exact: a string, because a JSON number may be read as a float.",
        }
    ),
]
UnitCost = Annotated[Money, Field(lt=10**12)]
Reference = Annotated[str, Field(min_length=1, max_length=200), _Line]
LotNumber = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_LOT_NUMBER, description="Number of a lot, or a serial number, as printed."),
    _Line,
]
DaysLeft = Annotated[int, Field(ge=0, le=MAX_DAYS_LEFT, description="Days until the expiry day; 0: the day itself.")]
Actor = Annotated[str, Field(min_length=1, max_length=200, description="Person or service that acts."), _Line]
Reason = Annotated[str, Field(min_length=1, max_length=MAX_REASON, description="Why."), _Line]
Note = Annotated[str, Field(max_length=500, description="Any remark."), _Line]
Timestamp = Annotated[AwareDatetime, Field(description="An instant, with its offset from UTC.")]
Present = Annotated[Timestamp, AfterValidator(_with_a_day)]
OccurredAt = Annotated[
    AwareDatetime | None,
    Field(
        description="The instant at which the goods moved, if that was before it is booked; never in the future. Null: "
        "now. Demand and lead times follow it; balances follow the instant of booking."
    ),
]
Notes = Annotated[list[str], Field(description="Refused commands and other remarks; the latest hundred.")]


class ReasonedCommand(Message):
    """A command that needs a reason, such as a cancellation. Its subclasses add only their names."""

    performed_by: Actor
    reason: Reason


class Rejection(Message):
    """A command that refuses an approval, with a reason. Its subclasses add only their names."""

    approver: Actor
    reason: Reason


M = TypeVar("M", bound=BaseModel)


def parse(model: type[M], payload: Sequence[object]) -> M:
    """Check a payload from outside against its model. All payloads from outside go through here.

    Args:
        model: The model.
        payload: The arguments, decoded from JSON: one, unless the caller is mistaken.

    Raises:
        InvalidRequest: It doesn't fit. The message names at most ten problems, and repeats none of the values:
            they may be long, or private.
    """
    if len(payload) != 1:
        raise InvalidRequest(f"{model.__name__} has to be one JSON object; {len(payload)} arguments were sent")
    value = payload[0]
    if isinstance(value, Undecodable):
        raise InvalidRequest(f"{model.__name__} has to be a JSON object: {value.why}")
    if not isinstance(value, dict):
        raise InvalidRequest(f"{model.__name__} has to be a JSON object; {_kind(value)} was sent")
    try:
        # By way of JSON, like the payload: there a timestamp is a string, and a string is never a number.
        return model.model_validate_json(to_json(value))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        shown = [_problem(problem) for problem in problems[:_PROBLEMS_SHOWN]]
        if len(problems) > _PROBLEMS_SHOWN:
            shown.append(f"and {len(problems) - _PROBLEMS_SHOWN} more")
        raise InvalidRequest("; ".join(shown)) from None
    except (PydanticSerializationError, RecursionError) as error:
        raise InvalidRequest(f"{model.__name__} has to be a JSON object: {type(error).__name__}") from None


def _problem(problem: ErrorDetails) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if len(place) > _PLACE_SHOWN:
        place = place[:_PLACE_SHOWN] + "…"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _kind(value: object) -> str:
    kinds: dict[type[Any], str] = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number" if isinstance(value, int | float) else "something else")


def utc(moment: datetime) -> str:
    """An instant as people read it: ``2026-11-23 14:30 UTC``."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
