"""Stock now: levels, suppliers' terms, and the ids behind names."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from decimal import Decimal

from stockkeeper.client.calls import checked
from stockkeeper.client.document import Part
from stockkeeper.client.lines import Named
from stockkeeper.client.names import change, with_ids
from stockkeeper.client.questions import ask, pages
from stockkeeper.contracts.messages import MAX_LINES
from stockkeeper.contracts.question import FIND_ITEMS, FIND_TERMS, SET_BUFFER, SHOW_LEVELS
from stockkeeper.contracts.stock import FindItems, FindTerms, FoundItems, ShowLevels, StockLevel

OneOrMore = Named | Sequence[Named]
"""One product or warehouse, or several."""


class StockNow(Part):
    """Stock at this moment."""

    async def levels(
        self,
        product: OneOrMore | None = None,
        warehouse: OneOrMore | None = None,
        *,
        below_reorder_point: bool = False,
    ) -> AsyncIterator[StockLevel]:
        """Units on hand, reserved and available, in the order of SKU and warehouse, read page by page.

        Up to a thousand products and warehouses are asked for in one question. A product that a warehouse never had
        has no level there.

        Args:
            product: Only this product or these.
            warehouse: Only this warehouse or these.
            below_reorder_point: Only items of which less is available than their reorder point.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        products, product_ids = names_and_ids(product)
        warehouses, warehouse_ids = names_and_ids(warehouse)
        asked = checked(
            ShowLevels,
            products=products,
            product_ids=product_ids,
            warehouses=warehouses,
            warehouse_ids=warehouse_ids,
            below_reorder_point=below_reorder_point,
        )
        if _none_of(product) or _none_of(warehouse):
            return
        async for level in pages(self.connection, SHOW_LEVELS, asked):
            yield level

    async def set_buffer(self, product: Named, warehouse: Named, quantity: int, *, performed_by: str) -> StockLevel:
        """Keep so many units of an item from sale: no hold of an order or a transfer may take them.

        Holds that are there already stay as they are. The units count neither as available nor as cover for the
        reorder point, so that what may be sold is ordered again in time.

        Args:
            product: The product.
            warehouse: The warehouse.
            quantity: Units; 0: none are kept.
            performed_by: The person or service that decides.

        Returns:
            The item's level.

        Raises:
            InvalidRequest: The number is wrong; nothing was sent.
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        return await change(
            self.connection,
            SET_BUFFER,
            "buffer",
            product=product,
            warehouse=warehouse,
            quantity=quantity,
            performed_by=performed_by,
        )

    async def terms(
        self, supplier_id: Named, product_ids: Sequence[Named], quantities: Mapping[int, int] | None = None
    ) -> dict[int, Decimal]:
        """The unit costs agreed with a supplier, by product id; products that it doesn't supply are left out.

        Args:
            supplier_id: The supplier.
            product_ids: The products.
            quantities: Units wanted, by product id, for the supplier's price breaks; else its first price counts.

        Raises:
            UnknownSupplier, UnknownProduct: Nothing has that name.
            Unreachable: No worker answers.
        """
        asked, _ = await with_ids(
            self.connection,
            FindTerms,
            supplier_id=supplier_id,
            product_ids=product_ids,
            quantities=dict(quantities or {}),
        )
        return (await ask(self.connection, FIND_TERMS, asked)).unit_costs

    async def ids(
        self,
        products: Iterable[str] = (),
        warehouses: Iterable[str] = (),
        suppliers: Iterable[str] = (),
        *,
        units: bool = False,
    ) -> FoundItems:
        """The ids behind SKUs and names, in any case where only one has that name.

        A product's id as text is written ``id:7``; a warehouse's or supplier's may be a number, unless that is a name.

        Args:
            products: SKUs.
            warehouses: Names of warehouses.
            suppliers: Names of suppliers.
            units: Whether the products' base units and packs are wanted as well (`FoundItems.units_of`).

        Raises:
            UnknownProduct, UnknownWarehouse, UnknownSupplier: Nothing has that name; the message has the nearest.
            Unreachable: No worker answers.
        """
        asked = checked(
            FindItems,
            products=sorted(set(products)),
            warehouses=sorted(set(warehouses)),
            suppliers=sorted(set(suppliers)),
            exact=True,
            units=units,
        )
        return await ask(self.connection, FIND_ITEMS, asked)

    async def names(
        self,
        product_ids: Iterable[int] = (),
        warehouse_ids: Iterable[int] = (),
        supplier_ids: Iterable[int] = (),
        *,
        units: bool = False,
    ) -> FoundItems:
        """The SKUs and names behind ids, and with ``units`` base units and packs; an unknown id is left out.

        Raises:
            Unreachable: No worker answers.
        """
        asked = checked(
            FindItems,
            product_ids=sorted(set(product_ids))[:MAX_LINES],
            warehouse_ids=sorted(set(warehouse_ids))[:MAX_LINES],
            supplier_ids=sorted(set(supplier_ids))[:MAX_LINES],
            units=units,
        )
        return await ask(self.connection, FIND_ITEMS, asked)


def _none_of(named: OneOrMore | None) -> bool:
    """Whether an empty list was given: of no product there are no levels."""
    return named is not None and not isinstance(named, int | str) and not named


def names_and_ids(named: OneOrMore | None) -> tuple[list[Named], list[Named]]:
    """Names and ids apart; values of another type stay with the names, whose check refuses them."""
    names: list[Named] = []
    ids: list[Named] = []
    for each in [] if named is None else [named] if isinstance(named, int | str) else named:
        (ids if type(each) is int else names).append(each)
    return names, ids
