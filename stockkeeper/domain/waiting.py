"""Orders that wait for stock: first in, first out on each item.

An order that is short, and may wait, gets a place in the queue behind all that wait already. As long as it waits, the
units that it needs are left for it: whoever comes later, to hold at once or to wait, may have only the rest. So a large
order isn't passed by small ones that need less, and whoever is first is served as soon as enough is there. An order is
served whole, like any hold.

A line may leave the warehouse open. Which one it will take its units from is decided when it is served; until then its
units are left for it in each of them.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from stockkeeper.domain.errors import Shortage
from stockkeeper.domain.stock import ItemKey, Level


class WaitStatus(StrEnum):
    """Status of an order's wait for stock: under way, or how it ended."""

    WAITING = "WAITING"
    HELD = "HELD"
    """Its lines were held."""
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    """Its time was over before enough stock was there."""
    ABANDONED = "ABANDONED"
    """Its run had ended, so nobody would have answered for the hold."""


@dataclass(frozen=True)
class WaitingLine:
    """One line of an order that waits; units of a product, in one warehouse or in any.

    Attributes:
        wait_id: The order's wait; a later one has a higher number.
        product_id: The product.
        warehouse_id: The warehouse; None: any.
        quantity: Units.
        waiting_until: The end of the wait. From then on it has no place any more, whether it was ended or not.
    """

    wait_id: int
    product_id: int
    warehouse_id: int | None
    quantity: int
    waiting_until: datetime


@dataclass(frozen=True)
class Place:
    """The place of an order in the queue for one product, in one warehouse or in any.

    Attributes:
        product_id: The product.
        warehouse_id: The warehouse; None: any.
        position: 1 is the first.
        missing: Units that have to come before the order can have its own, those of the orders before it included.
    """

    product_id: int
    warehouse_id: int | None
    position: int
    missing: int


class Queue:
    """The orders that wait at an instant, as far as they concern some products.

    Args:
        lines: Lines of waiting orders: all of those products.
        as_of: The instant: an order whose wait is over by then is left out.
    """

    def __init__(self, lines: Iterable[WaitingLine] = (), as_of: datetime | None = None) -> None:
        self._lines = sorted(
            (line for line in lines if as_of is None or line.waiting_until > as_of), key=lambda line: line.wait_id
        )

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._lines)

    def ahead(self, item: ItemKey, of: int | None = None) -> int:
        """Units of an item that are left for others.

        Args:
            item: The item.
            of: A wait: only the orders before it count; None: all count, as for whoever comes now.
        """
        lines = self._lines if of is None else [line for line in self._lines if line.wait_id < of]
        meant = (None, item.warehouse_id)
        return sum(
            [each.quantity for each in lines if each.product_id == item.product_id and each.warehouse_id in meant]
        )

    def seen(self, levels: Mapping[ItemKey, Level], of: int | None = None) -> dict[ItemKey, Level]:
        """The levels as an order sees them: units that are left for orders before it are kept, as a buffer is.

        Args:
            levels: The levels of the items.
            of: The order's wait; None: it doesn't wait yet.
        """
        return {
            item: replace(level, buffer=level.buffer + ahead) if (ahead := self.ahead(item, of)) else level
            for item, level in levels.items()
        }

    def explained(
        self, short: Iterable[Shortage], levels: Mapping[ItemKey, Level], of: int | None = None
    ) -> list[Shortage]:
        """Shortages with the units that are there and are left for orders before.

        Args:
            short: Shortages by what is left.
            levels: The levels of the items.
            of: The wait of the order that is short; None: it doesn't wait yet.
        """
        seen = self.seen(levels, of)
        others: Counter[_Key] = Counter()
        for item, level in levels.items():
            units = level.available - seen[item].available
            others += Counter({(item.product_id, item.warehouse_id): units, (item.product_id, None): units})
        return [replace(each, waited_for=others[each.product_id, each.warehouse_id]) for each in short]

    def places(self, wait_id: int, levels: Mapping[ItemKey, Level]) -> list[Place]:
        """The places of a waiting order, one for each product and warehouse of its lines, in their order.

        Args:
            wait_id: The wait.
            levels: The levels of its items; of a product that may come from any warehouse, the levels in all of them.
        """
        wanted = _units_of(line for line in self._lines if line.wait_id == wait_id)
        products = {product for product, _ in wanted}
        before = _Before(levels)
        before.add_all(line for line in self._lines if line.wait_id < wait_id and line.product_id in products)
        return before.places_of(wanted)

    def served(self, levels: Mapping[ItemKey, Level]) -> list[int]:
        """The waits that can be ended now because all units are there, the first first.

        It doesn't matter in which order they are: the units of all before an order are left aside, served or not.

        Args:
            levels: The levels of all items of their products.
        """
        return [wait_id for wait_id, places in self.walk(levels) if all(place.missing == 0 for place in places)]

    def walk(
        self, levels: Mapping[ItemKey, Level], *, passed: Container[int] = ()
    ) -> Iterator[tuple[int, list[Place]]]:
        """Each waiting order with its places, the first first.

        Args:
            levels: The levels of all items of their products; an item without a level has 0.
            passed: Waits that no other order stands behind, because they will have ended.
        """
        before = _Before(levels)
        for wait_id, lines in groupby(self._lines, key=lambda line: line.wait_id):
            wanted = _units_of(lines)
            yield wait_id, before.places_of(wanted)
            if wait_id not in passed:
                before.add(wanted)


_Key = tuple[int, int | None]
"""A product, and a warehouse or None for any."""


def _units_of(lines: Iterable[WaitingLine]) -> dict[_Key, int]:
    """The units of these lines, those of a product in the same warehouse together."""
    units: dict[_Key, int] = {}
    for line in lines:
        key = line.product_id, line.warehouse_id
        units[key] = units.get(key, 0) + line.quantity
    return units


class _Before:
    """The orders before the one that is looked at: their units and their number, by product and warehouse."""

    def __init__(self, levels: Mapping[ItemKey, Level]) -> None:
        self._available = {item: level.available for item, level in levels.items()}
        self._warehouses: dict[int, list[int]] = {}
        for item in levels:
            self._warehouses.setdefault(item.product_id, []).append(item.warehouse_id)
        self._units: dict[_Key, int] = {}
        self._orders: Counter[_Key] = Counter()
        self._orders_of_product: Counter[int] = Counter()

    def add(self, wanted: Mapping[_Key, int]) -> None:
        """Put an order behind the others."""
        for key, units in wanted.items():
            self._units[key] = self._units.get(key, 0) + units
            # One that waits for a product in any warehouse is in the queue of each.
            if key[1] is None or (key[0], None) not in wanted:
                self._orders[key] += 1
        for product in dict.fromkeys(product for product, _ in wanted):
            self._orders_of_product[product] += 1

    def add_all(self, lines: Iterable[WaitingLine]) -> None:
        """Put all orders of these lines behind the others; none of them is here yet."""
        listed = [(line.wait_id, line.product_id, line.warehouse_id, line.quantity) for line in lines]
        for _, product, warehouse, units in listed:
            self._units[product, warehouse] = self._units.get((product, warehouse), 0) + units
        in_any = {(wait_id, product) for wait_id, product, warehouse, _ in listed if warehouse is None}
        places = dict.fromkeys((wait_id, product, warehouse) for wait_id, product, warehouse, _ in listed)
        self._orders.update(
            (product, warehouse)
            for wait_id, product, warehouse in places
            if warehouse is None or (wait_id, product) not in in_any
        )
        self._orders_of_product.update(product for _, product in dict.fromkeys(place[:2] for place in places))

    def places_of(self, wanted: Mapping[_Key, int]) -> list[Place]:
        """The places of an order that comes behind them."""
        return [
            Place(product, warehouse, self._position(product, warehouse), self._missing(product, warehouse, wanted))
            for product, warehouse in wanted
        ]

    def _position(self, product: int, warehouse: int | None) -> int:
        if warehouse is None:
            return self._orders_of_product[product] + 1
        return self._orders[product, warehouse] + self._orders[product, None] + 1

    def _missing(self, product: int, warehouse: int | None, wanted: Mapping[_Key, int]) -> int:
        units = wanted[product, warehouse]
        if warehouse is not None:
            return max(units - self._available.get(ItemKey(warehouse, product), 0) + self._ahead(product, warehouse), 0)
        rest = (
            self._available[ItemKey(place, product)] - self._ahead(product, place) - wanted.get((product, place), 0)
            for place in self._warehouses.get(product, ())
        )
        return max(units - sum(max(each, 0) for each in rest), 0)

    def _ahead(self, product: int, warehouse: int) -> int:
        return self._units.get((product, warehouse), 0) + self._units.get((product, None), 0)
