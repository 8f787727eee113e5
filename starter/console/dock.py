"""A document at the dock: what is wanted of it, and a draft that was scanned and is booked by its number."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from starter.console.texts import Texts
from starter.console.visit import Visit
from stockkeeper.client.lines import Line, LotLine
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.messages import MAX_LINES, MAX_REASON
from stockkeeper.contracts.stock import FoundItems

Units = Annotated[int, Field(ge=0, le=1_000_000_000)]

NUMBER = "console-{id}"
"""The number of a booking: that of its draft, so that it is booked once however often it is sent."""


class DockLot(BaseModel):
    """Units of a lot that are wanted."""

    lot: str
    expires_on: date | None
    quantity: int


class DockLine(BaseModel):
    """A product that is wanted.

    Attributes:
        wanted: Units that are still wanted.
        packs: The same in packs, in words; empty: it has none.
        lots: Its lots, where they are known before.
    """

    product_id: int
    sku: str
    name: str
    wanted: int
    packs: str = ""
    lots: list[DockLot] = Field(default_factory=list)


class DraftLine(BaseModel):
    """Units of a product, maybe of a lot, that were counted.

    Attributes:
        units: Units that are taken in, or leave.
        bad: Further units that are rejected, or damaged.
    """

    product_id: Annotated[int, Field(gt=0)]
    lot: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    expires_on: date | None = None
    units: Units
    bad: Units = 0


class Booking(BaseModel):
    """A draft as it is booked.

    Attributes:
        id: Its number.
        lines: What was counted.
        reason: Why units are rejected, or damaged.
    """

    id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    lines: Annotated[list[DraftLine], Field(min_length=1, max_length=MAX_LINES)]
    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)] | None = None

    @property
    def number(self) -> str:
        """The number that it is booked by."""
        return NUMBER.format(id=self.id)

    @property
    def units(self) -> int:
        """All units, the bad ones as well."""
        return sum(line.units + line.bad for line in self.lines)


def wanted_lines(
    texts: Texts,
    found: FoundItems,
    wanted: Iterable[tuple[int, int, Sequence[DockLot]]],
    supplier_id: int | None = None,
) -> list[DockLine]:
    """The products that are wanted, in the order of the document; the same product twice is one line.

    Args:
        texts: Words in the person's language.
        found: Their names and packs.
        wanted: Product, units and lots of each line.
        supplier_id: Whose packs count first.
    """
    lines: dict[int, DockLine] = {}
    for product_id, units, lots in wanted:
        line = lines.setdefault(
            product_id,
            DockLine(
                product_id=product_id,
                sku=found.skus.get(product_id, str(product_id)),
                name=found.product_names.get(product_id, ""),
                wanted=0,
            ),
        )
        line.wanted += max(units, 0)
        line.lots += lots
    for line in lines.values():
        line.packs = texts.packs(line.wanted, found.units_of(line.product_id, supplier_id).packs)
    return list(lines.values())


def show_dock(
    visit: Visit,
    *,
    title: str,
    about: str,
    back: str,
    path: str,
    lines: Sequence[DockLine],
    button: str,
    over_advice: str = "",
    bad: str | None = None,
    why_bad: str = "",
    names_lots: bool = False,
    lots_fixed: bool = False,
    refuses_more: bool = False,
    paper: str | None = None,
) -> Response:
    """The page on which a document is scanned and booked.

    Args:
        visit: Whose.
        title: Its heading.
        about: Whence and where to.
        back: The page with all such documents.
        path: Where its drafts are sent.
        lines: What is wanted.
        button: The words on the button, with ``{count}``.
        over_advice: What is to be known before more than is wanted is booked, where that may be.
        bad: The word for units that are rejected or damaged, in the person's language; None: there are none.
        why_bad: The question why there are such units, which has to be answered; empty: it isn't kept, so nobody asks.
        names_lots: Whether a lot may be typed.
        lots_fixed: Whether only the lots of the lines are right.
        refuses_more: Whether a scan beyond what is wanted isn't counted; else it is asked about before it is booked.
        paper: The page that prints it; None: there is none.
    """
    dock = {
        "key": f"{visit.person} {path}",
        "path": path,
        "lines": [line.model_dump(mode="json") for line in lines],
        "bad": bad,
        "asks_why": bool(why_bad),
        "lots_fixed": lots_fixed,
        "refuses_more": refuses_more,
        "names_lots": names_lots,
        "button": button,
        "texts": visit.texts.of_script("dock.js"),
    }
    return visit.show(
        "dock.html",
        title=title,
        about=about,
        back=back,
        dock=dock,
        over_advice=over_advice,
        paper=paper,
        why_bad=why_bad,
        day_of=lambda text: visit.texts.day(date.fromisoformat(text)),
    )


def leaving(booking: Booking, warehouse_id: int | None = None) -> list[Line]:
    """Units that leave, a line for each product, with the lots that were scanned.

    Args:
        booking: What was scanned.
        warehouse_id: Where, for documents of several warehouses.
    """
    units: dict[int, int] = {}
    lots: dict[int, list[LotLine]] = {}
    for each in booking.lines:
        units[each.product_id] = units.get(each.product_id, 0) + each.units
        if each.lot is not None:
            lots.setdefault(each.product_id, []).append(LotLine(each.lot, quantity=each.units))
    return [
        Line(product, warehouse_id, quantity=quantity, lots=lots.get(product)) for product, quantity in units.items()
    ]


def reason_of(visit: Visit, booking: Booking) -> str | None:
    """Why units of a draft are rejected, or damaged; None: none are.

    Raises:
        InvalidRequest: Some are, and nothing says why.
    """
    if not any(line.bad for line in booking.lines):
        return None
    if booking.reason is None:
        raise InvalidRequest(visit.texts.say("It isn't said why units are rejected or damaged."))
    return booking.reason


def booked(message: str, lines: Sequence[DockLine]) -> Response:
    """What came of a booking, and what is wanted afterwards."""
    is_over = not any(line.wanted for line in lines)
    shown = [line.model_dump(mode="json") for line in lines]
    return JSONResponse({"message": message, "lines": shown, "is_over": is_over})
