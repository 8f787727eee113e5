"""A product as a person types it: its SKU, or `id:7`. A number alone is a SKU, and never an id."""

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from stockkeeper.client.lines import Named
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest

R = TypeVar("R")


async def product_named(stock: Stockkeeper, sku: str) -> Named:
    """The product for a question: questions take a number for an id, where no product has that SKU.

    Raises:
        UnknownProduct: No product has that SKU.
        Unreachable: No worker answers.
    """
    if not sku.isdecimal():
        return sku
    return (await stock.ids([sku])).products[sku]


def product_asked(product: str | None, sku: str | None) -> str | None:
    """The product of a question: by its argument or by ``--sku``, which are the same.

    Raises:
        InvalidRequest: Both were given.
    """
    if product is not None and sku is not None:
        raise InvalidRequest("give the product once: as the argument, or with --sku")
    return sku if product is None else product


async def of_product(
    stock: Stockkeeper, sku: str | None, ask: Callable[[Named | None], AsyncIterator[R]]
) -> AsyncIterator[R]:
    """The rows of a question about one product, or about all; raises as `product_named`."""
    async for row in ask(None if sku is None else await product_named(stock, sku)):
        yield row
