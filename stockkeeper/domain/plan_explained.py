"""A plan as a calculation that a person can do again: each number with its formula and the numbers that went in.

The formulas and their sources are those of `stockkeeper.domain.replenishment` and of
`stockkeeper.domain.lead_time_demand`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from stockkeeper.domain.demand_class import INTERVAL_CUT, SIZE_CUT, PlanMethod
from stockkeeper.domain.order_quantity import PriceBreak
from stockkeeper.domain.perishing import Perishables, most_to_sell_in_time
from stockkeeper.domain.replenishment import DAYS_A_YEAR, Terms, service_factor


@dataclass(frozen=True)
class Explained:
    """One number of a plan.

    Attributes:
        name: What it is.
        formula: How it comes about, with the numbers that went in.
        value: The number; None: it says itself in words.
        unit: Units, days, or what else it is counted in.
    """

    name: str
    formula: str
    value: float | None
    unit: str = ""


@dataclass(frozen=True)
class PlanNumbers:
    """The numbers of a plan, as they are stored: units, days, money.

    Attributes:
        level: The level that was asked for.
        by_fill_rate: Whether it is a fill rate.
        unit_cost: What the EOQ was computed with: with price breaks, the cost of each unit of the planned quantity.
        review_wait_days: The part of the lead time until the supplier's next review day, on average; None: it has none.
    """

    days: int
    days_with_demand: int | None
    daily_mean: float
    daily_deviation: float
    lead_time_days: float
    lead_time_deviation_days: float | None
    level: float
    by_fill_rate: bool
    method: str | None
    demand_class: str | None
    undershoot: float | None
    outgoing_mean: float | None
    outgoing_deviation: float | None
    outgoing_skewness: float | None
    factor: float | None
    safety_stock: float
    reorder_point: int
    order_cost: float | None
    holding_cost_rate: float | None
    unit_cost: float | None
    economic_order_quantity: float
    reorder_quantity: int
    expected_cycle_service: float | None
    expected_fill_rate: float | None
    review_wait_days: float | None = None
    forecast: str | None = None
    forecast_factor: float | None = None
    forecast_error: float | None = None
    usual_deviation: float | None = None
    usual_days: float | None = None
    widening: float | None = None

    @property
    def planned_deviation(self) -> float:
        """Units a day: the item's own deviation, and what is usual for its mean."""
        if self.usual_deviation is None or self.usual_days is None:
            return self.daily_deviation
        busy, usual = self.days_with_demand or 0, self.usual_days
        own = max(self.daily_deviation**2, (self.daily_deviation**2 * (self.days - 1) + self.daily_mean) / self.days)
        return math.sqrt((busy * own + usual * self.usual_deviation**2) / (busy + usual))

    @property
    def mean_of_days(self) -> float:
        """Units a day, as they were; the usage without its forecast."""
        return self.daily_mean / (self.forecast_factor or 1)


def explain(
    plan: PlanNumbers, terms: Terms, breaks: Sequence[PriceBreak] = (), unit_cost: Decimal | None = None
) -> list[Explained]:
    """The plan, number by number, in the order in which one follows from the other.

    Args:
        plan: Its numbers.
        terms: Quantities that the supplier sells.
        breaks: Its price breaks, in rising order.
        unit_cost: What a unit costs below the first of them; money. None: not known.
    """
    by_seed = plan.method == PlanMethod.SEED
    return [
        *_demand(plan),
        *(_by_the_seed(plan) if by_seed else _by_distribution(plan) if plan.method else _without_demand()),
        *_quantity(plan, terms, breaks, unit_cost),
        *_expected(plan),
    ]


def explain_waste(item: Perishables) -> list[Explained]:
    """What isn't counted on because it will expire before it can be sold; nothing, where all can be sold."""
    if not (wasted := item.within()):
        return []
    last = wasted[-1]
    formula = (
        f"{last.through} free units of lots that end by {last.lot.last_day}, of which {_n(last.sold)} are expected to "
        f"be sold by then: {_n(item.daily_mean)} a day for {last.lot.days} days; of lots that end within the lead time"
    )
    return [Explained("will expire unsold", formula, item.units(), "units")]


def explain_bound(plan: PlanNumbers, sell_days: int | None) -> list[Explained]:
    """What an order has at most, because more would expire before it is sold; nothing, where that bounds no order.

    Args:
        plan: The plan.
        sell_days: Days on which goods can be sold that have just come; None: not known.
    """
    if sell_days is None or plan.daily_mean * sell_days >= max(plan.reorder_quantity, plan.reorder_point):
        return []
    formula = (
        f"d · D = {_n(plan.daily_mean)} · {sell_days} days that the latest lots had when they came, less what is left "
        "of the stock by then"
    )
    return [Explained("order at most", formula, most_to_sell_in_time(0, plan.daily_mean, 0, sell_days), "units")]


def _demand(plan: PlanNumbers) -> Iterator[Explained]:
    units = plan.daily_mean * plan.days
    was = plan.mean_of_days
    in_days = f"{_n(was * plan.days)} units in {plan.days} days"
    expected = ""
    if plan.forecast and plan.forecast_factor is not None and plan.forecast_error is not None:
        yield Explained("mean", in_days, was, "units a day")
        yield Explained(
            "forecast f",
            f"{plan.forecast.replace('_', ' ')}, over the lead time; over the last year, its squared error was "
            f"{_n(100 * plan.forecast_error)} % of the mean's",
            plan.forecast_factor,
        )
        in_days, expected = f"mean · f = {_n(was)} · {plan.forecast_factor:.3f}", ", as it is with the forecast"
    yield Explained("usage d", in_days, plan.daily_mean, "units a day")
    how = f"of the units of each of {plan.days} days{expected}"
    yield Explained("deviation s", how, plan.daily_deviation, "units a day")
    if plan.days_with_demand and plan.demand_class:
        interval = plan.days / plan.days_with_demand
        squares = plan.daily_deviation**2 * (plan.days - 1) + units**2 / plan.days
        variation = _variation(plan.days_with_demand, units, squares)
        how = f"{plan.days} days / {plan.days_with_demand} with demand"
        yield Explained("days between demand", how, interval, "days")
        yield Explained("variation of sizes", "(deviation / mean)² of the units of the days with demand", variation)
        yield Explained(
            "class",
            f"{plan.demand_class}: {_n(interval)} {_sign(interval, INTERVAL_CUT)} {INTERVAL_CUT} days between demand, "
            f"variation {_n(variation)} {_sign(variation, SIZE_CUT)} {SIZE_CUT}",
            None,
        )
    varies = plan.lead_time_deviation_days
    known = f", deviation sL {_n(varies)}" if varies else ""
    wait = plan.review_wait_days
    waits = f", {_n(wait)} of them until its next review day, on average" if wait else ""
    yield Explained("lead time L", f"of the supplier{known}{waits}", plan.lead_time_days, "days")


def _sign(value: float, cut: float) -> str:
    return "≥" if value >= cut else "<"


def _variation(busy: int, units: float, squares: float) -> float:
    """Squared coefficient of variation of the days with demand, the sample's."""
    if busy < 2 or not units:
        return 0.0
    return max(squares * busy / units**2 - 1, 0.0) * busy / (busy - 1)


def _without_demand() -> Iterator[Explained]:
    yield Explained("reorder point", "no demand in these days: it is never ordered", 0, "units")


def _by_the_seed(plan: PlanNumbers) -> Iterator[Explained]:
    z = service_factor(plan.level)
    d, s, lead = _n(plan.daily_mean), _n(plan.daily_deviation), _n(plan.lead_time_days)
    yield Explained("Z", f"standard normal quantile of service level {plan.level:g}", z)
    if varies := plan.lead_time_deviation_days:
        formula = f"Z · √(L · s² + d² · sL²) = {z:.3f} · √({lead} · {s}² + {d}² · {_n(varies)}²)"
    else:
        formula = f"Z · s · √L = {z:.3f} · {s} · √{lead}"
    yield Explained("safety stock", formula, plan.safety_stock, "units")
    over = _n(plan.daily_mean * plan.lead_time_days)
    formula = f"d · L + safety stock = {over} + {_n(plan.safety_stock)}, rounded up"
    yield Explained("reorder point", formula, plan.reorder_point, "units")


def _by_distribution(plan: PlanNumbers) -> Iterator[Explained]:
    d, s, lead = plan.daily_mean, plan.planned_deviation, plan.lead_time_days
    if plan.usual_deviation is not None and plan.usual_days is not None:
        busy, usual = plan.days_with_demand or 0, plan.usual_days
        yield Explained(
            "usual deviation",
            f"of a day, that items with this mean have in the warehouse; it counts for {_n(usual)} days with demand",
            plan.usual_deviation,
            "units a day",
        )
        both = f"{busy} · {_n(plan.daily_deviation)}² + {_n(usual)} · {_n(plan.usual_deviation)}²"
        how = f"√(({both}) / ({busy} + {_n(usual)}))"
        yield Explained("deviation s with the usual", how, s, "units a day")
    mean, deviation, factor = plan.outgoing_mean or 0.0, plan.outgoing_deviation or 0.0, plan.factor or 0.0
    undershoot, skewness = plan.undershoot or 0.0, plan.outgoing_skewness or 0.0
    how = f"(s² / d + 1) / 2 = ({_n(s)}² / {_n(d)} + 1) / 2, at least 1"
    yield Explained("undershoot", f"below the point when the order goes out: {how}", undershoot, "units")
    yield Explained(
        "mean M",
        f"leaves until the goods are there: d · L + undershoot - ½ = {_n(d * lead)} + {_n(undershoot)} - 0.5",
        mean,
        "units",
    )
    of_time = d * (plan.lead_time_deviation_days or 0.0)
    of_demand = s * math.sqrt(lead)
    widening = plan.widening or 1.0
    rest = math.sqrt(max((deviation / widening) ** 2 - of_demand**2 - of_time**2, 0.0))
    wider, times = "", ""
    if widening > 1:
        wider, times = "w · ", f"{widening:.3f} · "
        how = f"with it, {plan.level:.4g} of the orders in the warehouse's past would have come in time"
        yield Explained("widening w", how, widening)
    yield Explained(
        "deviation D",
        f"{wider}√((s · √L)² + (d · sL)² + rest²) = {times}√({_n(of_demand)}² + {_n(of_time)}² + {_n(rest)}²); "
        f"the rest is the undershoot's, and that of estimates from {plan.days} days",
        deviation,
        "units",
    )
    yield Explained("factor K", _factor(plan, skewness), factor)
    yield Explained(
        "reorder point",
        f"M + K · D = {_n(mean)} + {factor:.3f} · {_n(deviation)} = {_n(mean + factor * deviation)}; the nearer unit",
        plan.reorder_point,
        "units",
    )
    over = _n(d * lead)
    yield Explained(
        "safety stock", f"reorder point - d · L = {plan.reorder_point} - {over}", plan.safety_stock, "units"
    )


def _factor(plan: PlanNumbers, skewness: float) -> str:
    if plan.by_fill_rate:
        return f"the least with which {plan.level:.4g} of the units wanted is sold"
    if plan.method == PlanMethod.NORMAL:
        return f"standard normal quantile of service level {plan.level:g}"
    return (
        f"gamma, Pearson's type III: (q - 4/g²) · g/2, with skewness g {skewness:.3f} and q the quantile of "
        f"{plan.level:g} of the gamma distribution of shape 4/g²"
    )


def _quantity(
    plan: PlanNumbers, terms: Terms, breaks: Sequence[PriceBreak], unit_cost: Decimal | None
) -> Iterator[Explained]:
    if plan.order_cost is not None and plan.holding_cost_rate is not None and plan.unit_cost is not None:
        a_year = plan.mean_of_days * DAYS_A_YEAR
        if plan.holding_cost_rate * plan.unit_cost:
            formula = (
                f"√(2 · {_n(a_year)} a year · order cost {_n(plan.order_cost)} / "
                f"(holding {_n(plan.holding_cost_rate)} a year · unit cost {_n(plan.unit_cost)}))"
            )
        else:
            formula = f"a year's demand, {_n(a_year)}: it costs nothing to hold"
        yield Explained("EOQ", formula, plan.economic_order_quantity, "units")
    sold = f"at least {terms.minimum_order_quantity}, in packs of {terms.pack_size}"
    if breaks:
        lowest = [] if unit_cost is None else [f"{unit_cost.normalize():f} each"]
        prices = ", ".join([*lowest, *(f"{each.unit_cost.normalize():f} from {each.quantity} on" for each in breaks)])
        formula = f"of least yearly cost, no less than the point: goods ({prices}), orders and holding; {sold}"
    else:
        formula = f"EOQ, rounded up; {sold}; when it is ordered, no less than the point"
    yield Explained("order quantity", formula, plan.reorder_quantity, "units")


def _expected(plan: PlanNumbers) -> Iterator[Explained]:
    if plan.expected_cycle_service is not None:
        asked = "" if plan.by_fill_rate else f"; asked for {100 * plan.level:.4g} %"
        formula = f"of the cycles pass without a refused customer{asked}"
        yield Explained("expected service", formula, 100 * plan.expected_cycle_service, "%")
    if plan.expected_fill_rate is not None:
        asked = f"; asked for {100 * plan.level:.4g} %" if plan.by_fill_rate else ""
        yield Explained(
            "expected fill rate", f"of the units wanted are sold{asked}", 100 * plan.expected_fill_rate, "%"
        )


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"
