"""Questions about stock, for programs and the command line."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import BaseModel
from temporalio.client import ActivityFailureError, Client

from contracts.converter import as_domain_error
from contracts.policies import READ
from contracts.stock import (
    FindItems,
    FindTerms,
    FoundItems,
    InTransit,
    InTransitPage,
    ShowInTransit,
    ShowLevels,
    StockActivities,
    StockLevel,
    StockLevels,
)
from starter.calls import answer, checked

Q = TypeVar("Q", bound=BaseModel)
A = TypeVar("A")


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


async def levels(
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
    question = checked(ShowLevels, product=product, warehouse=warehouse, below_reorder_point=below_reorder_point)
    while True:
        page: StockLevels = await ask(client, StockActivities.show_levels, question, task_queue)
        for level in page.levels:
            yield level
        if not page.more:
            return
        last = page.levels[-1]
        question = question.model_copy(update={"after": (last.sku, last.warehouse)})


async def in_transit(
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
    question = checked(ShowInTransit, product=product, from_warehouse=from_warehouse, to_warehouse=to_warehouse)
    while True:
        page: InTransitPage = await ask(client, StockActivities.show_in_transit, question, task_queue)
        for line in page.lines:
            yield line
        if not page.more:
            return
        last = page.lines[-1]
        question = question.model_copy(update={"after": (last.sku, last.from_warehouse, last.to_warehouse)})


async def ask(
    client: Client, activity: Callable[[Any, Q], A], question: Q, task_queue: str, *, prefix: str = "question"
) -> A:
    """One activity without a workflow around it: a question, or a small change that has an operation id of its own.

    Raises:
        DomainError: The answer is no.
        Unreachable: No worker answers.
    """
    async with answer("stock"):
        try:
            return await client.execute_activity_method(  # its typing knows only asynchronous methods
                activity,  # type: ignore[arg-type]
                question,
                id=f"{prefix}-{uuid.uuid4()}",
                task_queue=task_queue,
                **READ,
            )
        except ActivityFailureError as error:
            raise as_domain_error(error) or error from None
