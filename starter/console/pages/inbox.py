"""The inbox: all that waits for a person, oldest first, and the decision beside the numbers and the reason."""

from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.responses import Response

from starter.console.decisions import Decide, decide_each
from starter.console.pages import purchase_order
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.permission import Role

routes = Routes()

MOST_AT_ONCE = 100
"""Decisions that one press may send."""
APPROVE: Mapping[str, Decide] = {"po": purchase_order.approve}
"""How documents are approved from the list, by kind. Others are decided on their own page."""
PAGES = {"po": "/inbox/po/{number}"}
"""The page of each kind of document; others are looked at by the command line."""


@routes.get("/inbox")
async def show_inbox(visit: Visit) -> Response:
    """All that waits, oldest first; ``kind`` shows one kind of document only."""
    kind = visit.query("kind")
    items = await visit.stock.inbox()
    kinds = sorted({each.kind for each in items})
    return visit.show(
        "inbox.html",
        items=[each for each in items if kind in (None, each.kind)],
        kinds=kinds,
        kind=kind,
        now=datetime.now(UTC),
        pages=PAGES,
        approvable=APPROVE if Role.APPROVE in visit.identity.roles else {},
        outcomes=[],
    )


@routes.post("/inbox/approve", Role.APPROVE)
async def approve_several(visit: Visit) -> Response:
    """Approve all that was ticked, each by itself, and show what came of each."""
    form = await visit.form()
    chosen = [_chosen(str(each)) for each in form.getlist("chosen")]
    if not chosen:
        raise InvalidRequest(visit.texts.say("Tick what you want to approve."))
    if len(chosen) > MOST_AT_ONCE:
        raise InvalidRequest(visit.texts.say("Approve {count} at a time at most.", count=MOST_AT_ONCE))
    outcomes = await decide_each(visit, APPROVE, chosen)
    return visit.show("outcomes.html", outcomes=outcomes, pages=PAGES)


def _chosen(value: str) -> tuple[str, str, str | None]:
    """Kind, number and version of a box that was ticked: ``po PO-7 2``; without a version the present one."""
    kind, _, rest = value.partition(" ")
    number, _, version = rest.partition("\t")
    if not kind or not number:
        raise InvalidRequest(f"{value!r} names no document")
    return kind, number, version or None
