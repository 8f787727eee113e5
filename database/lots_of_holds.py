"""The lots of holds, in memory under the lock of their items: which a line gets, gives back, and gives to a shipment.

A line of a product that isn't tracked has no lots, and nothing here changes it. The reserved quantity of the item is
changed by `database.ledger`; that of the lots here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from database.locked_stock import LockedStock
from database.stock_rows import StockItem
from stockkeeper.domain.errors import InvalidRequest, InvalidState
from stockkeeper.domain.lot import (
    LOT,
    HeldLot,
    LotFacts,
    LotOnHand,
    LotStatus,
    LotUnits,
    allocate,
    days_needed,
    in_order,
    swapped,
)
from stockkeeper.domain.reservation import HeldLine, ReservationEvent, ReservationStatus
from stockkeeper.domain.stock import ItemKey

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def allot(stock: LockedStock, key: ItemKey, units: int, minimum_days_left: int | None) -> tuple[HeldLot, ...]:
    """The lots for units that have just been reserved: first expired, first out.

    Raises:
        RuntimeError: There are fewer units than were reserved.
    """
    item = stock.items[key]
    if not item.is_tracked or not units:
        return ()
    days = days_needed(minimum_days_left, item.minimum_days_left)
    chosen = allocate(item.lots.values(), units, item.today, days)
    if sum(taken for _, taken in chosen) != units:
        raise RuntimeError(f"{units} units of {item.name} were reserved, but its lots have fewer")
    for lot, taken in chosen:
        lot.reserved += taken
    return tuple(HeldLot(lot.number, lot.facts.expires_on, taken) for lot, taken in chosen)


def with_lots(line: HeldLine, lots: Sequence[HeldLot]) -> HeldLine:
    """A line that holds these lots beside those that it has."""
    if not lots:
        return line
    changes = {lot.lot_number: (lot.quantity_held, 0) for lot in lots}
    return replace(line, lots=swapped(line.lots, changes, {lot.lot_number: lot.expires_on for lot in lots}))


def give_back(stock: LockedStock, line: HeldLine, units: int) -> HeldLine:
    """The line without so many of its held units; the lots that expire last are given back first."""
    if not line.lots:
        return line
    item, changes = stock.items[line.item], {}
    for held in reversed(_in_order(item, line.lots)):
        if given := min(held.quantity_held, units):
            item.lots[held.lot_number].reserved -= given
            changes[held.lot_number] = -given, 0
            units -= given
    return replace(line, lots=swapped(line.lots, changes, {}))


def units_of_lot(lines: Iterable[HeldLine], lot_number: str) -> int:
    """Units of a lot that these lines hold."""
    return sum(held.quantity_held for line in lines for held in line.lots if held.lot_number == lot_number)


def exchange(stock: LockedStock, lines: Sequence[HeldLine], lot_number: str, units: int) -> list[HeldLine] | None:
    """The lines of one hold on an item with other lots in place of units of this one; None: too few are free.

    Args:
        stock: The stock.
        lines: The lines, as they are.
        lot_number: The lot that they lose.
        units: How many of its units they lose.
    """
    item = stock.items[lines[0].item]
    others = [lot for lot in item.lots.values() if lot.number != lot_number]
    chosen: list[tuple[HeldLine, int, list[tuple[LotOnHand, int]]]] = []
    for line in lines:
        lost = min(units_of_lot([line], lot_number), units)
        units -= lost
        days = days_needed(line.minimum_days_left, item.minimum_days_left)
        instead = allocate(others, lost, item.today, days)
        for lot, taken in instead:
            lot.reserved += taken
        chosen.append((line, lost, instead))
        if sum(taken for _, taken in instead) < lost:
            for _, _, others_taken in chosen:
                for lot, taken in others_taken:
                    lot.reserved -= taken
            return None
    changed = []
    for line, lost, instead in chosen:
        if lost:
            item.lots[lot_number].reserved -= lost
            changes = {lot.number: (taken, 0) for lot, taken in instead} | {lot_number: (-lost, 0)}
            expiries = {lot.number: lot.facts.expires_on for lot, _ in instead}
            changed.append(replace(line, lots=_as_read(item, swapped(line.lots, changes, expiries))))
    stock.change_item(item)
    return changed


@dataclass
class Picked:
    """What leaves of each lot, for each line; the lots' reserved units are those that are about to leave."""

    units: dict[int, list[LotUnits]] = field(default_factory=dict)
    lots: dict[int, tuple[HeldLot, ...]] = field(default_factory=dict)

    def leaving(self, line: HeldLine, units: int) -> Iterable[tuple[str | None, int]]:
        """Units of a line by lot; without lots all of them."""
        picked = self.units.get(line.reservation_id)
        return [(None, units)] if picked is None else [(each.lot_number, each.quantity) for each in picked]

    def lots_of(self, line: HeldLine) -> tuple[HeldLot, ...]:
        """The lots of a line after that."""
        return self.lots.get(line.reservation_id, line.lots)


def pick(
    stock: LockedStock, lines: Sequence[HeldLine], taken: Mapping[int, int], lots: Mapping[int, Sequence[LotUnits]]
) -> Picked:
    """Decide which units of which lots leave, and exchange what a line holds for what was picked instead.

    Args:
        stock: The stock.
        lines: The lines that give some.
        taken: Units by reservation_id.
        lots: The lots that were picked, by reservation_id, where that was said.

    Raises:
        InvalidRequest: A lot that was picked isn't there, may not leave, or isn't free; or lots were named of a product
            that isn't tracked.
        InvalidState: A lot that is held may not leave any more, and no other one is free.
    """
    picked = Picked()
    for line, leaving, changes in _plan(stock, lines, taken, lots):
        picked.units[line.reservation_id] = leaving
        picked.lots[line.reservation_id] = _swap(stock.items[line.item], line, changes)
    return picked


def take_up(
    stock: LockedStock, lines: Sequence[HeldLine], taken: Mapping[int, int], lots: Mapping[int, Sequence[LotUnits]]
) -> list[HeldLine]:
    """Let lines hold the lots that are to leave, before they leave; those that change. See `pick`."""
    changed = []
    for line, leaving, changes in _plan(stock, lines, taken, lots):
        kept = {number: (held, 0) for number, (held, _) in changes.items()}
        for number, units in leaving:
            kept[number] = kept[number][0] + units, 0
        if any(held for held, _ in kept.values()):
            item = stock.items[line.item]
            changed.append(replace(line, lots=_swap(item, line, kept)))
            stock.change_item(item)
    return changed


_Plan = tuple[HeldLine, list[LotUnits], dict[str, tuple[int, int]]]
"""A line, what leaves of each lot, and by how much its held and its fulfilled units of each lot change."""


def _plan(
    stock: LockedStock, lines: Sequence[HeldLine], taken: Mapping[int, int], lots: Mapping[int, Sequence[LotUnits]]
) -> list[_Plan]:
    """Decide which units of which lots leave; nothing changes."""
    free = {key: {number: lot.free for number, lot in stock.items[key].lots.items()} for key in {e.item for e in lines}}
    plan: list[_Plan] = []
    for line in lines:
        item = stock.items[line.item]
        named = lots.get(line.reservation_id)
        if not item.is_tracked:
            if named:
                raise InvalidRequest(f"{item.sku} isn't tracked by lot: leave out lot {named[0].lot_number}")
            continue
        units = taken[line.reservation_id]
        left = {held.lot_number: held.quantity_held for held in _in_order(item, line.lots)}
        leaving = (
            _named(item, named, left, free[line.item]) if named else _held(item, line, units, left, free[line.item])
        )
        changes = {
            held.lot_number: (left[held.lot_number] - held.quantity_held, 0) for held in line.lots if held.quantity_held
        }
        for number, quantity in leaving:
            changes[number] = changes.get(number, (0, 0))[0], quantity
        plan.append((line, leaving, changes))
    return plan


def _swap(item: StockItem, line: HeldLine, changes: Mapping[str, tuple[int, int]]) -> tuple[HeldLot, ...]:
    """Change the units of a line's lots, and return them."""
    for number, (held, fulfilled) in changes.items():
        # What leaves is taken off the reserved units by its movement.
        item.lots[number].reserved += held + fulfilled
    expiries = {number: item.lots[number].facts.expires_on for number in changes}
    return _as_read(item, swapped(line.lots, changes, expiries))


def _named(item: StockItem, named: Sequence[LotUnits], left: dict[str, int], free: dict[str, int]) -> list[LotUnits]:
    """The lots that a picker has named: those that the line holds, and free ones in place of its first."""
    others = 0
    for number, units in named:
        _require_to_leave(item, number)
        own = min(left.get(number, 0), units)
        if units - own > free[number]:
            raise InvalidRequest(
                f"{units} of lot {number} of {item.name} were picked, but only {own + free[number]} are this order's "
                "or free: the others are held for somebody else, or set aside"
            )
        if own:
            left[number] -= own
        free[number] -= units - own
        others += units - own
    for number, units in left.items():
        back = min(units, others)
        left[number] -= back
        free[number] += back
        others -= back
    return list(named)


def _held(item: StockItem, line: HeldLine, units: int, left: dict[str, int], free: dict[str, int]) -> list[LotUnits]:
    """The lots that the line holds, the first expired first; free ones in place of those that may not leave now."""
    leaving: dict[str, int] = {}
    missing = units
    for number, held in left.items():
        if item.lots[number].may_leave(item.today) and (given := min(held, missing)):
            left[number] -= given
            leaving[number] = given
            missing -= given
    if not missing:
        return [LotUnits(*each) for each in leaving.items()]
    days = days_needed(line.minimum_days_left, item.minimum_days_left)
    instead = missing
    for lot in in_order(item.lots.values()):
        if lot.is_usable(item.today, days) and (given := min(free[lot.number], instead)):
            free[lot.number] -= given
            leaving[lot.number] = leaving.get(lot.number, 0) + given
            instead -= given
    stopped = next(number for number in left if left[number] and not item.lots[number].may_leave(item.today))
    if instead:
        message = (
            f"lot {stopped} of {item.name} {_why_not(item, stopped)}, and no other one is free for {instead} units"
        )
        raise InvalidState(message, str(ReservationStatus.ACTIVE), str(ReservationEvent.FULFILL))
    for number, held in left.items():
        if not item.lots[number].may_leave(item.today):
            back = min(held, missing)
            left[number] -= back
            missing -= back
    return [LotUnits(*each) for each in leaving.items()]


def _require_to_leave(item: StockItem, number: str) -> None:
    lot = item.lots.get(number)
    if lot is None:
        raise InvalidRequest(f"{item.name} has no lot {number}")
    if not lot.may_leave(item.today):
        raise InvalidRequest(f"lot {number} of {item.name} {_why_not(item, number)}: take another one")


def _why_not(item: StockItem, number: str) -> str:
    """Why units of a lot may not leave."""
    lot = item.lots[number]
    if lot.status is not LotStatus.AVAILABLE:
        return LOT.words.statuses[lot.status]
    return f"expired on {lot.facts.expires_on}"


def _as_read(item: StockItem, lots: Sequence[HeldLot]) -> tuple[HeldLot, ...]:
    """The lots of a line in the order in which they are read again: the first expired first."""
    known = [
        # Of a lot that has left altogether no more is known here than its day.
        item.lots.get(held.lot_number)
        or LotOnHand(LotFacts(held.lot_number, held.expires_on), LotStatus.AVAILABLE, _LONG_AGO)
        for held in lots
    ]
    places = {lot.number: place for place, lot in enumerate(in_order(known))}
    return tuple(sorted(lots, key=lambda held: places[held.lot_number]))


def _in_order(item: StockItem, lots: Iterable[HeldLot]) -> list[HeldLot]:
    places = {lot.number: place for place, lot in enumerate(in_order(item.lots.values()))}
    return sorted((held for held in lots if held.quantity_held), key=lambda held: places[held.lot_number])
