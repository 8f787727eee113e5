"""How often goods come by the day that is promised, from few measured lead times, beside simpler bounds.

    python -m benchmarks.order_promising [--suppliers 20000] [--seed 1]

For each number of measured orders and each kind of lead time: so many suppliers, whose orders are measured, and whose
next delivery comes by the day answered or doesn't. Some twenty seconds on one core.
"""

import argparse
import math
import random
from collections.abc import Callable, Sequence
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


def kept(draw: Draw, orders: int, confidence: float, suppliers: int) -> dict[str, float]:
    """The part of suppliers whose next delivery comes by each bound."""
    within = dict.fromkeys(BOUNDS, 0)
    for _ in range(suppliers):
        measured = [draw() for _ in range(orders)]
        mean, following = fmean(measured), draw()
        deviation = math.sqrt(sum((each - mean) ** 2 for each in measured) / (orders - 1))
        for name, bound in BOUNDS.items():
            within[name] += following <= bound(mean, deviation, orders, confidence)
    return {name: number / suppliers for name, number in within.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suppliers", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--confidence", type=float, action="append")
    options = parser.parse_args(arguments)
    for confidence in options.confidence or (0.95,):
        print(
            f"asked for {confidence:.0%}: deliveries that come by the bound, in percent (ours / mean + t / mean + z)\n"
        )
        print(f"| lead times | deviation / mean | {' | '.join(f'{orders} orders' for orders in ORDERS)} |")
        print(f"|---|---:|{'---:|' * len(ORDERS)}")
        for kind, made in KINDS.items():
            for variation in VARIATIONS:
                chance = random.Random(f"{options.seed}/{kind}/{variation}")
                cells = []
                for orders in ORDERS:
                    found = kept(made(chance, variation), orders, confidence, options.suppliers)
                    cells.append(" / ".join(f"{found[name] * 100:.1f}" for name in BOUNDS))
                print(f"| {kind} | {variation} | {' | '.join(cells)} |")
        print()


if __name__ == "__main__":
    main()
