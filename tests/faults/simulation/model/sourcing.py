"""Which warehouses an order's open lines come from: every choice is looked at, and the best one taken."""

from collections.abc import Collection, Mapping
from itertools import combinations


def places_of(
    quantity: int, available: Mapping[int, int], used: Collection[int], ranks: Mapping[int, tuple[int, int]]
) -> list[tuple[int, int]]:
    """Units of one product by warehouse, in the order of the warehouses' ranks.

    The fewest warehouses beside those that the order uses in any case, then the fewest parts, then the first ranks.

    Args:
        quantity: Units; all warehouses together have them.
        available: Units of it by warehouse.
        used: Warehouses that other lines of the order name.
        ranks: Priority and id of each warehouse.
    """
    stocked = sorted((place for place, units in available.items() if units > 0), key=lambda place: ranks[place])
    choices = [
        choice
        for size in range(1, len(stocked) + 1)
        for choice in combinations(stocked, size)
        if sum(available[place] for place in choice) >= quantity
    ]
    best = min(
        choices,
        key=lambda choice: (
            len([place for place in choice if place not in used]),
            len(choice),
            [ranks[place] for place in choice],
        ),
    )
    taken = []
    for place in best:
        units = min(quantity, available[place])
        taken.append((place, units))
        quantity -= units
    return taken
