"""Differences above the limit: units lost or damaged on the way, restocked and never sold, or never ordered.

Whoever books such units is refused above the limit, and told what they are worth. Another person approves that much
here, and it is booked again.
"""

from decimal import Decimal, InvalidOperation
from typing import Any

from babel.numbers import NumberFormatError, parse_decimal
from starlette.responses import Response

from starter.console.visit import Visit
from stockkeeper.client.difference import WithDifference
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.permission import require_limit

_MOST = Decimal("1e12")


async def approve_difference(visit: Visit, document: WithDifference[Any], page: str) -> Response:
    """Approve that a document makes or loses stock, up to the worth in the form; then back to its page.

    The caller has checked the role where the document takes place.

    Args:
        visit: Who approves.
        document: The document.
        page: The address of its page.

    Raises:
        InvalidRequest: The form has no amount.
        NotPermitted: It is above the person's limit.
        DomainError: See `WithDifference.approve_difference`.
    """
    value, units = _amount(visit, await visit.field("value")), _units(visit, await visit.field("unvalued_units"))
    require_limit(visit.identity, None if units else value, "approve_difference")
    note = await visit.field("note")
    await document.approve_difference(approver=visit.person, value=value, unvalued_units=units, note=note)
    said = visit.texts.say(
        "You have approved a difference up to {worth}. It can be booked now.", worth=visit.texts.money(value)
    )
    return visit.go_to(page, said)


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
