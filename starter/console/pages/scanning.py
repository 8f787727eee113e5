"""What scans mean, for the scripts of the dock: several at once, after the network was away."""

import asyncio
from typing import Annotated, Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from starter.console.bodies import body_of
from starter.console.named import names_of
from starter.console.routes import ANYONE, Routes
from starter.console.visit import Visit
from stockkeeper.contracts.barcode import MAX_TEXT_LENGTH, ScanAnswer, ScanReading
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.stock import FoundItems

routes = Routes()

SCANS_AT_ONCE = 50
_ASKED_AT_ONCE = 8


class Scans(BaseModel):
    """Texts as a scanner has sent them, in their order."""

    texts: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=MAX_TEXT_LENGTH)]],
        Field(min_length=1, max_length=SCANS_AT_ONCE),
    ]


@routes.post("/scan", *ANYONE)
async def read_scans(visit: Visit) -> Response:
    """What each text may mean; nothing is guessed."""
    asked = await body_of(visit, Scans)
    # The same item is scanned many times in a row.
    distinct = list(dict.fromkeys(asked.texts))
    turn = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def read(text: str) -> ScanAnswer | None:
        async with turn:
            try:
                return await visit.stock.scan(text)
            except InvalidRequest:
                return None

    answers = dict(zip(distinct, await asyncio.gather(*(read(text) for text in distinct)), strict=True))
    ids = {each.product_id for answer in answers.values() if answer for each in answer.readings if each.product_id}
    found = await names_of(visit.stock, products=ids)
    return JSONResponse({"answers": [_shown(visit, answers[text], found) for text in asked.texts]})


def _shown(visit: Visit, answer: ScanAnswer | None, found: FoundItems) -> dict[str, Any]:
    readings = answer.readings if answer else []
    message = None if readings else visit.texts.say("This isn't a barcode that is known here.")
    certain = answer is not None and answer.certain
    return {"certain": certain, "message": message, "readings": [_reading(visit, each, found) for each in readings]}


def _reading(visit: Visit, reading: ScanReading, found: FoundItems) -> dict[str, Any]:
    name = found.product_names.get(reading.product_id or 0)
    lot = reading.lot_number or reading.serial
    units = reading.quantity
    words = [f"{visit.texts.number(units)} x " if units else "", reading.sku or reading.gtin or "?"]
    words += [f" ({reading.unit})" if reading.unit else "", f", {visit.texts.say('lot {lot}', lot=lot)}" if lot else ""]
    if reading.expires_on:
        words.append(f", {visit.texts.say('until {when}', when=visit.texts.day(reading.expires_on))}")
    return {
        "product_id": reading.product_id,
        "sku": reading.sku,
        "name": name,
        "gtin": reading.gtin,
        "lot": lot,
        "expires_on": reading.expires_on.isoformat() if reading.expires_on else None,
        "units": units,
        "unit": reading.unit,
        "words": "".join(words),
        "problems": [each.problem for each in reading.elements if each.problem],
    }
