"""Record what stockpyl answers, so that the tests compare with it without its forty packages.

    python -m tests.domain.stockpyl_record

stockpyl is Snyder and Shen's own code for their book. It comes with the ``bench`` extra; the file says which version
answered. The questions are drawn from a fixed seed, so a second run writes the same file.
"""

import json
import math
import random
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("stockpyl_values.json")
QUESTIONS = 250
"""So many for each of its functions."""

Row = dict[str, Any]


def over_the_lead_time(daily: Sequence[int], lead_times: Sequence[int]) -> tuple[Fraction, Fraction]:
    """Mean and variance of what is asked for over a lead time, exact, by going through everything that may happen.

    Each day's demand is one of these with the same probability, whatever the other days', and so is the lead time.
    """
    chances: Counter[int] = Counter()
    total: Counter[int] = Counter({0: 1})
    for length in range(1, max(lead_times) + 1):
        longer: Counter[int] = Counter()
        for units, ways in total.items():
            for each in daily:
                longer[units + each] += ways
        total = longer
        # As many ways for each length, so that no length weighs more for having more days.
        weight = lead_times.count(length) * len(daily) ** (max(lead_times) - length)
        for units, ways in total.items():
            chances[units] += ways * weight
    ways = sum(chances.values())
    mean = Fraction(sum(units * each for units, each in chances.items()), ways)
    return mean, Fraction(sum(units**2 * each for units, each in chances.items()), ways) - mean**2


class Questions:
    """Draws arguments over their whole range: a tenth of them at an end of it, money and units by their magnitude."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def magnitude(self, least: float, most: float) -> float:
        """A number whose logarithm is spread evenly."""
        return self._or_an_end(least, most, math.exp(self._random.uniform(math.log(least), math.log(most))))

    def level(self, least: float = 0.5, most: float = 0.9999) -> float:
        """A service level."""
        return self._or_an_end(least, most, self._random.uniform(least, most))

    def days(self) -> int:
        """Whole days."""
        return self._random.randint(1, 200)

    def some(self, least: int, most: int) -> list[int]:
        """Two to four whole numbers."""
        return [self._random.randint(least, most) for _ in range(self._random.randint(2, 4))]

    def _or_an_end(self, least: float, most: float, value: float) -> float:
        return self._random.choice((least, most)) if self._random.random() < 0.1 else value


def _ask() -> dict[str, list[Row]]:
    with warnings.catch_warnings():
        # Its docstrings have escapes that Python doesn't know, which it says when it compiles them.
        warnings.simplefilter("ignore")
        from stockpyl.eoq import economic_order_quantity  # noqa: PLC0415 - of an extra
        from stockpyl.newsvendor import newsvendor_normal  # noqa: PLC0415
        from stockpyl.rq import r_q_eoqss_approximation  # noqa: PLC0415

    draw = Questions(1)

    def quantity() -> Row:
        demand, cost, holding = draw.magnitude(0.01, 1e4), draw.magnitude(0.01, 1e5), draw.magnitude(0.001, 1e3)
        expected, _ = economic_order_quantity(fixed_cost=cost, holding_cost=holding, demand_rate=demand)
        return {"demand": demand, "order_cost": cost, "holding_cost": holding, "quantity": expected}

    def policy() -> Row:
        mean, deviation = draw.magnitude(0.01, 1e4), draw.magnitude(0.01, 5e3)
        lead_time, level = draw.magnitude(0.1, 200), draw.level()
        cost, holding = draw.magnitude(0.01, 1e5), draw.magnitude(0.001, 1e3)
        daily_holding = holding / 365
        point, order = r_q_eoqss_approximation(
            daily_holding, daily_holding * level / (1 - level), cost, mean, deviation, lead_time
        )
        given = {"mean": mean, "deviation": deviation, "lead_time": lead_time, "level": level}
        return given | {"order_cost": cost, "holding_cost": holding, "point": point, "quantity": order}

    def base_stock() -> Row:
        mean, deviation = draw.magnitude(0.01, 1e4), draw.magnitude(0.01, 5e3)
        lead_time, level = draw.days(), draw.level()
        expected, _ = newsvendor_normal(1, level / (1 - level), mean, deviation, lead_time=lead_time - 1)
        return {"mean": mean, "deviation": deviation, "lead_time": lead_time, "level": level, "point": expected}

    def counted() -> Row:
        daily, lead_times, level = draw.some(0, 9), draw.some(1, 6), draw.level(0.55, 0.999)
        mean, variance = over_the_lead_time(daily, lead_times)
        # stockpyl refuses a demand that doesn't vary; its quantile is the mean.
        expected = float(mean)
        if variance:
            expected, _ = newsvendor_normal(1, level / (1 - level), float(mean), math.sqrt(variance))
        return {"daily": daily, "lead_times": lead_times, "level": level, "point": expected}

    def many(question: Callable[[], Row]) -> list[Row]:
        return [{name: _plain(value) for name, value in question().items()} for _ in range(QUESTIONS)]

    example, _ = r_q_eoqss_approximation(1, 0.95 / 0.05, 50, 50, 10, 7)
    return {
        "example": [{"point": float(example)}],
        "economic_order_quantity": many(quantity),
        "r_q_eoqss_approximation": many(policy),
        "newsvendor_normal": many(base_stock),
        "newsvendor_normal, demand counted": many(counted),
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | list) else float(value)


def main() -> None:
    """Write the file anew."""
    rows = _ask()
    text = ",\n".join(
        f'"{name}": [\n' + ",\n".join(f"  {json.dumps(row)}" for row in rows[name]) + "\n]" for name in rows
    )
    RECORDED.write_text(f'{{\n"stockpyl": "{version("stockpyl")}",\n{text}\n}}\n')


if __name__ == "__main__":
    main()
