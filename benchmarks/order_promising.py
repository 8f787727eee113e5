"""How often goods come by the day that is promised, from few measured lead times, beside simpler bounds.

    python -m benchmarks.order_promising [--suppliers 20000] [--seed 1]

For each number of measured orders and each kind of lead time: so many suppliers, whose orders are measured, and whose
next delivery comes by the day answered or doesn't. A second table is of deliveries that are late, asked about one
deviation after the mean: by that time they haven't come. About a minute on one core.
"""

import argparse
import math
import random
from collections.abc import Callable, Sequence
from functools import partial
from statistics import NormalDist, fmean

from stockkeeper.domain.arrival import DeliveryTime, _upper

MEAN = 7.0
ORDERS = (3, 5, 10, 30)
VARIATIONS = (0.2, 0.5, 0.8)

Bound = Callable[[float, float, int, float], float]
"""Days by mean, deviation, number of orders and confidence."""
Draw = Callable[[], float]


def _normal(chance: random.Random, variation: float) -> Draw:
    return lambda: max(chance.gauss(MEAN, MEAN * variation), 0.01)


def _gamma(chance: random.Random, variation: float) -> Draw:
    return lambda: chance.gammavariate(1 / variation**2, MEAN * variation**2)


def _lognormal(chance: random.Random, variation: float) -> Draw:
    spread = math.sqrt(math.log1p(variation**2))
    return lambda: chance.lognormvariate(math.log(MEAN) - spread**2 / 2, spread)


KINDS = {"normal": _normal, "gamma": _gamma, "log-normal": _lognormal}


def _ours(mean: float, deviation: float, orders: int, confidence: float) -> float:
    days = DeliveryTime(mean, deviation, orders).within(confidence)
    return math.inf if days is None else days


def _z(mean: float, deviation: float, _orders: int, confidence: float) -> float:
    return mean + NormalDist().inv_cdf(confidence) * deviation


def _t(mean: float, deviation: float, orders: int, confidence: float) -> float:
    return mean + _upper(orders - 1, 1 - confidence) * deviation * math.sqrt(1 + 1 / orders)


BOUNDS: dict[str, Bound] = {"ours": _ours, "mean + t": _t, "mean + z": _z}


def _measured(draw: Draw, orders: int) -> tuple[float, float]:
    """Mean and deviation of as many lead times."""
    measured = [draw() for _ in range(orders)]
    mean = fmean(measured)
    return mean, math.sqrt(sum((each - mean) ** 2 for each in measured) / (orders - 1))


def kept(draw: Draw, orders: int, confidence: float, suppliers: int) -> str:
    """The percentage of suppliers whose next delivery comes by each bound."""
    within = dict.fromkeys(BOUNDS, 0)
    for _ in range(suppliers):
        (mean, deviation), following = _measured(draw, orders), draw()
        for name, bound in BOUNDS.items():
            within[name] += following <= bound(mean, deviation, orders, confidence)
    return " / ".join(_percent(number, suppliers) for number in within.values())


def kept_late(draw: Draw, orders: int, confidence: float, suppliers: int) -> str:
    """The same, by ours, of deliveries that haven't come a deviation after the mean; a fifth as many."""
    within, asked = 0, 0
    while asked < suppliers // 5:
        (mean, deviation), following = _measured(draw, orders), draw()
        if following > mean + deviation:
            asked += 1
            days = DeliveryTime(mean, deviation, orders).within(confidence, waited=mean + deviation)
            within += days is not None and following <= days
    return _percent(within, asked)


def _percent(part: int, whole: int) -> str:
    return f"{part / whole * 100:.1f}"


def _print_table(title: str, cell: Callable[[Draw, int], str], seed: int) -> None:
    print(f"{title}\n")
    print(f"| lead times | deviation / mean | {' | '.join(f'{orders} orders' for orders in ORDERS)} |")
    print(f"|---|---:|{'---:|' * len(ORDERS)}")
    for kind, made in KINDS.items():
        for variation in VARIATIONS:
            chance = random.Random(f"{seed}/{kind}/{variation}")
            cells = [cell(made(chance, variation), orders) for orders in ORDERS]
            print(f"| {kind} | {variation} | {' | '.join(cells)} |", flush=True)
    print()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suppliers", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--confidence", type=float, action="append")
    options = parser.parse_args(arguments)
    for confidence in options.confidence or (0.95,):
        kept_of = partial(_cell, kept, confidence, options.suppliers)
        bounds = " / ".join(BOUNDS)
        _print_table(f"asked for {confidence:.0%}: percent that come by the bound ({bounds})", kept_of, options.seed)
        late_of = partial(_cell, kept_late, confidence, options.suppliers)
        _print_table(f"asked for {confidence:.0%} of late deliveries: percent that come by ours", late_of, options.seed)


def _cell(
    count: Callable[[Draw, int, float, int], str], confidence: float, suppliers: int, draw: Draw, orders: int
) -> str:
    return count(draw, orders, confidence, suppliers)


if __name__ == "__main__":
    main()
