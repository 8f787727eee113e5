"""Customers send goods back: some are fit, some are broken, and some never come."""

import asyncio

from devstack.scenes.scene import Play, Shop, Sight
from stockkeeper import CustomerReturn, InspectionLine, Line, ReturnState

_CUP = "CUP-1"
_WHERE = "Newark"
_REPORTS_AT_ONCE = 10


async def _cup(shop: Shop) -> int:
    """The id of a product that was imported after the shop had opened."""
    found = await shop.stock.ids([_CUP], [])
    return found.products[_CUP]


async def _create(shop: Shop, number: str, order: str, units: int) -> CustomerReturn:
    return await shop.stock.create_return(
        number,
        [Line(product_id=await _cup(shop), quantity=units)],
        warehouse_id=shop.warehouses[_WHERE],
        reference_id=order,
        performed_by="portal",
    )


def _found(state: ReturnState) -> str:
    line = state.lines[0]
    return f"{state.status}: {line.restocked} restocked, {line.scrapped} scrapped of {line.quantity}"


async def _inspected(shop: Shop) -> Sight:
    """R-1: 3 of the cups of order 2001 come back, in two parcels, one broken."""
    # Cups come back to where none ever were, in two parcels, and one of them is broken.
    cup = await _cup(shop)
    returned = await _create(shop, "R-1", "2001", 3)
    before = f"{returned.state.status}: {await shop.level(_CUP, _WHERE)}"
    parcels = {"parcel-1": (1, 1), "parcel-2": (1, 0)}
    yield "EXPECTED: never stocked", before
    found = []
    for parcel, (restock, scrap) in parcels.items():
        line = InspectionLine(product_id=cup, restock_quantity=restock, scrap_quantity=scrap)
        found.append(_found(await returned.inspect([line], performed_by="dock", inspection_id=parcel)))
    yield "EXPECTED: 1 restocked, 1 scrapped of 3; INSPECTED: 2 restocked, 1 scrapped of 3", "; ".join(found)
    yield "2 on hand, 0 reserved", await shop.level(_CUP, _WHERE)


async def _closed_short(shop: Shop) -> Sight:
    """R-2: 5 of the cups of order 2002 should; 2 do, reported ten times at once."""
    # A parcel is reported ten times at once, and the rest never comes.
    returned = await _create(shop, "R-2", "2002", 5)
    parcel = [InspectionLine(product_id=await _cup(shop), restock_quantity=2)]
    reports = [returned.inspect(parcel, performed_by="dock", inspection_id="parcel-1") for _ in range(_REPORTS_AT_ONCE)]
    answers = {_found(state) for state in await asyncio.gather(*reports)}
    state = await returned.close_short(performed_by="portal", reason="the customer keeps them")
    yield "EXPECTED: 2 restocked, 0 scrapped of 5", f"{', '.join(answers)}"
    yield (
        "INSPECTED: 2 restocked, 0 scrapped of 5: the customer keeps them",
        f"{_found(state)}: {state.closed_reason}",
    )
    yield "4 on hand, 0 reserved", await shop.level(_CUP, _WHERE)


SCENES: list[Play] = [_inspected, _closed_short]
