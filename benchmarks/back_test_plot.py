"""Pictures of the results of `benchmarks.back_test`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

_COLORS = ("#2b6cb0", "#63b3ed", "#dd6b20", "#a0aec0", "#718096")
_FROM = 0.6


def draw_classes(path: Path, reached: Mapping[str, Mapping[str, float]], asked_for: float) -> None:
    """Draw the service that each method reaches for each class of demand.

    Args:
        path: The picture; its ending is the format.
        reached: By class and method: part of the cycles without a refused customer.
        asked_for: The service that planning was asked for.
    """
    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots()
    methods = list(next(iter(reached.values())))
    height = 0.8 / len(methods)
    for number, method in enumerate(methods):
        places = [place + (number - (len(methods) - 1) / 2) * height for place in range(len(reached))]
        parts = [max(by_method[method] - _FROM, 0) for by_method in reached.values()]
        axes.barh(places, parts, height, left=_FROM, color=_COLORS[number % len(_COLORS)], label=method)
    axes.axvline(asked_for, color="black", linestyle="--", linewidth=1, label=f"asked for: {asked_for:.0%}")
    axes.axvspan(asked_for - 0.01, asked_for + 0.01, color="black", alpha=0.08, linewidth=0)
    axes.set_yticks(range(len(reached)), list(reached))
    axes.invert_yaxis()
    axes.set_xlim(_FROM, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title("cycles without a refused customer", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(methods) + 1, frameon=False)
    figure.savefig(path, dpi=110)


def draw_curves(path: Path, curves: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Draw the stock that each method needs for the service that it reaches.

    Args:
        path: The picture; its ending is the format.
        curves: By method: service reached, and average stock of an item.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for (name, points), color in zip(curves.items(), (_COLORS[0], _COLORS[2], _COLORS[3]), strict=True):
        ordered = sorted(points)
        axes.plot(
            [service for service, _ in ordered], [units for _, units in ordered], color=color, marker="o", label=name
        )
    axes.set_xlim(0.85, 1)
    axes.set_xlabel("cycles without a refused customer")
    axes.set_ylabel("average stock of an item, units")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)
