"""The ledger answers for what was, and an audit goes over everything that the other scenes have done."""

from datetime import UTC, datetime

from devstack.scenes.scene import Play, Shop, Sight

_SKU, _UNITS = "MUG-RED", 8


async def _at_an_instant(shop: Shop) -> Sight:
    """8 red mugs go to Newark; how many there were before and after, asked when all is over."""
    # Mugs go to Newark; asked when all is over, the ledger says what was on the shelf before, and what after.
    before, had = datetime.now(UTC), await _on_hand(shop)
    transfer = await shop.stock.create_transfer(
        "T-8",
        [shop.moved(_SKU, _UNITS)],
        from_warehouse_id=shop.warehouses["Hamburg"],
        to_warehouse_id=shop.warehouses["Newark"],
        requested_by="planning",
    )
    await transfer.dispatch(performed_by="loading")
    after = datetime.now(UTC)
    await transfer.receive("R-1", [shop.arrived(_SKU, _UNITS)], performed_by="dock")
    last = await anext(shop.stock.history(_SKU, "Hamburg"))
    yield (
        f"{had} before, {had - _UNITS} after, because of -{_UNITS} by loading, transfer-T-8",
        (
            f"{await _on_hand_at(shop, before)} before, {await _on_hand_at(shop, after)} after, "
            f"because of {last.quantity:+} by {last.performed_by}, {last.workflow_id}"
        ),
    )


async def _on_hand(shop: Shop) -> int:
    """Units on hand now."""
    found = shop.stock.levels(product=_SKU, warehouse="Hamburg")
    return (await anext(found)).quantity_on_hand


async def _on_hand_at(shop: Shop, instant: datetime) -> int:
    """Units on hand at an instant, by the ledger."""
    return (await anext(shop.stock.stock_at(instant, product=_SKU, warehouse="Hamburg"))).quantity_on_hand


async def _audited(shop: Shop) -> Sight:
    """An audit of everything that was done here."""
    # Everything is audited: items and documents against the ledger, holds and runs against each other.
    state = await shop.stock.run_audit()
    numbers = {
        "items": state.items_checked,
        "documents": state.documents_checked,
        "holds": state.holds_checked,
        "reservations": state.runs_checked,
    }
    looked_at = ", ".join(what for what, number in numbers.items() if number)
    yield (
        "items, documents, holds, reservations looked at: DONE, 0 findings",
        f"{looked_at} looked at: {state.status}, {state.findings_in_all} findings",
    )


SCENES: list[Play] = [_at_an_instant, _audited]
