"""One policy of value and person: stock that is made or lost without a counterpart needs a second person.

A purchase has a supplier's goods as its counterpart, a sale a customer's order, an arrival a dispatch. A correction has
none: an adjustment, the variance of a count, units lost or damaged in transit, a return of more than was sold, goods
that cost less than they are worth. Whatever the process, what it makes or loses is valued here, and above one limit
another person has to approve it (ADR 0034). The direction doesn't matter: two units too many and two too few are the
same mistake.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext


def total_of(lines: Iterable[tuple[int, Decimal]]) -> Decimal:
    """The exact sum of units times unit cost over these lines."""
    # A Decimal's arithmetic rounds to 28 digits by default; a thousand lines may need more.
    with localcontext(prec=60):
        return sum((units * unit_cost for units, unit_cost in lines), Decimal(0))


@dataclass(frozen=True)
class Worth:
    """Value of some units in money, and the units of them without a known cost."""

    value: Decimal = Decimal(0)
    unvalued_units: int = 0

    def needs_approval(self, limit: Decimal, limit_units: int) -> bool:
        """Whether it is above either limit. Exactly at a limit is within it."""
        return self.value > limit or self.unvalued_units > limit_units

    def __str__(self) -> str:
        """In words: ``640.00``, ``640.00 and 3 units of unknown cost``, or ``3 units of unknown cost``."""
        unvalued = f"{self.unvalued_units} unit{'s' * (self.unvalued_units != 1)} of unknown cost"
        if not self.unvalued_units:
            return in_figures(self.value)
        return f"{in_figures(self.value)} and {unvalued}" if self.value else unvalued


@dataclass(frozen=True)
class Limit:
    """The limit up to which one person may make or lose stock without a counterpart.

    Attributes:
        value: In money.
        units: Of units without a known cost.
    """

    value: Decimal
    units: int

    def is_exceeded_by(self, worth: Worth) -> bool:
        """Whether another person has to approve it."""
        return worth.needs_approval(self.value, self.units)

    def why(self, worth: Worth) -> str:
        """Which limit is exceeded, in words: ``worth 5,000.00, above the limit of 500.00``."""
        if worth.value > self.value:
            return f"worth {worth}, above the limit of {in_figures(self.value)}"
        return f"worth {worth}, above the limit of {self.units} unit{'s' * (self.units != 1)} of unknown cost"


def worth_of_units(lines: Iterable[tuple[int, Decimal | None]]) -> Worth:
    """The exact worth of units with the cost of one; units out count like units in. None: the cost is unknown."""
    valued: list[tuple[int, Decimal]] = []
    unvalued_units = 0
    for units, unit_cost in lines:
        if unit_cost is None:
            unvalued_units += abs(units)
        else:
            valued.append((abs(units), unit_cost))
    return Worth(total_of(valued), unvalued_units)


def unpaid(lines: Iterable[tuple[int, Decimal, Decimal | None]]) -> Worth:
    """The worth of ordered goods that their price doesn't cover: what would be stock out of nothing.

    Args:
        lines: Units ordered, the cost of one on the order, and the cost of one in the catalogue; None: unknown.
    """
    gaps: list[tuple[int, Decimal | None]] = []
    for units, paid, known in lines:
        if known is None:
            gaps += [] if paid else [(units, None)]
        elif known > paid:
            gaps.append((units, known - paid))
    return worth_of_units(gaps)


def in_figures(value: Decimal) -> str:
    """An amount as people read it, with at least two decimals: ``12,780.00``."""
    whole, _, fraction = f"{value:.6f}".partition(".")
    return f"{int(whole):,}.{fraction.rstrip('0'):0<2}"
