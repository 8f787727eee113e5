"""Sourcing: the warehouses for lines of an order that leave the choice open.

In this order: the fewest warehouses, where those named on other lines of the order count as used already (so one that
has everything comes before any split); then the fewest parts, a part being the units of one product from one warehouse;
then the warehouses of the lowest priority number, and of the lowest id. The same product on several lines counts
together, and never more than is available is taken.

The fewest warehouses are a minimum multiset cover, which is NP-hard. Sets of warehouses are looked at by their size,
and a set is left out as soon as the rest of it can't bring what is missing. `SEARCH` limits the comparisons; an order
that needs more of them (many warehouses that have a little each) gets the greedy cover: at every step the warehouse
that brings the most of the missing units, and at the end without those that turned out needless. It has at most
1 + ln(n) times the fewest warehouses, n being the most units of the order that one warehouse has (L. A. Wolsey, "An
analysis of the greedy algorithm for the submodular set covering problem", Combinatorica 2, 1982).
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stockkeeper.domain.errors import InsufficientStock, Shortage
from stockkeeper.domain.stock import ItemKey

SEARCH = 250_000
"""The most comparisons of a product's units that a decision takes, under the items' locks: some 100 milliseconds.

Enough for ten warehouses and twenty products whatever the numbers are, for three of thirty with ten products, or for
two of two hundred with five.
"""

DEFAULT_PRIORITY = 100
"""Priority of a warehouse that was given none; lower comes first."""


class RequestedLine(NamedTuple):
    """A line of a request: units of a product, from a warehouse or, with None, from any."""

    product_id: int
    warehouse_id: int | None
    quantity: int


class Part(NamedTuple):
    """Units of a line from one warehouse.

    Attributes:
        item: Product and warehouse.
        quantity: The units.
        sourced_line: Number of the line, counted from 1, if it left the warehouse open; None: it named one.
    """

    item: ItemKey
    quantity: int
    sourced_line: int | None = None


@dataclass(frozen=True)
class Sourcing:
    """The units to take of each item; ``is_exact``: there is no better choice by the rules above."""

    units: Mapping[ItemKey, int]
    is_exact: bool = True


def parts_of(
    lines: Sequence[RequestedLine], available: Mapping[ItemKey, int], priorities: Mapping[int, int]
) -> list[Part]:
    """Decide where each line of an order comes from, in the order of the lines.

    Args:
        lines: The lines of the order.
        available: Units that the order may have of each item; an item that isn't there has none.
        priorities: Priority by warehouse_id; one that isn't there has `DEFAULT_PRIORITY`.

    Raises:
        InsufficientStock: Of a named item, or of a product in all warehouses together, there is less. The shortage of
            an open line has no warehouse, and the units of all of them after the order's named lines.
    """
    named: Counter[ItemKey] = Counter()
    wanted: Counter[int] = Counter()
    for line in lines:
        if line.warehouse_id is None:
            wanted[line.product_id] += line.quantity
        else:
            named[ItemKey(line.warehouse_id, line.product_id)] += line.quantity
    left = {item: max(units - named[item], 0) for item, units in available.items() if item.product_id in wanted}
    short = [
        Shortage(item.product_id, item.warehouse_id, units, available.get(item, 0))
        for item, units in sorted(named.items())
        if available.get(item, 0) < units
    ]
    short += _short_anywhere(wanted, left)
    if short:
        raise InsufficientStock.of(short)
    chosen = source(wanted, left, priorities, {item.warehouse_id for item in named}).units
    return _cut(lines, chosen, priorities)


def _short_anywhere(wanted: Mapping[int, int], available: Mapping[ItemKey, int]) -> list[Shortage]:
    """The products of which all warehouses together have less than is wanted."""
    total: Counter[int] = Counter()
    for item, units in available.items():
        total[item.product_id] += units
    return [
        Shortage(product_id, None, units, total[product_id])
        for product_id, units in sorted(wanted.items())
        if total[product_id] < units
    ]


def source(
    wanted: Mapping[int, int],
    available: Mapping[ItemKey, int],
    priorities: Mapping[int, int],
    used: Collection[int] = (),
    *,
    search: int = SEARCH,
) -> Sourcing:
    """Choose the warehouses for units of products, by the rules of this module.

    Args:
        wanted: Units by product_id. All warehouses together have them.
        available: Units that may be taken of each item.
        priorities: Priority by warehouse_id.
        used: Warehouses that the order uses in any case.
        search: The most comparisons.
    """
    stock: dict[int, dict[int, int]] = defaultdict(dict)
    for item, units in available.items():
        if units > 0 and item.product_id in wanted:
            stock[item.warehouse_id][item.product_id] = units
    ranked = sorted(stock, key=lambda warehouse: (priorities.get(warehouse, DEFAULT_PRIORITY), warehouse))
    cover = _Cover(wanted, stock, ranked, used, search)
    chosen = cover.best()
    taken = {
        ItemKey(warehouse, product_id): units
        for product_id, quantity in wanted.items()
        for warehouse, units in _allot(quantity, [(each, stock[each].get(product_id, 0)) for each in chosen])
    }
    return Sourcing(taken, cover.is_exact)


def _allot(quantity: int, offered: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Take units of a product from the fewest of these warehouses; of as many, from those that come first."""
    missing, left_over = quantity, _fewest(quantity, [units for _, units in offered])
    taken: list[tuple[int, int]] = []
    for place, (warehouse, units) in enumerate(offered):
        if not left_over:
            break
        largest = sorted((each for _, each in offered[place + 1 :]), reverse=True)[: left_over - 1]
        if units and missing - units <= sum(largest):
            taken.append((warehouse, min(units, missing)))
            missing -= units
            left_over -= 1
    return taken


def _fewest(quantity: int, units: Iterable[int]) -> int:
    """The number of warehouses of which these units are, if as few as possible give the quantity."""
    count = 0
    for most in sorted(units, reverse=True):
        if quantity <= 0:
            break
        quantity -= most
        count += 1
    return count


class _TakesTooLong(Exception):
    """The search has used up its comparisons."""


class _Cover:
    """The search for the fewest warehouses that, with those in use, have all units."""

    def __init__(
        self,
        wanted: Mapping[int, int],
        stock: Mapping[int, Mapping[int, int]],
        ranked: Sequence[int],
        used: Collection[int],
        search: int,
    ) -> None:
        self.is_exact = True
        self._wanted = wanted
        self._stock = stock
        self._ranked = ranked
        self._used = [warehouse for warehouse in ranked if warehouse in used]
        self._left = search
        missing = {
            product_id: units - sum(stock[each].get(product_id, 0) for each in self._used)
            for product_id, units in wanted.items()
        }
        open_products = [product_id for product_id, units in missing.items() if units > 0]
        self._candidates = [
            warehouse
            for warehouse in ranked
            if warehouse not in used and any(product_id in stock[warehouse] for product_id in open_products)
        ]
        # A product that few warehouses have excludes most sets, so it is compared first.
        open_products.sort(key=lambda product_id: sum(product_id in stock[each] for each in self._candidates))
        # Products with the same numbers everywhere are one.
        columns = dict.fromkeys(
            (missing[product_id], *(stock[each].get(product_id, 0) for each in self._candidates))
            for product_id in open_products
        )
        self._missing = [column[0] for column in columns]
        self._rows = [[column[place] for column in columns] for place in range(1, len(self._candidates) + 1)]
        self._best: tuple[int, list[int]] | None = None
        self._largest: list[list[list[int]]] = [[[0] * len(columns) for _ in range(len(self._rows) + 1)]]

    def best(self) -> list[int]:
        """The warehouses to take units from, those in use among them, in the order of preference."""
        try:
            for size in range(len(self._candidates) + 1):
                self._look(size, 0, self._missing, [])
                if self._best is not None:
                    break
                self._sum_largest(size + 1)
        except _TakesTooLong:
            self.is_exact = False
        chosen = self._best[1] if self._best is not None else self._greedy()
        places = {self._candidates[place] for place in chosen}
        return [warehouse for warehouse in self._ranked if warehouse in places or warehouse in self._used]

    def _look(self, size: int, start: int, missing: Sequence[int], chosen: list[int]) -> bool:
        """Look at all sets with ``size`` more warehouses, the preferred ones first; True: the best one is found."""
        if not size:
            if all(units <= 0 for units in missing):
                parts = self._parts(chosen)
                if self._best is None or parts < self._best[0]:
                    self._best = parts, list(chosen)
            return self._best is not None and self._best[0] == len(self._wanted)
        for place in range(start, len(self._rows) - size + 1):
            if self._can_do(missing, self._rows[place], self._largest[size - 1][place + 1]):
                rest = [units - more for units, more in zip(missing, self._rows[place], strict=True)]
                if self._look(size - 1, place + 1, rest, [*chosen, place]):
                    return True
        return False

    def _can_do(self, missing: Sequence[int], row: Sequence[int], largest: Sequence[int]) -> bool:
        """Whether a warehouse and the best of those after it could bring what is missing."""
        for units, more, most in zip(missing, row, largest, strict=True):
            self._left -= 1
            if units - more > most:
                self._look_no_longer()
                return False
        self._look_no_longer()
        return True

    def _look_no_longer(self) -> None:
        if self._left < 0:
            raise _TakesTooLong

    def _sum_largest(self, size: int) -> None:
        """For each place the units, by product, that the ``size`` best warehouses from there on have together."""
        self._left -= len(self._rows) * len(self._missing)
        self._look_no_longer()
        sums = [[0] * len(self._missing) for _ in range(len(self._rows) + 1)]
        for product in range(len(self._missing)):
            best: list[int] = []
            for place in range(len(self._rows) - 1, -1, -1):
                best = sorted((*best, self._rows[place][product]), reverse=True)[:size]
                sums[place][product] = sum(best)
        self._largest.append(sums)

    def _parts(self, chosen: Sequence[int]) -> int:
        """The number of parts in which these warehouses and those in use give the order."""
        self._left -= len(self._wanted)
        self._look_no_longer()
        warehouses = [*self._used, *(self._candidates[place] for place in chosen)]
        return sum(
            _fewest(units, [self._stock[each].get(product_id, 0) for each in warehouses])
            for product_id, units in self._wanted.items()
        )

    def _greedy(self) -> list[int]:
        missing = list(self._missing)
        chosen: list[int] = []
        while any(units > 0 for units in missing):
            chosen.append(
                max(
                    (place for place in range(len(self._rows)) if place not in chosen),
                    key=lambda place: (sum(min(*pair) for pair in _open(missing, self._rows[place])), -place),
                )
            )
            missing = [units - more for units, more in zip(missing, self._rows[chosen[-1]], strict=True)]
        for place in sorted(chosen, reverse=True):
            without = [units + more for units, more in zip(missing, self._rows[place], strict=True)]
            if all(units <= 0 for units in without):
                chosen.remove(place)
                missing = without
        return chosen


def _open(missing: Sequence[int], row: Sequence[int]) -> list[tuple[int, int]]:
    return [(units, more) for units, more in zip(missing, row, strict=True) if units > 0]


def _cut(lines: Sequence[RequestedLine], chosen: Mapping[ItemKey, int], priorities: Mapping[int, int]) -> list[Part]:
    """The parts of each line: the units of a product, warehouse by warehouse, cut where its lines end."""
    stock: dict[int, list[list[int]]] = defaultdict(list)
    ranked = sorted(chosen, key=lambda item: (priorities.get(item.warehouse_id, DEFAULT_PRIORITY), item.warehouse_id))
    for item in ranked:
        stock[item.product_id].append([item.warehouse_id, chosen[item]])
    parts: list[Part] = []
    for number, line in enumerate(lines, start=1):
        if line.warehouse_id is not None:
            parts.append(Part(ItemKey(line.warehouse_id, line.product_id), line.quantity))
            continue
        missing = line.quantity
        # A line that one of the warehouses can give whole isn't cut.
        offers = stock[line.product_id]
        offers.sort(key=lambda offer: offer[1] < missing)
        for offer in offers:
            if units := min(offer[1], missing):
                parts.append(Part(ItemKey(offer[0], line.product_id), units, number))
                offer[1] -= units
                missing -= units
    return parts


def request_of(parts: Iterable[Part]) -> list[RequestedLine]:
    """The lines that were asked for, from the parts in which they are held: a repeat is compared with them."""
    lines: list[RequestedLine] = []
    place: dict[int, int] = {}
    for item, quantity, number in parts:
        if number is None:
            lines.append(RequestedLine(item.product_id, item.warehouse_id, quantity))
        elif number in place:
            before = lines[place[number]]
            lines[place[number]] = before._replace(quantity=before.quantity + quantity)
        else:
            place[number] = len(lines)
            lines.append(RequestedLine(item.product_id, None, quantity))
    return lines
