"""An item as its pages show it: levels with what is on its way, and the product behind a path."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, tzinfo
from weakref import WeakKeyDictionary

from starter.cli.times import zone_called
from starter.console.paging import address
from starter.console.visit import Visit
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest, NotFound, StockkeeperError, UnknownProduct, UnknownWarehouse
from stockkeeper.contracts.homes import HomeShown
from stockkeeper.contracts.item_reasons import ItemArrival
from stockkeeper.contracts.order_promising import NotCounted
from stockkeeper.contracts.stock import StockLevel

MOST_FOLLOWED = 100
"""Products that one stream tells of."""
_EVENTS_WITHIN_SECONDS = 0.5
_WAREHOUSES_SECONDS, _EVENTS_SECONDS = 30.0, 5.0
_ONCE_MORE = 100
"""Events that are read again: they may have come after a page's numbers were read, and before this was."""


@dataclass(frozen=True)
class ItemRow:
    """An item in a table.

    Attributes:
        level: Its level; None: it never was there, and something is on its way to it.
        warehouse_id: Its warehouse.
        warehouse: The warehouse's name.
        incoming: Units on their way that are with the supplier or have left.
        drafted: Units on orders that wait for approval.
        next_on: The day on which the first of them are expected; None: there is none, or it isn't known.
    """

    level: StockLevel | None
    warehouse_id: int
    warehouse: str
    incoming: int
    drafted: int
    next_on: date | None

    @property
    def is_below(self) -> bool:
        """Whether less is available than the reorder point."""
        level = self.level
        return level is not None and level.reorder_point is not None and level.quantity_available < level.reorder_point


def rows_of(levels: Iterable[StockLevel], arrivals: Iterable[ItemArrival]) -> dict[int, list[ItemRow]]:
    """The items of each product, by the names of their warehouses."""
    coming: dict[tuple[int, int], list[ItemArrival]] = {}
    for each in arrivals:
        coming.setdefault((each.product_id, each.warehouse_id), []).append(each)
    found: dict[int, list[ItemRow]] = {}
    for level in levels:
        its = coming.pop((level.product_id, level.warehouse_id), [])
        found.setdefault(level.product_id, []).append(_row(level, level.warehouse_id, level.warehouse, its))
    for (product_id, warehouse_id), its in coming.items():
        found.setdefault(product_id, []).append(_row(None, warehouse_id, its[0].warehouse, its))
    return {key: sorted(rows, key=lambda row: row.warehouse.lower()) for key, rows in found.items()}


def _row(level: StockLevel | None, warehouse_id: int, warehouse: str, its: Sequence[ItemArrival]) -> ItemRow:
    sure = [each for each in its if each.not_counted is not NotCounted.DRAFT]
    return ItemRow(
        level,
        warehouse_id,
        warehouse,
        incoming=sum(each.quantity for each in sure),
        drafted=sum(each.quantity for each in its) - sum(each.quantity for each in sure),
        next_on=min((each.expected_on for each in sure if each.expected_on), default=None),
    )


async def product_named(visit: Visit) -> str:
    """The product in the path, as questions name it: a number alone is a SKU, and questions would take it for an id.

    Raises:
        UnknownProduct: Nothing has that number as its SKU.
    """
    sku = visit.path("sku")
    return named((await visit.stock.ids([sku])).products[sku]) if sku.isdecimal() else sku


@contextmanager
def there_is_none() -> Iterator[None]:
    """A page about a product or warehouse that doesn't exist isn't found, and says the nearest name."""
    try:
        yield
    except (UnknownProduct, UnknownWarehouse) as unknown:
        raise NotFound(unknown.message) from None


@dataclass(frozen=True)
class Places:
    """The warehouses, and the one that was chosen.

    Attributes:
        all: All of them, by name.
        chosen: The id of the one in the address; None: all.
    """

    all: Sequence[HomeShown]
    chosen: int | None

    @property
    def name(self) -> str | None:
        """The name of the chosen one."""
        return next((each.warehouse for each in self.all if each.warehouse_id == self.chosen), None)

    def zone(self, warehouse_id: int | None) -> tzinfo:
        """The timezone of a warehouse; UTC if it isn't known."""
        return zone_called(next((each.timezone for each in self.all if each.warehouse_id == warehouse_id), None))


async def places_of(visit: Visit) -> Places:
    """The warehouses to choose from, and the one in the address.

    Raises:
        NotFound: There is no such warehouse.
    """
    chosen = chosen_warehouse(visit)
    found = Places(await warehouses_of(visit.stock, [chosen]), chosen)
    if chosen is not None and found.name is None:
        raise NotFound(visit.texts.say("There is no warehouse {number}.", number=chosen))
    return found


def chosen_warehouse(visit: Visit) -> int | None:
    """The id of the warehouse in the address; None: it names none.

    Raises:
        InvalidRequest: It isn't an id.
    """
    typed = visit.query("warehouse")
    if typed is None:
        return None
    if not (typed.isascii() and typed.isdecimal() and len(typed) < 19):
        raise InvalidRequest(visit.texts.say("Choose a warehouse from the list."))
    return int(typed)


@dataclass
class _Lately:
    """What a client was told a moment ago, and would be told again: each question takes its time.

    Attributes:
        warehouses: All warehouses by name.
        warehouses_until: Until when that is good enough, by `time.monotonic`.
        events: An event of each database.
        events_until: The same of these.
    """

    warehouses: list[HomeShown] = field(default_factory=list)
    warehouses_until: float = 0.0
    events: Mapping[str, int] = field(default_factory=dict)
    events_until: float = 0.0


_LATELY: WeakKeyDictionary[Stockkeeper, _Lately] = WeakKeyDictionary()


async def warehouses_of(stock: Stockkeeper, having: Iterable[int | None] = ()) -> list[HomeShown]:
    """All warehouses by name, as they were within the last seconds; and with these, which may be new."""
    lately = _LATELY.setdefault(stock, _Lately())
    known = {each.warehouse_id for each in lately.warehouses}
    if time.monotonic() > lately.warehouses_until or not known.issuperset(each for each in having if each is not None):
        lately.warehouses = await stock.warehouses()
        lately.warehouses_until = time.monotonic() + _WAREHOUSES_SECONDS
    return lately.warehouses


async def levels_by_product(
    stock: Stockkeeper, products: Sequence[int], warehouse: int | None = None
) -> dict[int, list[ItemRow]]:
    """The items of products, each with what is on its way to it."""

    async def levels() -> list[StockLevel]:
        return [each async for each in stock.levels(list(products), warehouse)]

    found, coming = await asyncio.gather(levels(), arrivals_of(stock, products, warehouse))
    return rows_of(found, coming)


async def arrivals_of(stock: Stockkeeper, products: Iterable[int], warehouse: int | None = None) -> list[ItemArrival]:
    """What is on its way of products."""
    return [each async for each in stock.arrivals(products, () if warehouse is None else (warehouse,))]


@dataclass(frozen=True)
class Live:
    """Where a page hears of what changes after it was made.

    Attributes:
        address: The stream.
        after: The last event before the page was made, by database.
    """

    address: str
    after: Mapping[str, int]


def live(after: Mapping[str, int], products: Iterable[int] = (), *, of: str = "stock") -> Live:
    """The stream for a page.

    Args:
        after: The last event before its numbers were read: `last_events`.
        products: Only about these products; none: about any.
        of: What the page shows: a key of `starter.console.pages.live.SHOWN`.
    """
    wanted = ",".join(str(each) for each in list(products)[:MOST_FOLLOWED])
    return Live(address("/live", of=of, products=wanted), after)


async def last_events(visit: Visit) -> Mapping[str, int]:
    """An event of each database that is before all that the page reads from here on, or somewhat earlier.

    Nothing, where that isn't told at once: the page is there without it.
    """
    lately = _LATELY.setdefault(visit.stock, _Lately())
    if time.monotonic() > lately.events_until:
        asked_at = time.monotonic()
        with suppress(TimeoutError, StockkeeperError):
            found = await asyncio.wait_for(visit.stock.events_cursors(), _EVENTS_WITHIN_SECONDS)
            lately.events = {database: max(number - _ONCE_MORE, 0) for database, number in found.items()}
            lately.events_until = asked_at + _EVENTS_SECONDS
    return lately.events


def named(number: int) -> str:
    """A product or warehouse for a question, by its id."""
    return f"id:{number}"
