"""The errors of Stockkeeper: one tree, the same on both sides of the wire.

::

    StockkeeperError
    ├── Unreachable            no answer: it may have happened or not; asking again is safe
    ├── NotFound               no such process: never started, or its history is gone
    └── DomainError            an answer: no, and nothing changed
        ├── InvalidRequest     the message itself is wrong
        ├── UnknownProduct     it names a product that isn't there
        ├── UnknownWarehouse   ... a warehouse
        ├── UnknownSupplier    ... a supplier
        ├── WarehouseElsewhere it names a warehouse that another database keeps
        ├── WarehouseMoving    it joins a warehouse with others that is about to move to another database
        ├── InsufficientStock  less available than asked for, with the numbers
        ├── InvalidState       the command is wrong in the present status
        ├── NotPermitted       the wrong person asks
        ├── EventsForgotten    it asks for events that aren't kept any more
        └── OperationConflict  an operation id used again for something else

A class's name is its stable code: it is the ``type`` that a caller of any language sees. ``details`` is plain
JSON and travels with it; ``from_details`` builds the same error again at the other end.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, NotRequired, Self, TypedDict, cast

Details = Mapping[str, object] | Sequence[Mapping[str, object]]
"""The numbers and names behind a message, as plain JSON; each error says which."""


class BadCell(TypedDict):
    """A fault in a file: its line, the column if one is at fault, and what is wrong."""

    line: int
    column: str | None
    message: str


class RequestDetails(TypedDict, total=False):
    """Details of an `InvalidRequest`: of a file its first faults and their number, of a line its product."""

    errors: list[BadCell]
    errors_total: int
    product_id: int


class ShortageDetails(TypedDict):
    """A `Shortage` as it travels."""

    product_id: int
    warehouse_id: int | None
    requested: int
    available: int
    waited_for: NotRequired[int]
    lot_number: NotRequired[str]
    unavailable: NotRequired[int]


class StateDetails(TypedDict):
    """Details of an `InvalidState`: the status that the document is in, and the command that it refused."""

    status: str
    command: str


class EndedHold(TypedDict):
    """A hold that a correction would end: of an order or a transfer, in units of a product."""

    reference_type: str
    reference_id: str
    product_id: int
    quantity: int


class HomeDetails(TypedDict):
    """Details of a `WarehouseElsewhere`: the warehouse, and the task queue of the database that keeps it."""

    warehouse_id: int
    task_queue: str


class MovingDetails(TypedDict):
    """Details of a `WarehouseMoving`."""

    warehouse_id: int


class ForgottenDetails(TypedDict):
    """Details of an `EventsForgotten`: the numbers of the first event that is kept, and of the last one."""

    first_number: int
    last_number: int


class PermissionDetails(TypedDict, total=False):
    """Details of a `NotPermitted` about an effect that one person may not have alone.

    Its worth (an amount of money, and units of unknown cost) and the limits that it is above; or the holds that it
    would end and that the approver hasn't seen.
    """

    value: str
    unvalued_units: int
    limit: str
    limit_units: int
    ends: list[EndedHold]


class StockkeeperError(Exception):
    """The root: everything that Stockkeeper raises on purpose."""


class Unreachable(StockkeeperError):
    """No answer came in time: from Temporal, or from a worker. The same call may be made again without harm."""


class NotFound(StockkeeperError):
    """No process with that name: it was never started, or Temporal no longer keeps its history."""


class DomainError(StockkeeperError):
    """A refusal. It guarantees that nothing has changed."""

    codes: ClassVar[dict[str, type["DomainError"]]] = {}

    def __init_subclass__(cls) -> None:
        DomainError.codes[cls.__name__] = cls

    @property
    def code(self) -> str:
        """The stable name of this kind of error."""
        return type(self).__name__

    @property
    def message(self) -> str:
        """One sentence for a person."""
        return str(self.args[0])

    @property
    def details(self) -> Details:
        """The numbers and names behind the message, as plain JSON."""
        return {}

    @classmethod
    def from_details(cls, message: str, details: object) -> Self:
        """Build the error from message and details; ``details`` of an unknown shape are dropped."""
        del details
        return cls(message)


class InvalidRequest(DomainError):
    """The message is wrong whatever the stock is: a type, a missing or unknown field, a number out of range."""

    def __init__(self, message: str, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self._details = cast("RequestDetails", dict(details or {}))

    @property
    def details(self) -> RequestDetails:
        """Details for a program, such as ``{"errors": [{line, column, message}]}`` of a file."""
        return self._details

    @classmethod
    def from_details(cls, message: str, details: object) -> Self:
        """Read the details again."""
        return cls(message, details if isinstance(details, Mapping) else None)


class _Unknown(DomainError):
    """Something named by its id isn't there."""

    kind: ClassVar[str]

    def __init__(self, message: str, ids: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.ids = list(ids)

    @classmethod
    def of(cls, ids: Iterable[int]) -> Self:
        """The error for these ids."""
        named = sorted(set(ids))
        return cls(f"no {cls.kind} with id {', '.join(map(str, named))}", named)

    @property
    def details(self) -> dict[str, list[int]]:
        """The ids that are unknown, as ``{"product_ids": [...]}`` and the like."""
        return {f"{self.kind}_ids": self.ids}

    @classmethod
    def from_details(cls, message: str, details: object) -> Self:
        """Read the ids again."""
        ids = details.get(f"{cls.kind}_ids", []) if isinstance(details, Mapping) else []
        return cls(message, ids)


class UnknownProduct(_Unknown):
    """No such product."""

    kind = "product"


class UnknownWarehouse(_Unknown):
    """No such warehouse."""

    kind = "warehouse"


class UnknownSupplier(_Unknown):
    """No such supplier."""

    kind = "supplier"


class WarehouseElsewhere(DomainError):
    """The warehouse is kept in another database than the one that was asked."""

    def __init__(self, message: str, warehouse_id: int = 0, task_queue: str = "") -> None:
        super().__init__(message)
        self.warehouse_id = warehouse_id
        self.task_queue = task_queue

    @classmethod
    def of(cls, warehouse_id: int, task_queue: str) -> Self:
        """The error for this warehouse and the task queue of its database."""
        where = f"the database of task queue {task_queue}"
        return cls(f"warehouse {warehouse_id} is kept in {where}: send this there", warehouse_id, task_queue)

    @property
    def details(self) -> HomeDetails:
        """``{warehouse_id, task_queue}``."""
        return {"warehouse_id": self.warehouse_id, "task_queue": self.task_queue}

    @classmethod
    def from_details(cls, message: str, details: object) -> Self:
        """Read warehouse and task queue again."""
        given = details if isinstance(details, Mapping) else {}
        return cls(message, given.get("warehouse_id", 0), given.get("task_queue", ""))


class WarehouseMoving(DomainError):
    """The warehouse is about to move to another database, and nothing new may join it with other warehouses."""

    def __init__(self, message: str, warehouse_id: int = 0) -> None:
        super().__init__(message)
        self.warehouse_id = warehouse_id

    @classmethod
    def of(cls, warehouse_id: int) -> Self:
        """The error for this warehouse."""
        return cls(
            f"warehouse {warehouse_id} is about to move to another database: until it has, no order takes stock of it "
            "and of another warehouse, and no transfer begins; try again later, or order from one warehouse",
            warehouse_id,
        )

    @property
    def details(self) -> MovingDetails:
        """``{warehouse_id}``."""
        return {"warehouse_id": self.warehouse_id}

    @classmethod
    def from_details(cls, message: str, details: object) -> Self:
        """Read the warehouse again."""
        return cls(message, details.get("warehouse_id", 0) if isinstance(details, Mapping) else 0)


@dataclass(frozen=True)
class Shortage:
    """One item that is short: units asked for by the whole request, and units that were available.

    Without a warehouse it is a product that the request left open: the units asked for there, and those of all
    warehouses together.

    Attributes:
        waited_for: Further units that are there, and that orders before this one wait for.
        lot_number: The lot that was asked for; None: any.
        unavailable: Further units that are on hand and can't be promised: set aside, or of lots that are stopped, have
            expired, or have fewer days left than asked for.
    """

    product_id: int
    warehouse_id: int | None
    requested: int
    available: int
    waited_for: int = 0
    lot_number: str | None = None
    unavailable: int = 0

    @property
    def numbers(self) -> str:
        """The units in words: ``requested 5, available 2``, and how many more are there that can't be had, if any."""
        others = [f"{self.waited_for} more are there, for orders that wait"] if self.waited_for else []
        if self.unavailable:
            others.append(f"{self.unavailable} more may not leave: set aside, stopped, or too few days left")
        return f"requested {self.requested}, available {self.available}" + (f" ({'; '.join(others)})" if others else "")


def _place_of(short: Shortage) -> str:
    return "all warehouses" if short.warehouse_id is None else f"warehouse {short.warehouse_id}"


def _lot_of(short: Shortage) -> str:
    return "" if short.lot_number is None else f", lot {short.lot_number},"


class InsufficientStock(DomainError):
    """Less is available than was asked for. Nothing is held, not even the lines that were there."""

    def __init__(self, message: str, shortages: Iterable[Shortage] = ()) -> None:
        super().__init__(message)
        self.shortages = list(shortages)

    @classmethod
    def of(cls, shortages: Iterable[Shortage]) -> Self:
        """The error for these shortages."""
        short = list(shortages)
        parts = [f"product {s.product_id}{_lot_of(s)} in {_place_of(s)}: {s.numbers}" for s in short[:3]]
        more = f" and {len(short) - 3} more" if len(short) > 3 else ""
        return cls("; ".join(parts) + more, short)

    @property
    def details(self) -> list[ShortageDetails]:
        """A list of ``{product_id, warehouse_id, requested, available}``, and the other fields of a shortage if any."""
        shown = [
            {name: value for name, value in asdict(s).items() if value or name not in ShortageDetails.__optional_keys__}
            for s in self.shortages
        ]
        return cast("list[ShortageDetails]", shown)

    @classmethod
    def from_details(cls, message: str, details: object) -> Self:
        """Read the shortages again."""
        short = details if isinstance(details, list) else []
        return cls(message, [Shortage(**s) for s in short])


class InvalidState(DomainError):
    """The command is right in itself, but not in the status that its document is in."""

    def __init__(self, message: str, status: str = "", command: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.command = command

    @property
    def details(self) -> StateDetails:
        """``{status, command}``."""
        return {"status": self.status, "command": self.command}

    @classmethod
    def from_details(cls, message: str, details: object) -> Self:
        """Read status and command again."""
        given = details if isinstance(details, Mapping) else {}
        return cls(message, given.get("status", ""), given.get("command", ""))


class NotPermitted(DomainError):
    """This person may not do this, such as approving their own request, or may not do it alone."""

    def __init__(self, message: str, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self._details = cast("PermissionDetails", dict(details or {}))

    @property
    def details(self) -> PermissionDetails:
        """The numbers behind it: of an effect that needs another person its worth and the limit, or the holds."""
        return self._details

    @classmethod
    def from_details(cls, message: str, details: object) -> Self:
        """Read the details again."""
        return cls(message, details if isinstance(details, Mapping) else None)


class EventsForgotten(DomainError):
    """The event after the one that was seen last isn't kept any more: what has changed since can't all be told."""

    def __init__(self, message: str, first_number: int = 0, last_number: int = 0) -> None:
        super().__init__(message)
        self.first_number = first_number
        self.last_number = last_number

    @classmethod
    def after(cls, number: int, *, first_number: int, last_number: int) -> Self:
        """The error for a reader that has seen events up to this number."""
        return cls(
            f"events after number {number} aren't all kept any more, but from {first_number} on: take the present end "
            "as the cursor, read everything anew, and follow from there",
            first_number,
            last_number,
        )

    @property
    def details(self) -> ForgottenDetails:
        """``{first_number, last_number}``."""
        return {"first_number": self.first_number, "last_number": self.last_number}

    @classmethod
    def from_details(cls, message: str, details: object) -> Self:
        """Read the numbers again."""
        given = details if isinstance(details, Mapping) else {}
        return cls(message, given.get("first_number", 0), given.get("last_number", 0))


class OperationConflict(DomainError):
    """An operation id came back with another payload: done differently, not done already."""
