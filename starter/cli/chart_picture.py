"""A chart as a picture: PNG or SVG by the file's ending."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from starter.cli.chart_series import Period, Series, labels_of, round_instants, round_units

_ON_HAND, _RESERVED, _POINT, _RECEIVED, _OUT = "#2b6cb0", "#805ad5", "#b7791f", "#2f855a", "#c53030"
_NUMBERS_SHOWN = 25
"""Receipts whose units are written beside them: with more they cover each other."""
_INSTANTS_SHOWN, _UNITS_SHOWN = 9, 7


def draw(series: Series, path: Path, kind: str) -> None:
    """Draw it into a file.

    Args:
        series: The item's course.
        path: The file.
        kind: ``png`` or ``svg``.
    """
    # The same numbers make the same file, to the byte.
    with rc_context({"svg.hashsalt": "stockkeeper", "svg.fonttype": "none"}):
        figure = Figure(figsize=(11, 5), layout="constrained")
        axes = figure.subplots()
        _draw_lines(axes, series)
        _draw_periods(axes, series)
        _draw_receipts(axes, series)
        axes.set_title(series.title, loc="left", parse_math=False)
        axes.set_ylabel("units")
        axes.set_xlim(_day(series.since), _day(series.until))
        units = round_units(series.most, _UNITS_SHOWN)
        axes.set_ylim(0, max(units[-1], series.most * 1.12))
        axes.set_yticks(units, [f"{each:,}" for each in units])
        instants = round_instants(series.since, series.until, _INSTANTS_SHOWN)
        axes.set_xticks([_day(at) for at in instants], labels_of(instants))
        axes.set_xlabel("UTC", loc="right")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e2e8f0", linewidth=0.8)
        axes.set_axisbelow(True)
        figure.legend(loc="outside lower left", ncols=6, frameon=False)
        figure.savefig(path, format=kind, dpi=110, metadata={"Date": None} if kind == "svg" else None)


def _draw_lines(axes: Axes, series: Series) -> None:
    points = series.points
    times = [*(_day(each.at) for each in points), _day(series.until)]
    on_hand = [each.on_hand for each in points]
    axes.fill_between(times, [*on_hand, on_hand[-1]], step="post", color=_ON_HAND, alpha=0.12, linewidth=0)
    # Where it was lower between two points than at both of them, the line goes down there, too.
    times_down = [time for time in times[:-1] for _ in range(2)]
    lowest = [number for each in points for number in (each.lowest or 0, each.on_hand)]
    axes.step(
        [*times_down, times[-1]], [*lowest, on_hand[-1]], where="post", color=_ON_HAND, linewidth=1.6, label="on hand"
    )
    if any(each.reserved for each in points):
        reserved = [each.reserved for each in points]
        axes.step(times, [*reserved, reserved[-1]], where="post", color=_RESERVED, linewidth=1.2, label="reserved")
    if any(each.reorder_point is not None for each in points):
        levels = [float("nan") if each.reorder_point is None else each.reorder_point for each in points]
        axes.step(
            times,
            [*levels, levels[-1]],
            where="post",
            color=_POINT,
            linewidth=1.4,
            linestyle=(0, (5, 3)),
            label="reorder point",
        )


def _draw_periods(axes: Axes, series: Series) -> None:
    """Below the reorder point: a band at the foot. Out of stock: over the whole height, to be seen at once."""
    for number, (begins, length) in enumerate(_widths(series.below, series)):
        label = None if number else "below the reorder point"
        axes.axvspan(begins, begins + length, 0, 0.025, color=_POINT, alpha=0.55, linewidth=0, label=label)
    for number, (begins, length) in enumerate(_widths(series.stockouts, series)):
        label = None if number else "out of stock"
        axes.axvspan(begins, begins + length, color=_OUT, alpha=0.18, linewidth=0, label=label)


def _widths(periods: Sequence[Period], series: Series) -> list[tuple[float, float]]:
    """Where each begins, and how wide it is: a moment is still seen."""
    narrowest = (_day(series.until) - _day(series.since)) / 500
    return [(_day(each.begins), max(_day(each.ends) - _day(each.begins), narrowest)) for each in periods]


def _draw_receipts(axes: Axes, series: Series) -> None:
    if not series.receipts:
        return
    times = [_day(each.at) for each in series.receipts]
    heights = [each.on_hand for each in series.receipts]
    axes.plot(
        times, heights, linestyle="none", marker="^", markersize=8, color=_RECEIVED, label="received", clip_on=False
    )
    if len(series.receipts) <= _NUMBERS_SHOWN:
        for receipt, time in zip(series.receipts, times, strict=True):
            axes.annotate(
                f"+{receipt.units:,}",
                (time, receipt.on_hand),
                textcoords="offset points",
                xytext=(0, 8),
                ha="center",
                color=_RECEIVED,
                fontsize=9,
            )


def _day(at: datetime) -> float:
    return at.timestamp() / 86_400
