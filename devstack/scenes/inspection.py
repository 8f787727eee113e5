"""Inspections: units set aside, released and scrapped by somebody else than who put them there."""

from devstack.scenes.scene import Play, Shop, Sight
from stockkeeper import Line, NotPermitted, RootCause

_WHERE = "Newark"


async def _inspected(shop: Shop) -> Sight:
    """I-1: a jar of tea was found open; of 5 tins set aside 4 are fit."""
    inspection = await shop.stock.open_inspection(
        "I-1",
        [Line("TEA-500", quantity=5)],
        warehouse_id=shop.warehouses[_WHERE],
        reason="a tin was found open",
        performed_by="night shift",
    )
    yield (
        "OPEN: 5 set aside",
        f"{inspection.state.status}: {sum(line.aside for line in inspection.state.lines)} set aside",
    )
    try:
        own = str((await inspection.release(performed_by="Night Shift")).status)
    except NotPermitted as refused:
        own = refused.code
    yield "own: NotPermitted", f"own: {own}"
    await inspection.release([Line("TEA-500", quantity=4)], performed_by="ann", note="sealed")
    state = await inspection.scrap(performed_by="ann", root_cause=RootCause.DAMAGE, reason="open")
    line = state.lines[0]
    yield "DONE: 4 released, 1 scrapped", f"{state.status}: {line.released} released, {line.scrapped} scrapped"


SCENES: list[Play] = [_inspected]
