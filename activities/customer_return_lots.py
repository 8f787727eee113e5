"""The lots of a customer's return: what the lines of an inspection say of them, and what its order knows."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection

from database.arriving_lots import Arriving, require_named
from database.goods import Lots
from database.locked_stock import LockedStock
from database.stock_rows import Moving
from stockkeeper.contracts.customer_return import InspectedLine
from stockkeeper.domain.customer_return import CustomerReturn, ReturnedUnits
from stockkeeper.domain.difference import Balance, made_by_returns
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.lot import LotFacts, Tracking
from stockkeeper.domain.receipt import Taken
from stockkeeper.domain.stock import ItemKey


def found_of(lines: Sequence[InspectedLine]) -> dict[ReturnedUnits, Taken]:
    """Inspected units by product and lot: the same ones on two lines count together."""
    found: dict[ReturnedUnits, Taken] = {}
    for line in lines:
        what = ReturnedUnits(line.product_id, line.lot_number)
        accepted, unfit = found.get(what, Taken(0, 0))
        found[what] = Taken(accepted + line.restock_quantity, unfit + line.scrap_quantity)
    return found


def require_lots_named(
    connection: Connection, warehouse_id: int, lines: Sequence[InspectedLine]
) -> Mapping[ItemKey, Tracking]:
    """Restocked units of a tracked product name their lot, and units of other products name none.

    What is scrapped may have a number that can't be read any more. Nothing is looked up where no line names a lot:
    restocked units without one are refused under the lock.

    Returns:
        How the units of each item are told apart of which a lot is named.

    Raises:
        InvalidRequest: A lot isn't wanted, or a serial number is named for several units.
    """
    named = [
        (ItemKey(warehouse_id, line.product_id), line.lot, line.restock_quantity + line.scrap_quantity)
        for line in lines
        if line.lot is not None
    ]
    return require_named(connection, named, what="inspected") if named else {}


def restocked_lots(lines: Sequence[InspectedLine]) -> Lots:
    """The lots of the units that enter stock, by product."""
    lots: dict[int, list[tuple[LotFacts, int]]] = {}
    for line in lines:
        if line.lot is not None and line.restock_quantity:
            lots.setdefault(line.product_id, []).append((line.lot, line.restock_quantity))
    return lots


def scrapped_lots(warehouse_id: int, lines: Sequence[InspectedLine]) -> list[Arriving]:
    """The lots of the units that don't."""
    return [
        Arriving(ItemKey(warehouse_id, line.product_id), line.lot, line.scrap_quantity)
        for line in lines
        if line.lot is not None and line.scrap_quantity
    ]


def named_lots(warehouse_id: int, lines: Sequence[InspectedLine]) -> list[Arriving]:
    """The lots of all units that name one, whatever becomes of them."""
    return [
        Arriving(ItemKey(warehouse_id, line.product_id), line.lot, line.restock_quantity + line.scrap_quantity)
        for line in lines
        if line.lot is not None
    ]


def moving_of(warehouse_id: int, found: Mapping[ReturnedUnits, Taken]) -> tuple[list[Moving], list[Moving]]:
    """Units found fit, and units found unfit, as units of the warehouse's items."""

    def units(part: Callable[[Taken], int]) -> list[Moving]:
        return [
            Moving(ItemKey(warehouse_id, what.product_id), part(taken), what.lot_number)
            for what, taken in found.items()
            if part(taken)
        ]

    return units(lambda taken: taken.accepted), units(lambda taken: taken.unfit)


def has_expired(stock: LockedStock, units: Moving) -> bool:
    """Whether the lot of units that have just come has expired."""
    if units.lot_number is None:
        return False
    item = stock.items[units.item]
    expires_on = item.lots[units.lot_number].facts.expires_on
    return expires_on is not None and expires_on < item.today


def made_of(balances: Mapping[ReturnedUnits, Balance], product_id: int) -> int:
    """Units of a product that the returns of an order have put into stock and the order never took out."""
    lots = [units for what, units in balances.items() if what.product_id == product_id and what.lot_number is not None]
    return made_by_returns(balances.get(ReturnedUnits(product_id), Balance()), lots)


def require_plausible(
    stock: LockedStock,
    returned: CustomerReturn,
    found: Mapping[ReturnedUnits, Taken],
    balances: Mapping[ReturnedUnits, Balance],
) -> None:
    """Refuse a lot that has never been in the books, if the order has shipped lots of the product: it was misread.

    Raises:
        InvalidRequest: With the lots that the order has got.
    """
    for product_id, lot_number in found:
        if lot_number is None or stock.knows_lot(product_id, lot_number):
            continue
        shipped = [what.lot_number or "" for what, units in balances.items() if what[0] == product_id and units.shipped]
        if shipped:
            sku = stock.items[ItemKey(returned.warehouse_id, product_id)].sku
            text = f"{sku} has never had a lot {lot_number}: order {returned.reference_id} has got {', '.join(shipped)}"
            raise InvalidRequest(f"{text}; look at the package", {"product_id": product_id, "lot_number": lot_number})
