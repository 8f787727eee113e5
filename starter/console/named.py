"""Names behind the ids of a document, and the timezone of its warehouse."""

from collections.abc import Iterable
from datetime import tzinfo

from starter.cli.times import zone_called
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.stock import FoundItems


async def names_of(
    stock: Stockkeeper,
    *,
    products: Iterable[int] = (),
    warehouses: Iterable[int | None] = (),
    suppliers: Iterable[int | None] = (),
) -> FoundItems:
    """The names of products, warehouses and suppliers, with base units and packs.

    Raises:
        Unreachable: No worker answers.
    """
    return await stock.names(
        products,
        [each for each in warehouses if each is not None],
        [each for each in suppliers if each is not None],
        units=True,
    )


def zone_at(found: FoundItems, warehouse_id: int | None) -> tzinfo:
    """The timezone of a warehouse; UTC if it isn't known."""
    return zone_called(found.timezones.get(warehouse_id or 0))
