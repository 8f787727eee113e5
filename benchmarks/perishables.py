"""Years of a shop with perishables, with and without the units that will expire unsold in the inventory position.

Forty items with an expiry day on every delivery. Customers come one after the other, units leave first expired, first
out, and what is left of a lot at the end of its last day is thrown away. After each customer and every morning the
product's own code decides: `Perishables`, `Position.needs_order` and `lines_of`. Planning knows the true usage, so that
the rules are compared and not the estimates.

`python -m benchmarks.perishables` prints the tables of docs/benchmarks/perishables.md. All chance comes from one seed,
and is the same for each rule, so that the figures are the same each time.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from random import Random

from benchmarks.replenishment_world import KINDS, POISSON, Item, demand
from stockkeeper.domain.perishing import LotAhead, Perishables, usual_sell_days
from stockkeeper.domain.reorder import PlannedNumbers, Position
from stockkeeper.domain.reorder_lines import WantedLine, lines_of
from stockkeeper.domain.replenishment import LeadTime, Policy, Terms, plan_item

SEED = 23
ITEMS = 40
YEARS = 4
DAYS = 365
WARM_UP = 60
HISTORY_DAYS = 90
ORDER_COST = 1.0
"""Money per order and item: a grocer's items come by the same truck."""
SERVICE = 0.95


@dataclass(frozen=True)
class Perishable:
    """An item that expires.

    Attributes:
        item: What it sells, and its supplier.
        shelf_life_days: Days that the freshest units have left when they come.
    """

    item: Item
    shelf_life_days: int


@dataclass(frozen=True)
class Rule:
    """How orders are decided.

    Attributes:
        leaves_out: Whether what will expire unsold is left out of the position.
        is_bounded: Whether an order has no more than can be sold before it expires.
        service_level: That points are planned for.
    """

    leaves_out: bool
    is_bounded: bool = False
    service_level: float = SERVICE


WITHOUT, WITH, AS_IS = (
    "neither",
    "what will expire is left out",
    "and orders are bounded by shelf life: as it is",
)
RULES = {
    WITHOUT: Rule(leaves_out=False),
    "neither, and planned for 99%": Rule(leaves_out=False, service_level=0.99),
    WITH: Rule(leaves_out=True),
    AS_IS: Rule(leaves_out=True, is_bounded=True),
}
FRESH = {
    "fresh": (1.0, 1.0),
    "half to wholly fresh": (0.5, 1.0),
}
"""Part of its shelf life that a delivery has left when it comes: from, to."""


@dataclass
class Outcome:
    """Years of an item, or of many.

    Attributes:
        bought: Units that came.
        wasted: Units that were thrown away.
        wanted: Units.
        sold: Units.
        stock: Units on the shelf in the evening, added up.
        orders: That came.
        cycles: From one delivery to the next.
        short_cycles: Those in which a customer was refused.
    """

    bought: int = 0
    wasted: int = 0
    wanted: int = 0
    sold: int = 0
    stock: int = 0
    orders: int = 0
    cycles: int = 0
    short_cycles: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True)))

    @property
    def service(self) -> float:
        """Part of the cycles without a refused customer."""
        return 1 - self.short_cycles / self.cycles

    @property
    def fill_rate(self) -> float:
        """Part of the units wanted that were sold."""
        return self.sold / self.wanted

    @property
    def waste(self) -> float:
        """Part of the units bought that were thrown away."""
        return self.wasted / self.bought


def perishables() -> list[Perishable]:
    """As a grocer has them: from a week to five weeks, from suppliers who take one day to a week."""
    random = Random(f"{SEED}/items")
    made = []
    for number in range(ITEMS):
        item = Item(
            number=number,
            daily_mean=round(math.exp(random.uniform(math.log(2), math.log(30))), 2),
            busy_days=random.uniform(0.3, 0.8),
            lead_time=LeadTime(random.randint(1, 7)),
            unit_cost=round(math.exp(random.uniform(math.log(1), math.log(12))), 2),
            terms=random.choice([Terms(), Terms(6, 6), Terms(12, 12)]),
        )
        made.append(Perishable(item, random.randint(7, 35)))
    return made


@dataclass(order=True)
class _Lot:
    last_day: int
    units: int = field(compare=False)


class Shelf:
    """One item with its customers, day after day."""

    def __init__(self, of: Perishable, kind: str, rule: Rule, freshness: tuple[float, float], seed: str) -> None:
        item = of.item
        policy = Policy(service_level=rule.service_level, order_cost=ORDER_COST, holding_cost_rate=0.25)
        self.plan = plan_item(item.usage(kind, HISTORY_DAYS), item.lead_time, item.unit_cost, item.terms, policy)
        self._of, self._rule, self._freshness = of, rule, freshness
        self._customers = demand(item, kind, seed)
        self._chance = Random(f"{seed}/freshness/{item.number}")
        self._lots = [_Lot(of.shelf_life_days, self.plan.reorder_point + 1)]
        self._on_order, self._due = 0, math.inf
        self._is_short = False
        self._came_with: list[int] = []
        self.outcome = Outcome()

    def live(self, days: int, *, warm_up: int = WARM_UP) -> Outcome:
        """So many days, after some weeks in which the orders find their rhythm."""
        for day, customers in enumerate(islice(self._customers, warm_up + days)):
            if day == warm_up:
                self.outcome = Outcome()
            self._receive(day)
            self._order(day, day)
            for moment, units in customers:
                self._receive(day + moment)
                self._sell(units)
                self._order(day + moment, day)
            self._throw_away(day)
            self.outcome.stock += self.on_hand
        return self.outcome

    @property
    def on_hand(self) -> int:
        """Units on the shelf."""
        return sum(lot.units for lot in self._lots)

    def _receive(self, now: float) -> None:
        if self._due > now:
            return
        low, high = self._freshness
        days = max(round(self._of.shelf_life_days * self._chance.uniform(low, high)), 1)
        self._lots = sorted([*self._lots, _Lot(math.floor(now) + days, self._on_order)])
        self._came_with.insert(0, days)
        self.outcome.bought += self._on_order
        self.outcome.orders += 1
        self.outcome.cycles += 1
        self.outcome.short_cycles += self._is_short
        self._on_order, self._due, self._is_short = 0, math.inf, False

    def _sell(self, units: int) -> None:
        """Sell all or nothing, as a reservation does."""
        self.outcome.wanted += units
        if units > self.on_hand:
            self._is_short = True
            return
        self.outcome.sold += units
        for lot in self._lots:
            taken = min(lot.units, units)
            lot.units -= taken
            units -= taken
        self._lots = [lot for lot in self._lots if lot.units]

    def _throw_away(self, day: int) -> None:
        self.outcome.wasted += sum(lot.units for lot in self._lots if lot.last_day <= day)
        self._lots = [lot for lot in self._lots if lot.last_day > day]

    def _order(self, now: float, day: int) -> None:
        if self._on_order:
            return
        position = Position(self.on_hand, 0, 0, self._to_expire(day) if self._rule.leaves_out else 0)
        if position.needs_order(self.plan.reorder_point):
            [line] = lines_of([self._wanted(position)])
            self._on_order = line.units
            self._due = now + self.plan.lead_time.days

    def _wanted(self, position: Position) -> WantedLine:
        plan = self.plan
        return WantedLine(
            product_id=self._of.item.number,
            position=position,
            point=plan.reorder_point,
            reorder_quantity=plan.reorder_quantity,
            unit_cost=Decimal(str(self._of.item.unit_cost)),
            terms=self._of.item.terms,
            planned=PlannedNumbers(
                days=plan.usage.days,
                daily_mean=plan.usage.daily_mean,
                daily_deviation=plan.usage.daily_deviation,
                lead_time_days=plan.lead_time.days,
                lead_time_deviation_days=None,
                service_level=plan.service_level,
                safety_stock=plan.safety_stock,
                economic_order_quantity=plan.economic_order_quantity,
                reorder_point=plan.reorder_point,
            ),
            sell_days=usual_sell_days(self._came_with) if self._rule.is_bounded else None,
        )

    def _to_expire(self, day: int) -> int:
        lots = [LotAhead(lot.units, lot.last_day - day) for lot in self._lots]
        return Perishables(lots, self.plan.usage.daily_mean, self.plan.lead_time.days).units()

    @property
    def order_lasts(self) -> float:
        """Days of demand that an order has, as a part of the shelf life."""
        units = max(self.plan.reorder_quantity, self.plan.reorder_point)
        return units / self.plan.usage.daily_mean / self._of.shelf_life_days


def years_of(of: Perishable, kind: str, rule: Rule, freshness: tuple[float, float], years: int) -> Outcome:
    """The outcome of an item, in years with different customers."""
    together = Outcome()
    for year in range(years):
        together += Shelf(of, kind, rule, freshness, f"{SEED}/{year}").live(DAYS)
    return together


GROUPS: dict[str, Callable[[float], bool]] = {
    "up to half the shelf life": lambda part: part <= 0.5,
    "half to the whole": lambda part: 0.5 < part <= 1,
    "more than it": lambda part: part > 1,
}
"""Items by how long an order lasts."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perishables")
    parser.add_argument("--years", type=int, default=YEARS, help="how often the year is replayed, with other customers")
    years = parser.parse_args(arguments).years
    print("\n".join(_all(years)), "\n".join(_by_group(years)), sep="\n\n")


_FIGURES = "thrown away a year | of what was bought | cycles without a refused customer | fill rate | stock |"


def _all(years: int) -> Iterator[str]:
    yield f"| demand | deliveries | | {_FIGURES}"
    yield "|---|---|---|---:|---:|---:|---:|---:|"
    for kind in KINDS:
        for fresh, freshness in FRESH.items():
            for name, rule in RULES.items():
                found = sum((years_of(of, kind, rule, freshness, years) for of in perishables()), Outcome())
                yield f"| {kind} | {fresh} | {name} | {_figures(found, years, ITEMS)} |"


def _by_group(years: int) -> Iterator[str]:
    yield f"| an order lasts | items | | {_FIGURES}"
    yield "|---|---:|---|---:|---:|---:|---:|---:|"
    kind, freshness = POISSON, FRESH["half to wholly fresh"]
    lasts = [Shelf(of, kind, RULES[WITHOUT], freshness, "plan").order_lasts for of in perishables()]
    for group, is_in in GROUPS.items():
        chosen = [of for of, part in zip(perishables(), lasts, strict=True) if is_in(part)]
        for name in (WITHOUT, WITH, AS_IS):
            found = sum((years_of(of, kind, RULES[name], freshness, years) for of in chosen), Outcome())
            yield f"| {group} | {len(chosen)} | {name} | {_figures(found, years, len(chosen))} |"


def _figures(found: Outcome, years: int, of_items: int) -> str:
    stock = found.stock / (years * DAYS * of_items)
    numbers = (f"{found.wasted / years:,.0f}", f"{found.waste:.1%}", f"{found.service:.1%}", f"{found.fill_rate:.2%}")
    return " | ".join([*numbers, f"{stock:.0f}"])


if __name__ == "__main__":
    main()
