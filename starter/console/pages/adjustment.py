"""An adjustment that waits: what is on the shelf by the books before and after it, and the decision about it."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from starlette.responses import Response

from starter.console.named import names_of, zone_at
from starter.console.routes import Routes
from starter.console.visit import Visit
from starter.console.waiting import why_above_limit, why_not_by
from stockkeeper.contracts import adjustment
from stockkeeper.contracts.adjustment import AdjustmentLineState, AdjustmentState, AdjustmentStatus
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.permission import Role, require_limit

routes = Routes()


@dataclass(frozen=True)
class Row:
    """A line of the adjustment.

    Attributes:
        line: The line.
        before: Units on hand by the books before it; None: it doesn't wait any more.
    """

    line: AdjustmentLineState
    before: int | None

    @property
    def after(self) -> int | None:
        """Units on hand after it."""
        return None if self.before is None else self.before + self.line.quantity

    @property
    def worth(self) -> Decimal | None:
        """Its value; None: the cost of a unit isn't known."""
        return None if self.line.unit_cost is None else self.line.quantity * self.line.unit_cost


@routes.get("/inbox/adjust/{number}")
async def show_adjustment(visit: Visit) -> Response:
    """One adjustment, with the buttons that this person may press."""
    state = (await visit.stock.adjustment(visit.path("number"))).state
    waits = state.status is AdjustmentStatus.PENDING
    products = list(dict.fromkeys(line.product_id for line in state.lines))
    others = [each.product_id for each in state.would_end]
    found, on_hand = await asyncio.gather(
        names_of(visit.stock, products={*products, *others}, warehouses=[state.warehouse_id]),
        _on_hand(visit, products, state.warehouse_id if waits else None),
    )
    decides = waits and visit.may(adjustment.PROCESS.needs["approve"], state)
    hindered = _hindered(visit, state) if decides else None
    return visit.show(
        "adjustment.html",
        its=state,
        rows=list(_rows(state.lines, on_hand if waits else None)),
        found=found,
        zone=zone_at(found, state.warehouse_id),
        waits=waits,
        hindered=hindered,
        may_decide=decides and hindered is None,
    )


@routes.post("/inbox/adjust/{number}/approve", Role.APPROVE)
async def approve_adjustment(visit: Visit) -> Response:
    """Approve it, which posts it."""
    said = await approve_listed(visit, visit.path("number"), await visit.field("seen"))
    return visit.go_to("/inbox", said)


@routes.post("/inbox/adjust/{number}/reject", Role.APPROVE)
async def reject_adjustment(visit: Visit) -> Response:
    """Reject it, with a reason."""
    said = await reject(visit, visit.path("number"), await visit.field("reason"))
    return visit.go_to("/inbox", said)


async def approve_listed(visit: Visit, number: str, seen: str | None) -> str:
    """Approve an adjustment, and say what came of it. Its lines never change, so ``seen`` needs no look.

    Raises:
        DomainError: See `Adjustment.approve`.
    """
    del seen
    found = await visit.stock.adjustment(number)
    visit.require(adjustment.PROCESS, "approve", found.state)
    require_limit(visit.identity, _worth(found.state), "approve")
    await found.approve(approver=visit.person)
    return visit.texts.say("{name} is approved and in the books.", name=number)


async def reject(visit: Visit, number: str, reason: str | None) -> str:
    """Reject an adjustment, and say what came of it.

    Raises:
        DomainError: See `Adjustment.reject`.
    """
    if reason is None:
        raise InvalidRequest(visit.texts.say("Say why, so that whoever asked for it can look again."))
    found = await visit.stock.adjustment(number)
    visit.require(adjustment.PROCESS, "reject", found.state)
    await found.reject(approver=visit.person, reason=reason)
    return visit.texts.say("{name} is rejected: stock stays as it is. Whoever asked sees your reason.", name=number)


def _worth(state: AdjustmentState) -> Decimal | None:
    return None if state.unvalued_units else state.value


def _hindered(visit: Visit, state: AdjustmentState) -> str | None:
    return why_not_by(visit, state.requested_by) or why_above_limit(visit, _worth(state))


async def _on_hand(visit: Visit, products: Sequence[int], warehouse_id: int | None) -> Mapping[int, int]:
    """Units on hand of each product in a warehouse; nothing without one."""
    if warehouse_id is None:
        return {}
    return {each.product_id: each.quantity_on_hand async for each in visit.stock.levels(products, warehouse_id)}


def _rows(lines: Sequence[AdjustmentLineState], on_hand: Mapping[int, int] | None) -> Iterator[Row]:
    """The lines one after another: the next one of a product begins where the last one ends."""
    left = dict(on_hand or {})
    for line in lines:
        row = Row(line, None if on_hand is None else left.get(line.product_id, 0))
        left[line.product_id] = row.after or 0
        yield row
