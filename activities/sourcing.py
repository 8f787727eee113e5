"""Where the lines of an order come from that leave the warehouse open: decided on the stock under lock."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from activities.catalogue import require_catalogued
from database.locked_stock import LockedStock
from database.stock_reading import Wants
from stockkeeper.contracts.reservation import ReservationLine
from stockkeeper.domain.errors import InsufficientStock
from stockkeeper.domain.reservation import HeldLine
from stockkeeper.domain.sourcing import Part, RequestedLine, parts_of, request_of
from stockkeeper.domain.stock import ItemKey, wanted_by_item


def requested(lines: Iterable[ReservationLine]) -> list[RequestedLine]:
    """The lines of a step, as the domain has them."""
    return [RequestedLine(line.product_id, line.warehouse_id, line.quantity) for line in lines]


def asked_for(held: Iterable[HeldLine]) -> list[RequestedLine]:
    """The lines that an order was asked for with, by its lines as they are held."""
    return request_of(Part(line.item, line.quantity, line.sourced_line) for line in held)


def wants_of(lines: Sequence[ReservationLine], as_of: datetime) -> Wants:
    """What lines of an order need of the stock: their items, or all items of a product that may come from anywhere."""
    named, products = _named(requested(lines)), sorted({each.product_id for each in lines if each.warehouse_id is None})
    return Wants(
        items=[part.item for part in named],
        products=products,
        sourced=bool(products),
        new_lines=len(lines),
        units=wanted_by_item((part.item, part.quantity) for part in named),
        as_of=as_of,
    )


def source_lines(
    stock: LockedStock,
    lines: Sequence[RequestedLine],
    as_of: datetime,
    *,
    waits_as: int | None = None,
    minimum_days_left: int | None = None,
) -> list[Part]:
    """Decide where each line comes from. Units of overdue holds count as available, as for any hold.

    Args:
        stock: The stock, with what `wants_of` wants.
        lines: The lines.
        as_of: The workflow's time.
        waits_as: The order's own wait: only those who came before it come first. None: it doesn't wait.
        minimum_days_left: Days that each unit must have left; None: what its product asks for.

    Raises:
        UnknownProduct, UnknownWarehouse, InvalidRequest: The catalogue hasn't got one, or it isn't sold any more.
        InsufficientStock: All warehouses together have less of a product.
    """
    named = _named(lines)
    products = {line.product_id for line in lines if line.warehouse_id is None}
    require_catalogued([*(stock.items[part.item] for part in named), *(stock.products[each] for each in products)])
    if not products:
        return named
    items = {*(part.item for part in named), *(key for key in stock.items if key.product_id in products)}
    levels = stock.levels(items, minimum_days_left=minimum_days_left, without=stock.overdue(items, as_of))
    queue = stock.waiting.queue(as_of)
    priorities = {item.warehouse_id: stock.items[item].priority for item in items}
    try:
        left = {item: level.available for item, level in queue.seen(levels, waits_as).items()}
        return parts_of(lines, left, priorities)
    except InsufficientStock as short:
        raise InsufficientStock.of(queue.explained(short.shortages, levels, waits_as)) from None


def _named(lines: Iterable[RequestedLine]) -> list[Part]:
    return [
        Part(ItemKey(line.warehouse_id, line.product_id), line.quantity)
        for line in lines
        if line.warehouse_id is not None
    ]
