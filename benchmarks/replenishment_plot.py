"""Pictures of the results of `benchmarks.replenishment_simulation`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

_REACHED = "#2b6cb0"
_MISSING = ("#dd6b20", "#805ad5", "#a0aec0")
_FROM = 0.5
"""Service level at which the bars begin, so that the missing part is visible."""

Steps = Mapping[str, Sequence[float]]
Evenings = Sequence[tuple[int, int]]


def draw(
    path: Path,
    *,
    asked_for: float,
    causes: Sequence[str],
    steps: Mapping[str, Steps],
    evenings: Mapping[str, Evenings],
) -> None:
    """Draw, for each kind of demand, the service level with its missing parts, and a year of one item.

    Args:
        path: The picture; its ending is the format.
        asked_for: The service level that planning was asked for.
        causes: Names of the missing parts.
        steps: By kind of demand and scenario: the service reached, and the missing parts by cause.
        evenings: By kind of demand: on hand and the point, day by day.
    """
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    axes = figure.subplots(len(steps), 2, width_ratios=(1, 1.1), squeeze=False)
    for (left, right), kind in zip(axes, steps, strict=True):
        _draw_steps(left, f"{kind} demand: cycles without a stockout", steps[kind], causes, asked_for)
        _draw_year(right, f"a year of one item, {kind} demand", evenings[kind])
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=len(labels), frameon=False)
    handles, labels = axes[0][1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=len(labels), frameon=False)
    figure.savefig(path, dpi=110)


def _draw_steps(axes: Axes, title: str, steps: Steps, causes: Sequence[str], asked_for: float) -> None:
    places = range(len(steps))
    begins = [0.0] * len(steps)
    for number, (name, color) in enumerate(zip(("reached", *causes), (_REACHED, *_MISSING), strict=True)):
        parts = [of_step[number] for of_step in steps.values()]
        axes.barh(places, parts, left=begins, color=color, label=name)
        begins = [begin + part for begin, part in zip(begins, parts, strict=True)]
    for place, (reached, *_) in zip(places, steps.values(), strict=True):
        axes.text(reached - 0.005, place, f"{reached:.1%}", color="white", ha="right", va="center")
    axes.set_yticks(places, list(steps))
    axes.axvline(asked_for, color="black", linestyle="--", linewidth=1, label=f"asked for: {asked_for:.0%}")
    axes.invert_yaxis()
    axes.set_xlim(_FROM, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_year(axes: Axes, title: str, evenings: Evenings) -> None:
    axes.step(range(len(evenings)), [on_hand for on_hand, _ in evenings], color=_REACHED, label="on hand, units")
    axes.plot([point for _, point in evenings], color=_MISSING[0], label="reorder point")
    axes.set_xlabel("day")
    axes.set_xlim(0, len(evenings))
    axes.set_ylim(bottom=0)
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
