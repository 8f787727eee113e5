"""The inbox: all that waits for a person, oldest first, and the decision beside the numbers and the reason."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.responses import Response

from starter.console.decisions import Decide, decide_each
from starter.console.pages import adjustment, purchase_order
from starter.console.paging import address
from starter.console.routes import Routes
from starter.console.visit import Visit
from starter.console.waiting import Here, as_seen, concerns
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.permission import Role

routes = Routes()

AT_ONCE = 50
"""Things on one page."""
MOST_AT_ONCE = 100
"""Decisions that one press may send."""
APPROVE: Mapping[str, Decide] = {"po": purchase_order.approve_listed, "adjust": adjustment.approve_listed}
"""How documents are approved from the list, by kind. Others are decided on their own page."""
REJECT: Mapping[str, Decide] = {"po": purchase_order.reject, "adjust": adjustment.reject}
"""How they are rejected, with a reason."""


@routes.get("/inbox")
async def show_inbox(visit: Visit) -> Response:
    """What waits for this person, oldest first: ``kind`` shows one kind only, ``whose=all`` also what waits for others.

    ``after`` is how many are on the pages before.
    """
    kind, everybody, after = visit.query("kind"), visit.query("whose") == "all", _after(visit)
    # Before it is read: what is changed meanwhile counts as changed since.
    at = datetime.now(UTC)
    found, warehouses = await asyncio.gather(visit.stock.inbox(), visit.stock.warehouses())
    here = Here.of(visit.identity, warehouses)
    mine = [each for each in found if everybody or concerns(visit, each, here)]
    of_kind = [each for each in mine if kind in (None, each.kind)]
    shown = [as_seen(visit, each, here, at) for each in of_kind[after : after + AT_ONCE]]
    more = len(of_kind) - after - AT_ONCE
    whose = "all" if everybody else None
    return visit.show(
        "inbox.html",
        items=shown,
        count=len(of_kind),
        kinds={each: sum(item.kind == each for item in mine) for each in sorted({item.kind for item in mine})},
        kind=kind,
        everybody=everybody,
        others=len(found) - len(mine),
        at=lambda **fields: address("/inbox", **{"kind": kind, "whose": whose, **fields}),
        before=max(0, after - AT_ONCE) if after else None,
        next=after + AT_ONCE if more > 0 else None,
        decidable=set(APPROVE) if Role.APPROVE in visit.identity.roles else set(),
    )


@routes.post("/inbox/approve", Role.APPROVE)
async def approve_several(visit: Visit) -> Response:
    """Approve all that was ticked, each by itself, and show what came of each."""
    chosen = await _ticked(visit)
    outcomes = await decide_each(visit, APPROVE, chosen)
    return visit.show("outcomes.html", outcomes=outcomes)


@routes.post("/inbox/reject", Role.APPROVE)
async def reject_several(visit: Visit) -> Response:
    """Reject all that was ticked, for one reason, and show what came of each."""
    chosen = await _ticked(visit)
    reason = await visit.field("reason")
    if reason is None:
        raise InvalidRequest(visit.texts.say("Say why, so that whoever drafted it can mend it."))
    outcomes = await decide_each(visit, REJECT, [(kind, number, reason) for kind, number, _ in chosen])
    return visit.show("outcomes.html", outcomes=outcomes)


async def _ticked(visit: Visit) -> list[tuple[str, str, str | None]]:
    """Kind, number, and what was seen, of each box: ``po PO-7<tab>250.00 2026-12-01T08:00:00+00:00``."""
    form = await visit.form()
    chosen = [_chosen(visit, str(each)) for each in form.getlist("chosen")]
    if not chosen:
        raise InvalidRequest(visit.texts.say("Tick what you want to decide about."))
    if len(chosen) > MOST_AT_ONCE:
        raise InvalidRequest(visit.texts.say("Decide about {count} at a time at most.", count=MOST_AT_ONCE))
    return chosen


def _chosen(visit: Visit, value: str) -> tuple[str, str, str | None]:
    kind, _, rest = value.partition(" ")
    number, _, seen = rest.partition("\t")
    if not kind or not number:
        raise InvalidRequest(visit.texts.say("{value} names no document.", value=repr(value)))
    return kind, number, seen or None


def _after(visit: Visit) -> int:
    typed = visit.query("after") or "0"
    if not (typed.isascii() and typed.isdecimal() and len(typed) < 7):
        raise InvalidRequest(visit.texts.say("The address has no place in this list."))
    return int(typed)
