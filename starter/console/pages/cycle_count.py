"""Count: sheets that say what is to be counted, and nothing of what is expected.

Nothing that leads to a number is sent to whoever counts: no stock, no earlier count, no variance, in no page, answer or
attribute. What the books say of a count is for those who approve it, in the inbox.
"""

import secrets
from datetime import UTC, date, datetime
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from starter.console.bodies import body_of
from starter.console.expected import SHOWN, expected_at
from starter.console.items import warehouses_of
from starter.console.named import names_of
from starter.console.numbers_seen import NUMBERS_SEEN
from starter.console.paper import Column, Paper, pdf
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.contracts import cycle_count
from stockkeeper.contracts.cycle_count import CountLineState, CountStatus, CycleCountState, RootCause
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.permission import START, Role
from stockkeeper.contracts.purchase_order_state import is_same_person
from stockkeeper.contracts.stock import FoundItems

routes = Routes()

OPEN = (CountStatus.COUNTING, CountStatus.REVIEW)
MOST_PRODUCTS = 1_000


class Recorded(BaseModel):
    """Units that somebody has counted."""

    product_id: Annotated[int, Field(gt=0)]
    units: Annotated[int, Field(ge=0, le=1_000_000_000)]
    lot: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    expires_on: date | None = None
    root_cause: RootCause | None = None


@routes.get("/count", Role.COUNT)
async def show_counts(visit: Visit) -> Response:
    """Counts that are open, and a form for another one; ``find`` leads to the one of that number."""
    if number := visit.query("find"):
        await visit.stock.cycle_count(number)
        return RedirectResponse(f"/count/{quote(number, safe='')}", status_code=303)
    lists = [
        ("count", "/count/{number}", None, visit.stock.cycle_counts(status=status, limit=SHOWN)) for status in OPEN
    ]
    mine = visit.identity.warehouses
    return visit.show(
        "counts.html",
        title=visit.texts.say("Count"),
        heading=visit.texts.say("Open counts"),
        path="/count",
        expected=await expected_at(visit, *lists),
        now=datetime.now(UTC),
        nothing=visit.texts.say("No count is open."),
        number_of_count=f"C-{datetime.now(UTC):%y%m%d}-{secrets.token_hex(3)}",
        warehouses=[each for each in await warehouses_of(visit.stock) if mine is None or each.warehouse_id in mine],
    )


@routes.post("/count/start", Role.COUNT)
async def start_count(visit: Visit) -> Response:
    """Open a count of some products; sent twice, it is one count."""
    number, place = await visit.field("number"), await visit.field("warehouse")
    skus = (await visit.field("skus") or "").replace(",", "\n").split("\n")
    named = list(dict.fromkeys(sku.strip() for sku in skus if sku.strip()))
    if number is None or place is None or not place.isdecimal():
        raise InvalidRequest(visit.texts.say("Choose the warehouse in which is counted."))
    if not named or len(named) > MOST_PRODUCTS:
        raise InvalidRequest(visit.texts.say("Name the products that are to be counted, each on a line of its own."))
    visit.require(cycle_count.PROCESS, START, {"warehouse_id": int(place)})
    await visit.stock.open_count(number, named, warehouse_id=int(place), requested_by=visit.person)
    return visit.go_to(f"/count/{quote(number, safe='')}")


@routes.get("/count/{number}", Role.COUNT)
async def show_sheet(visit: Visit) -> Response:
    """The sheet of a count."""
    state, found = await _sheet(visit)
    sheet = {
        "key": f"{visit.person} {state.count_number}",
        "path": f"/count/{quote(state.count_number, safe='')}/record",
        "lines": _lines(visit, state, found),
        "causes": {cause.value: visit.texts.say(cause.value) for cause in RootCause},
        "texts": visit.texts.of_script("count.js"),
    }
    return visit.show(
        "count.html",
        number_of_count=state.count_number,
        place=found.warehouse_names.get(state.warehouse_id or 0, ""),
        is_open=state.status in OPEN,
        sheet=sheet,
        causes=list(RootCause),
    )


@routes.post("/count/{number}/record", Role.COUNT)
async def record_count(visit: Visit) -> Response:
    """Record one line. The same count by the same person counts once."""
    count = await visit.stock.cycle_count(visit.path("number"))
    visit.require(cycle_count.PROCESS, "record", count.state)
    _require_blind(visit, count.name)
    asked = await body_of(visit, Recorded)
    state = await count.record(
        asked.product_id,
        asked.units,
        performed_by=visit.person,
        root_cause=asked.root_cause,
        lot_number=asked.lot,
        expires_on=asked.expires_on,
    )
    line = next(each for each in state.lines if (each.product_id, each.lot_number) == (asked.product_id, asked.lot))
    is_done = line.status is CountStatus.POSTED
    said = visit.texts.say("Counted.") if is_done else visit.texts.say("Counted. Somebody else counts it once more.")
    return JSONResponse({"state": _state(visit, line), "message": said})


@routes.get("/count/{number}/print", Role.COUNT)
async def print_sheet(visit: Visit) -> Response:
    """The sheet on paper, as blind as on the screen."""
    state, found = await _sheet(visit)
    return visit.show(
        "count_paper.html",
        number_of_count=state.count_number,
        place=found.warehouse_names.get(state.warehouse_id or 0, ""),
        lines=[line for line in _lines(visit, state, found) if line["state"] != "done"],
    )


@routes.get("/count/{number}/print.pdf", Role.COUNT)
async def print_sheet_as_pdf(visit: Visit) -> Response:
    """The same as PDF."""
    state, found = await _sheet(visit)
    say = visit.texts.say
    rows = [
        [line["sku"], line["name"], line["lot"] or "", line["until"], ""]
        for line in _lines(visit, state, found)
        if line["state"] != "done"
    ]
    paper = Paper(
        say("Count {name}", name=state.count_number),
        [(say("Warehouse"), found.warehouse_names.get(state.warehouse_id or 0, "")), (say("Counted by"), "")],
        [
            Column("SKU", 3),
            Column(say("Product"), 4),
            Column(say("Lot"), 2),
            Column(say("Last day"), 2),
            Column(say("Counted units"), 2),
        ],
        rows,
    )
    return await pdf(paper, f"count-{state.count_number}")


def _require_blind(visit: Visit, number: str) -> None:
    said = visit.texts.say("You have seen the numbers of this count: somebody else counts.")
    NUMBERS_SEEN.require_blind(visit.person, number, said)


async def _sheet(visit: Visit) -> tuple[CycleCountState, FoundItems]:
    """A count and the names on it, for somebody who may count there."""
    state = (await visit.stock.cycle_count(visit.path("number"))).state
    visit.require(cycle_count.PROCESS, "record", state)
    products = {line.product_id for line in state.lines}
    return state, await names_of(visit.stock, products=products, warehouses=[state.warehouse_id])


def _lines(visit: Visit, state: CycleCountState, found: FoundItems) -> list[dict[str, Any]]:
    """The lines as whoever counts may know them, by SKU and lot."""
    lines = [
        {
            "product_id": line.product_id,
            "sku": found.skus.get(line.product_id, str(line.product_id)),
            "name": found.product_names.get(line.product_id, ""),
            "lot": line.lot_number,
            "until": visit.texts.day(line.expires_on),
            "state": _state(visit, line),
        }
        for line in state.lines
    ]
    return sorted(lines, key=lambda line: (str(line["sku"]), str(line["lot"] or "")))


def _state(visit: Visit, line: CountLineState) -> str:
    """What is to be done with a line: ``open``, ``again`` by this person, ``wait`` for another one, or ``done``."""
    if line.status is CountStatus.COUNTING:
        return "open"
    if line.status is not CountStatus.REVIEW:
        return "done"
    is_mine = line.counted_by is not None and is_same_person(line.counted_by, visit.person)
    return "wait" if is_mine else "again"
