"""A year of demand through the real planning and ordering: is the service that was asked for reached?

Fifty items, once with Poisson demand and once with a lumpy one, are replayed day by day. The decisions are the
product's own: `stockkeeper.domain.replenishment` plans, `stockkeeper.domain.reorder` decides when to order, how much.
This file adds only the world around them: customers, a shelf, and suppliers with their lead times.

`python -m benchmarks.replenishment_simulation` prints the tables of docs/benchmarks/replenishment.md, and `--plot FILE`
draws them. All chance comes from one seed, so that the figures are the same each time.
"""

import argparse
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import ClassVar

from benchmarks.replenishment_world import KINDS, SEED, Item, demand, items, lead_times
from stockkeeper.domain.reorder import Position, quantity_for
from stockkeeper.domain.replenishment import LeadTime, Plan, Policy, Usage, plan_item, usage_of, without_bulk

YEARS = 4
HISTORY_DAYS = 90
DAYS = 365
ASKED_FOR = 0.95
POLICY = Policy(service_level=ASKED_FOR, order_cost=50.0, holding_cost_rate=0.25)
SHOWN = 0
"""The item whose year is drawn."""


@dataclass(frozen=True)
class Scenario:
    """How the year goes.

    Attributes:
        at_once: An order goes out as soon as a customer takes the item below its point, rather than in the evening.
        varying: Lead times vary by their deviation, rather than being always the same.
        deviation_known: Planning knows that deviation.
        small_orders: An order is the EOQ, however far that is below the point.
        refused_known: Planning knows the refused demand, which isn't in the ledger.
        usage_known: Planning knows the true usage.
        incidents: Departures that are no lasting demand: ``mistyped`` ones that are cancelled at once, ``returns`` of a
            part of the units sold, ``bulk`` orders that come once and bring their own goods.
        undone_known: Planning takes departures that were undone off their day.
        bulk_factor: Planning leaves out days with more than this many times the median of the days with demand.
    """

    at_once: bool = True
    varying: bool = False
    deviation_known: bool = True
    small_orders: bool = False
    refused_known: bool = False
    usage_known: bool = False
    incidents: str = ""
    undone_known: bool = True
    bulk_factor: float | None = None


@dataclass
class Year:
    """Outcome for an item, or for many of them.

    Attributes:
        days: Days of items.
        cycles: From one delivery to the next.
        short_cycles: Those in which a customer was refused.
        late_cycles: Of these, those whose lead time took no more than the point: the order went out too far below it.
        lump_cycles: Of these, those in which a customer wanted more than there was although that was above the point.
        orders: That went out.
        ordered: Units on them.
        wanted: Units.
        sold: Units.
        stock: Units on the shelf in the evening, added up.
        evenings: On hand and the point, day by day; for the plot.
    """

    CAUSES: ClassVar = ("ordered too late", "a lump", "a busy lead time")
    _COUNTED: ClassVar = (
        *(
            "days",
            "cycles",
            "short_cycles",
            "late_cycles",
            "lump_cycles",
            "orders",
            "ordered",
            "wanted",
            "sold",
            "stock",
        ),
    )

    days: int = 0
    cycles: int = 0
    short_cycles: int = 0
    late_cycles: int = 0
    lump_cycles: int = 0
    orders: int = 0
    ordered: int = 0
    wanted: int = 0
    sold: int = 0
    stock: int = 0
    evenings: list[tuple[int, int]] = field(default_factory=list)

    def add(self, other: "Year") -> None:
        """Add the outcome of another item."""
        for name in self._COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def service_level(self) -> float:
        """Part of the cycles without a refused customer: the service level that planning is asked for."""
        return 1 - self.short_cycles / self.cycles

    @property
    def missing(self) -> tuple[float, float, float]:
        """Missing parts of the service level, by cause as in ``CAUSES``."""
        rest = self.short_cycles - self.late_cycles - self.lump_cycles
        return self.late_cycles / self.cycles, self.lump_cycles / self.cycles, rest / self.cycles

    @property
    def standard_error(self) -> float:
        """How far chance alone moves the service level."""
        return math.sqrt(self.service_level * (1 - self.service_level) / self.cycles)


class Shelf:
    """One item in one year."""

    def __init__(self, item: Item, kind: str, scenario: Scenario, seed: str) -> None:
        self._item = item
        self._kind = kind
        self._scenario = scenario
        self._customers = demand(item, kind, seed)
        self._lead_times = lead_times(item, seed, varying=scenario.varying)
        # The ledger's units of each day: before the year, all units that were wanted.
        self._demand = [sum(units for _, units in next(self._customers)) for _ in range(HISTORY_DAYS)]
        self._chance = Random(f"{seed}/{scenario.incidents}/{item.number}")
        self._coming_back: list[tuple[int, int, int]] = []
        self._plan = self._planned()
        self._on_hand = self._plan.reorder_point + self._plan.reorder_quantity
        self._on_order = 0
        self._due = math.inf
        self._point_at_order = 0
        self._wanted_since_order = 0
        self._short = self._lump = False
        self.year = Year()

    def live(self) -> Year:
        """The year, planned anew every morning from the last ninety days."""
        for day in range(DAYS):
            self._take_back(day)
            self._plan = self._planned()
            self._sell(day)
            self._receive(day + 1)
            self._review(day + 1)
            self.year.days += 1
            self.year.stock += self._on_hand
            self.year.evenings.append((self._on_hand, self._plan.reorder_point))
        return self.year

    def _sell(self, day: int) -> None:
        """Sell all or nothing, as a reservation does: customers who want more than is available go elsewhere."""
        wanted = sold = 0
        for moment, units in next(self._customers):
            self._receive(day + moment)
            wanted += units
            self._wanted_since_order += units
            if units <= self._on_hand:
                self._on_hand -= units
                sold += units
            else:
                self._short = True
                self._lump = self._lump or self._on_hand >= self._plan.reorder_point
            if self._scenario.at_once:
                self._review(day + moment)
        self._demand.append((wanted if self._scenario.refused_known else sold) + self._incident(day, sold))
        self.year.wanted += wanted
        self.year.sold += sold

    def _incident(self, day: int, sold: int) -> int:
        """Units that the ledger has on this day beside the sales; and what will come back of these."""
        scenario, chance, usual = self._scenario, self._chance, math.ceil(self._item.daily_mean)
        if scenario.incidents == "returns":
            back = sum(chance.random() < RETURNED for _ in range(sold))
            self._coming_back.append((day + RETURNED_AFTER_DAYS, HISTORY_DAYS + day, back))
        elif chance.random() < INCIDENTS_A_DAY:
            if scenario.incidents == "mistyped":
                return 0 if scenario.undone_known else MISTYPED * usual
            if scenario.incidents == "bulk":
                return BULK * usual
        return 0

    def _take_back(self, day: int) -> None:
        """Put returned units on the shelf, and off the day on which they were sold."""
        while self._coming_back and self._coming_back[0][0] <= day:
            _, sold_on, units = self._coming_back.pop(0)
            self._on_hand += units
            if self._scenario.undone_known:
                self._demand[sold_on] -= units

    def _receive(self, now: float) -> None:
        if self._due > now:
            return
        self._on_hand += self._on_order
        self._on_order, self._due = 0, math.inf
        self.year.cycles += 1
        self.year.short_cycles += self._short
        self.year.lump_cycles += self._lump
        is_busy = self._wanted_since_order > self._point_at_order
        self.year.late_cycles += self._short and not (self._lump or is_busy)
        self._short = self._lump = False

    def _review(self, now: float) -> None:
        position, plan = Position(self._on_hand, self._on_order), self._plan
        if not position.needs_order(plan.reorder_point):
            return
        is_planned = not self._scenario.small_orders
        self._on_order = quantity_for(
            position, plan.reorder_point, plan.reorder_quantity, self._item.terms, is_planned=is_planned
        )
        self._due = now + next(self._lead_times)
        self._point_at_order = plan.reorder_point
        self._wanted_since_order = 0
        self.year.orders += 1
        self.year.ordered += self._on_order

    def _planned(self) -> Plan:
        item, scenario = self._item, self._scenario
        usage = item.usage(self._kind, HISTORY_DAYS) if scenario.usage_known else self._measured()
        lead_time = item.lead_time
        if not (scenario.varying and scenario.deviation_known):
            lead_time = replace(lead_time, deviation_days=None)
        return plan_item(usage, lead_time, item.unit_cost, item.terms, POLICY)

    def _measured(self) -> Usage:
        daily, factor = self._demand[-HISTORY_DAYS:], self._scenario.bulk_factor
        return usage_of(daily if factor is None else without_bulk(daily, factor))


def replay(kind: str, scenario: Scenario, years: int) -> list[Year]:
    """Outcome of each item, in a number of years with different customers."""
    everything = []
    for item in items():
        together = Year()
        for year in range(years):
            together.add(Shelf(item, kind, scenario, f"{SEED}/{year}").live())
        everything.append(together)
    return everything


def _has_small_orders(item: Item, kind: str) -> bool:
    """Whether the EOQ is below the point: below what a lead time may take."""
    fixed = LeadTime(item.lead_time.days)
    plan = plan_item(item.usage(kind, HISTORY_DAYS), fixed, item.unit_cost, item.terms, POLICY)
    return plan.reorder_quantity < plan.reorder_point


AS_IS = "and no order is smaller than the point: as it is"
STEPS = {
    "ordered in the evening, and by EOQ only": Scenario(at_once=False, small_orders=True),
    "ordered at once": Scenario(small_orders=True),
    AS_IS: Scenario(),
    "and refused customers are counted": Scenario(refused_known=True),
    "and the true usage is known": Scenario(usage_known=True),
}
"""One cause after the other is taken away."""
VARYING = {
    "vary, with a known deviation": Scenario(varying=True),
    "vary, the deviation isn't known": Scenario(varying=True, deviation_known=False),
}
MISTYPED, BULK = 100, 30
"""Units of an incident, in times of a usual day: 5,000 typed for 50; a month's sales in one order."""
INCIDENTS_A_DAY = 1 / 60
RETURNED, RETURNED_AFTER_DAYS = 0.15, 14
INCIDENTS = {
    "nothing of the kind": Scenario(),
    "mistyped departures, cancelled at once: counted": Scenario(incidents="mistyped", undone_known=False),
    "mistyped departures, cancelled at once: off their day": Scenario(incidents="mistyped"),
    "returns of 15% after two weeks: counted": Scenario(incidents="returns", undone_known=False),
    "returns of 15% after two weeks: off their day": Scenario(incidents="returns"),
    "one-off bulk orders: counted": Scenario(incidents="bulk"),
    "one-off bulk orders: left out, factor 10": Scenario(incidents="bulk", bulk_factor=10),
    "one-off bulk orders: left out, factor 5": Scenario(incidents="bulk", bulk_factor=5),
    "nothing of the kind, factor 10": Scenario(bulk_factor=10),
    "nothing of the kind, factor 5": Scenario(bulk_factor=5),
}
"""Departures that are no lasting demand, counted and not."""

Results = dict[tuple[str, str], list[Year]]


def simulate(years: int) -> Results:
    """Each kind of demand in each scenario."""
    return {
        (kind, title): replay(kind, scenario, years)
        for kind in KINDS
        for title, scenario in (STEPS | VARYING | INCIDENTS).items()
    }


def together(each: Iterable[Year]) -> Year:
    """Outcome of all of them."""
    everything = Year()
    for year in each:
        everything.add(year)
    return everything


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def reached_table(results: Results, years: int) -> str:
    """Service reached: by all items, by those with an EOQ of the point or more, and by the others."""
    lines = [
        _line(
            *("demand", "lead times", "reached", "by items with an EOQ of the point or more", "by the others"),
            *("fill rate", "average stock", "orders a year", "stockouts a year"),
        ),
        "|---|---|" + "---:|" * 7,
    ]
    for kind in KINDS:
        has_small_orders = [_has_small_orders(item, kind) for item in items()]
        for title in (AS_IS, *VARYING):
            by_item = list(zip(has_small_orders, results[kind, title], strict=True))
            year = together(results[kind, title])
            lines.append(
                _line(
                    *(
                        kind,
                        title if title in VARYING else "fixed",
                        f"{year.service_level:.1%} ± {year.standard_error:.1%}",
                    ),
                    *(_reached([year for small, year in by_item if small == wanted]) for wanted in (False, True)),
                    *(f"{year.sold / year.wanted:.1%}", f"{year.stock / year.days:.0f}"),
                    *(f"{year.orders / years:.0f}", f"{year.short_cycles / years:.0f}"),
                )
            )
    return "\n".join(lines)


def _reached(each: Sequence[Year]) -> str:
    return f"{together(each).service_level:.1%} ({len(each)})" if each else "(0)"


def causes_table(results: Results) -> str:
    """Missing parts of the service by cause, as one cause after the other is taken away."""
    headings = [f"{kind}: reached | {' | '.join(Year.CAUSES)} | average stock" for kind in KINDS]
    lines = [_line("", *headings), "|---|" + "---:|" * len(KINDS) * (2 + len(Year.CAUSES))]
    for title in STEPS:
        cells: list[str] = []
        for kind in KINDS:
            year = together(results[kind, title])
            cells += [f"{part:.1%}" for part in (year.service_level, *year.missing)]
            cells.append(f"{year.stock / year.days:.0f}")
        lines.append(_line(title, *cells))
    return "\n".join(lines)


def incidents_table(results: Results) -> str:
    """Service and stock where goods leave that won't be wanted again."""
    headings = [f"{kind}: reached | average stock | ordered a year, in units sold" for kind in KINDS]
    lines = [_line("", *headings), "|---|" + "---:|" * len(KINDS) * 3]
    for title in INCIDENTS:
        cells: list[str] = []
        for kind in KINDS:
            year = together(results[kind, title])
            cells += [f"{year.service_level:.1%}", f"{year.stock / year.days:.0f}"]
            cells.append(f"{year.ordered / year.sold:.2f}")
        lines.append(_line(title, *cells))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables; draw them if that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replenishment_simulation")
    parser.add_argument("--years", type=int, default=YEARS, help="how often the year is replayed, with other customers")
    parser.add_argument("--plot", type=Path, help="draw the second table, and a year of an item, into this file")
    given = parser.parse_args(arguments)
    results = simulate(given.years)
    print(reached_table(results, given.years), causes_table(results), incidents_table(results), sep="\n\n")
    if given.plot:
        # Only drawing needs Matplotlib.
        from benchmarks.replenishment_plot import draw  # noqa: PLC0415

        shown = items()[SHOWN]
        steps = {kind: {title: together(results[kind, title]) for title in STEPS} for kind in KINDS}
        draw(
            given.plot,
            asked_for=ASKED_FOR,
            causes=Year.CAUSES,
            steps={
                kind: {title: (year.service_level, *year.missing) for title, year in of_kind.items()}
                for kind, of_kind in steps.items()
            },
            evenings={kind: Shelf(shown, kind, Scenario(), f"{SEED}/0").live().evenings for kind in KINDS},
        )


if __name__ == "__main__":
    main()
