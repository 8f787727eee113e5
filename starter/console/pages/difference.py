"""Differences above the limit: units lost or damaged on the way, restocked and never sold, or never ordered.

Whoever books such units is refused above the limit, and told what they are worth. Another person approves that much
here, and it is booked again.
"""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from babel.numbers import NumberFormatError, parse_decimal
from starlette.responses import Response

from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.client.difference import WithDifference
from stockkeeper.contracts.errors import InvalidRequest, NotFound
from stockkeeper.contracts.permission import Role, require_limit

routes = Routes()

_MOST = Decimal("1e12")
Finds = Callable[[str], Awaitable[WithDifference[Any]]]


@routes.post("/inbox/{kind}/{number}/approve-difference", Role.APPROVE)
async def approve_difference(visit: Visit) -> Response:
    """Approve that a document makes or loses stock, up to a worth in all."""
    kind, number = visit.path("kind"), visit.path("number")
    find = _finders(visit).get(kind)
    if find is None:
        raise NotFound(visit.texts.say("There is no such page."))
    value, units = _amount(visit, await visit.field("value")), _units(visit, await visit.field("unvalued_units"))
    document = await find(number)
    visit.require(document.process, "approve_difference", document.state)
    require_limit(visit.identity, None if units else value, "approve_difference")
    note = await visit.field("note")
    await document.approve_difference(approver=visit.person, value=value, unvalued_units=units, note=note)
    said = visit.texts.say(
        "You have approved a difference up to {worth}. It can be booked now.", worth=visit.texts.money(value)
    )
    return visit.go_to(f"/inbox/{kind}/{quote(number, safe='')}", said)


def _finders(visit: Visit) -> Mapping[str, Finds]:
    stock = visit.stock
    return {
        "po": stock.purchase_order,
        "transfer": stock.transfer,
        "return": stock.customer_return,
        "inspection": stock.inspection,
    }


def _amount(visit: Visit, typed: str | None) -> Decimal:
    """An amount as it is written in the person's language, with two digits behind the point at most."""
    try:
        value = parse_decimal(typed or "", locale=visit.texts.locale, strict=True)
    except (NumberFormatError, InvalidOperation):
        value = Decimal(-1)
    if not 0 <= value < _MOST or value != round(value, 2):
        raise InvalidRequest(visit.texts.say("{value} isn't an amount of money.", value=typed or ""))
    return Decimal(value)


def _units(visit: Visit, typed: str | None) -> int:
    if typed is None:
        return 0
    if not (typed.isascii() and typed.isdecimal() and len(typed) < 10):
        raise InvalidRequest(visit.texts.say("{value} isn't a number of units.", value=typed))
    return int(typed)
