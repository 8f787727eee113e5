"""Questions about stock, for programs and the command line."""

from collections.abc import AsyncIterator, Iterable
from decimal import Decimal

from temporalio.client import Client

from stockkeeper.client.calls import checked
from stockkeeper.client.questions import ask, page_by_page
from stockkeeper.contracts.stock import (
    FindItems,
    FindTerms,
    FoundItems,
    InTransit,
    ShowInTransit,
    ShowLevels,
    StockActivities,
    StockLevel,
)


async def find_items(
    client: Client,
    products: Iterable[str],
    warehouses: Iterable[str],
    suppliers: Iterable[str] = (),
    *,
    task_queue: str,
) -> FoundItems:
    """The ids behind SKUs and names; ids are taken as well.

    Raises:
        UnknownProduct, UnknownWarehouse, UnknownSupplier: Nothing is called that.
        Unreachable: No worker answers.
    """
    question = checked(
        FindItems,
        products=sorted(set(products)),
        warehouses=sorted(set(warehouses)),
        suppliers=sorted(set(suppliers)),
    )
    return await ask(client, StockActivities.find_items, question, task_queue)


async def names(
    client: Client,
    product_ids: Iterable[int],
    warehouse_ids: Iterable[int],
    supplier_ids: Iterable[int] = (),
    *,
    task_queue: str,
) -> FoundItems:
    """The SKUs and names behind ids; an id that nothing has is left out.

    Raises:
        Unreachable: No worker answers.
    """
    question = checked(
        FindItems,
        product_ids=sorted(set(product_ids)),
        warehouse_ids=sorted(set(warehouse_ids)),
        supplier_ids=sorted(set(supplier_ids)),
    )
    return await ask(client, StockActivities.find_items, question, task_queue)


async def unit_costs(
    client: Client, supplier_id: int, product_ids: Iterable[int], *, task_queue: str
) -> dict[int, Decimal]:
    """What a supplier has agreed to ask for one of each product; a product it isn't known for is left out.

    Raises:
        Unreachable: No worker answers.
    """
    question = checked(FindTerms, supplier_id=supplier_id, product_ids=sorted(set(product_ids)))
    return (await ask(client, StockActivities.find_terms, question, task_queue)).unit_costs


def levels(
    client: Client,
    *,
    product: str | None = None,
    warehouse: str | None = None,
    below_reorder_point: bool = False,
    task_queue: str,
) -> AsyncIterator[StockLevel]:
    """What items have, in the order of SKU and warehouse, read page by page.

    Raises:
        UnknownProduct, UnknownWarehouse: Nothing is called that.
        Unreachable: No worker answers.
    """
    return page_by_page(
        client,
        StockActivities.show_levels,
        checked(ShowLevels, product=product, warehouse=warehouse, below_reorder_point=below_reorder_point),
        task_queue,
        rows=lambda page: page.levels,
        place=lambda level: (level.sku, level.warehouse),
    )


def in_transit(
    client: Client,
    *,
    product: str | None = None,
    from_warehouse: str | None = None,
    to_warehouse: str | None = None,
    task_queue: str,
) -> AsyncIterator[InTransit]:
    """What is between warehouses, in the order of SKU, source and destination, read page by page.

    Raises:
        UnknownProduct, UnknownWarehouse: Nothing is called that.
        Unreachable: No worker answers.
    """
    return page_by_page(
        client,
        StockActivities.show_in_transit,
        checked(ShowInTransit, product=product, from_warehouse=from_warehouse, to_warehouse=to_warehouse),
        task_queue,
        rows=lambda page: page.lines,
        place=lambda line: (line.sku, line.from_warehouse, line.to_warehouse),
    )
