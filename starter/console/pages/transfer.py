"""A transfer for whoever looks or approves: what is under way, and differences above the limit."""

from urllib.parse import quote

from starlette.responses import Response

from starter.console.difference import approve_difference
from starter.console.named import names_of, zone_at
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.contracts import transfer
from stockkeeper.contracts.permission import Role
from stockkeeper.contracts.transfer_state import TransferStatus

routes = Routes()


@routes.get("/inbox/transfer/{number}")
async def show_transfer(visit: Visit) -> Response:
    """One transfer."""
    state = (await visit.stock.transfer(visit.path("number"))).state
    found = await names_of(
        visit.stock,
        products={line.product_id for line in state.line_items},
        warehouses=[state.from_warehouse_id, state.to_warehouse_id],
    )
    under_way = state.status is TransferStatus.IN_TRANSIT
    needs = transfer.PROCESS.needs
    return visit.show(
        "transfer.html",
        its=state,
        found=found,
        zone=zone_at(found, state.to_warehouse_id),
        may_receive=under_way and visit.may(needs["receive"], state),
        may_approve_difference=under_way and visit.may(needs["approve_difference"], state),
    )


@routes.post("/inbox/transfer/{number}/approve-difference", Role.APPROVE)
async def approve_transfer_difference(visit: Visit) -> Response:
    """Approve a difference above the limit, which somebody else books."""
    found = await visit.stock.transfer(visit.path("number"))
    visit.require(transfer.PROCESS, "approve_difference", found.state)
    return await approve_difference(visit, found, f"/inbox/transfer/{quote(found.name, safe='')}")
