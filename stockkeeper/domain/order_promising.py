"""Order promising: when can units of these items be there, and on which documents does that count?

From what is available now, goods come in day by day (`stockkeeper.domain.supply`, `stockkeeper.domain.arrival`). On the
way to the first day on which an order could be held whole, everything counts that counts when it is held: what is
reserved stays reserved, the buffer is filled first, and who waits already comes first (`stockkeeper.domain.waiting`).
An order that waits has its units left for it until its wait ends; if its turn has come by then, they are its own.

Nothing is held by a promise. Whoever comes between may have the units.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo

from stockkeeper.domain.sourcing import DEFAULT_PRIORITY, RequestedLine
from stockkeeper.domain.stock import ItemKey, Level
from stockkeeper.domain.supply import Counted, ScheduledReceipt, Supply
from stockkeeper.domain.waiting import Queue, WaitingLine


@dataclass(frozen=True)
class LinePromise:
    """A line, and the day by which all of its units are there.

    Attributes:
        product_id: The product.
        warehouse_id: The warehouse; None: it was left open, and none has, had or expects the product.
        quantity: Units.
        day: The day; None: it can't be foreseen.
        missing: Units of it that are not available now.
        counted: What it counts on, by day; empty without a day.
    """

    product_id: int
    warehouse_id: int | None
    quantity: int
    day: date | None
    missing: int
    counted: Sequence[Counted] = ()


@dataclass(frozen=True)
class ForeseenWait:
    """The day by which an order that waits has its turn, and what it counts on, by day."""

    day: date
    counted: Sequence[Counted]


@dataclass(frozen=True)
class _Moment:
    """Who waits from an instant on, until the next one at which something comes or a wait has ended.

    Attributes:
        at: The instant.
        waiting: Lines of orders whose units are left for them.
        ahead: The units of these lines, by product and warehouse or None for any.
    """

    at: datetime
    waiting: Sequence[WaitingLine]
    ahead: Counter[tuple[int, int | None]]

    def ahead_of(self, item: ItemKey) -> int:
        """Units of an item that are left for orders that wait."""
        return self.ahead[item.product_id, item.warehouse_id] + self.ahead[item.product_id, None]


class Course:
    """The course of the stock from an instant on, as far as it can be foreseen.

    Args:
        levels: The levels of all items of the products, without the holds that are overdue.
        receipts: What is on its way of these products.
        waiting: Lines of the orders that wait for one of these products.
        as_of: The instant.
        zones: The timezone of each warehouse.
    """

    def __init__(
        self,
        levels: Mapping[ItemKey, Level],
        receipts: Iterable[ScheduledReceipt],
        waiting: Iterable[WaitingLine],
        as_of: datetime,
        zones: Mapping[int, tzinfo],
    ) -> None:
        self._levels, self._as_of, self._zones = levels, as_of, zones
        self._waiting = list(waiting)
        self._receipts: dict[ItemKey, list[ScheduledReceipt]] = {}
        for receipt in sorted(receipts, key=lambda each: (each.begins, each.source, each.number)):
            self._receipts.setdefault(receipt.item, []).append(receipt)
        self._items: dict[int, list[ItemKey]] = {}
        for item in sorted({*levels, *self._receipts}):
            self._items.setdefault(item.product_id, []).append(item)
        self._supplies = {item: self._supply(item) for items in self._items.values() for item in items}
        self._moments = self._foresee()

    def _supply(self, item: ItemKey) -> Supply:
        level, coming = self._levels.get(item, Level()), self._receipts.get(item, ())
        return Supply(level, coming, self._as_of, self._day(self._as_of, item.warehouse_id))

    def _foresee(self) -> list[_Moment]:
        """The moments at which something comes, the present first.

        And the next midnight, of UTC, after waits have ended: who gives up leaves units to others.
        """
        ends = {_midnight_after(each.waiting_until) for each in self._waiting if each.waiting_until > self._as_of}
        comes = {at for supply in self._supplies.values() for at in supply.instants}
        moments: list[_Moment] = []
        served: set[int] = set()
        instants = sorted({self._as_of, *comes, *ends})
        for at in instants:
            waiting = [each for each in self._waiting if each.waiting_until > at or each.wait_id in served]
            moments.append(_Moment(at, waiting, _units_of(waiting)))
            if waiting and at < instants[-1]:
                served.update(Queue(waiting).served(self._levels_at(at, waiting)))
        return moments

    def _levels_at(self, at: datetime, waiting: Iterable[WaitingLine]) -> dict[ItemKey, Level]:
        """The levels at an instant of all items of the products for which these orders wait."""
        products = sorted({line.product_id for line in waiting})
        items = [item for product in products for item in self._items.get(product, ())]
        return {item: self._supplies[item].level_at(at) for item in items}

    def promise(self, lines: Sequence[RequestedLine], priorities: Mapping[int, int] | None = None) -> list[LinePromise]:
        """The days by which these lines are there, all of one order, in their order.

        The same product on two lines of a warehouse counts together. Lines that leave the warehouse open are promised
        from one warehouse that has the units of all of them: the one that has them first, then by priority. If none is
        foreseen to have all of them, it is the one that has most lines, then the one that lacks the fewest units.

        Args:
            lines: The lines.
            priorities: Priority by warehouse_id; the lower one is preferred.
        """
        ranks = priorities or {}
        open_products = {line.product_id for line in lines if line.warehouse_id is None}
        candidates = {item.warehouse_id for product in open_products for item in self._items.get(product, ())}

        def preference(warehouse_id: int) -> tuple[int, datetime, int, int, int]:
            needs = [
                (ItemKey(warehouse_id, line.product_id), need)
                for _, line, need in _in_turn(lines, warehouse_id)
                if line.warehouse_id is None
            ]
            moments = [self._first(*each) for each in needs]
            latest = max((moment.at for moment in moments if moment is not None), default=self._as_of)
            lacking = [
                max(need - self._free_now(item), 0)
                for (item, need), moment in zip(needs, moments, strict=True)
                if moment is None
            ]
            return len(lacking), latest, sum(lacking), ranks.get(warehouse_id, DEFAULT_PRIORITY), warehouse_id

        best = min((preference(each) for each in sorted(candidates)), default=None)
        return self._promised(lines, None if best is None else best[-1])

    def _promised(self, lines: Sequence[RequestedLine], chosen: int | None) -> list[LinePromise]:
        """The lines in their order; those without a warehouse in the chosen one, if there is one."""
        found: dict[int, LinePromise] = {}
        supplies: dict[ItemKey, Supply] = {}
        for number, line, need in _in_turn(lines, chosen):
            place = chosen if line.warehouse_id is None else line.warehouse_id
            if place is None:
                found[number] = LinePromise(line.product_id, None, line.quantity, None, line.quantity)
                continue
            item = ItemKey(place, line.product_id)
            supply = supplies.setdefault(item, self._supply(item))
            missing = min(max(need - self._free_now(item), 0), line.quantity)
            found[number] = LinePromise(line.product_id, place, line.quantity, None, missing)
            if (moment := self._first(item, need)) is not None:
                counted = supply.take(line.quantity, moment.at, after=moment.ahead_of(item))
                found[number] = replace(found[number], day=self._day(moment.at, place), counted=counted)
        return [found[number] for number in sorted(found)]

    def _free_now(self, item: ItemKey) -> int:
        """Units that a new order may have now; negative: units that have to come before."""
        supply = self._supplies.get(item)
        return (0 if supply is None else supply.in_stock) - self._moments[0].ahead_of(item)

    def _first(self, item: ItemKey, units: int) -> _Moment | None:
        """The first moment at which so many units are free. There are never fewer later on."""
        if (supply := self._supplies.get(item)) is None:
            return None
        place = bisect_left(self._moments, units, key=lambda each: supply.by(each.at) - each.ahead_of(item))
        return self._moments[place] if place < len(self._moments) else None

    def foreseen(self, wait_id: int) -> ForeseenWait | None:
        """The day by which an order that waits has its turn, if it waits that long; None: it can't be foreseen.

        Args:
            wait_id: Its wait, which is among those that this was made of.
        """
        own = [line for line in self._waiting if line.wait_id == wait_id]
        for moment in self._moments:
            before = [line for line in moment.waiting if line.wait_id < wait_id]
            levels = self._levels_at(moment.at, own)
            if all(not place.missing for place in Queue([*before, *own]).places(wait_id, levels)):
                return self._counted_of(own, _Moment(moment.at, before, _units_of(before)))
        return None

    def turns(self) -> dict[int, ForeseenWait]:
        """What `foreseen` answers for each order that waits, in one pass over the moments; without those it can't."""
        lines: dict[int, list[WaitingLine]] = {}
        for line in self._waiting:
            lines.setdefault(line.wait_id, []).append(line)
        queue, found = Queue(self._waiting), dict[int, ForeseenWait]()
        for moment in self._moments:
            if len(found) == len(lines):
                break
            passed = lines.keys() - {line.wait_id for line in moment.waiting}
            ahead: Counter[tuple[int, int | None]] = Counter()
            for wait_id, places in queue.walk(self._levels_at(moment.at, self._waiting), passed=passed):
                if wait_id not in found and not any(place.missing for place in places):
                    found[wait_id] = self._counted_of(lines[wait_id], replace(moment, ahead=ahead))
                if wait_id not in passed:
                    ahead.update(_units_of(lines[wait_id]))
        return found

    def _counted_of(self, own: Sequence[WaitingLine], moment: _Moment) -> ForeseenWait:
        """What an order counts on whose turn comes at a moment: named warehouses first, then what comes first."""
        counted: list[Counted] = []
        places: set[int] = set()
        supplies: dict[ItemKey, Supply] = {}
        for (product, warehouse), units in sorted(_units_of(own).items(), key=lambda each: each[0][1] is None):
            missing = units
            items = [ItemKey(warehouse, product)] if warehouse is not None else self._items[product]
            for item in sorted(items, key=lambda each: self._supplies[each].complete_at(moment.at)):
                supply = supplies.setdefault(item, self._supply(item))
                taken = supply.take(missing, moment.at, after=moment.ahead_of(item))
                missing -= sum(each.units for each in taken)
                counted += taken
                places |= {item.warehouse_id} if taken else set()
        day = max(self._day(moment.at, place) for place in places)
        return ForeseenWait(day, sorted(counted, key=lambda each: each.day))

    def _day(self, at: datetime, warehouse_id: int) -> date:
        return at.astimezone(self._zones[warehouse_id]).date()


def _midnight_after(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _in_turn(lines: Sequence[RequestedLine], chosen: int | None) -> list[tuple[int, RequestedLine, int]]:
    """Each line with its place, and the units that it and those before it need of its item: named warehouses first."""
    needs: Counter[ItemKey] = Counter()
    found = []
    for place, line in sorted(enumerate(lines), key=lambda each: each[1].warehouse_id is None):
        item = ItemKey(line.warehouse_id or chosen or 0, line.product_id)
        needs[item] += line.quantity
        found.append((place, line, needs[item]))
    return found


def _units_of(lines: Iterable[WaitingLine]) -> Counter[tuple[int, int | None]]:
    units: Counter[tuple[int, int | None]] = Counter()
    for line in lines:
        units[line.product_id, line.warehouse_id] += line.quantity
    return units
