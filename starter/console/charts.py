"""Charts as SVG made here: where lines, bands and words stand. Colours are the style sheet's, by class."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo

from starter.cli.chart_series import Period, Series, round_instants, round_units
from starter.console.texts import Texts
from stockkeeper.contracts.plan_questions import PlanExplained

WIDTH, HEIGHT = 760, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 12, 22, 30
_TICKS, _UNITS = 6, 5
_NARROWEST = 2.0
"""Of a band, so that a moment without stock is seen."""


@dataclass(frozen=True)
class Line:
    """A line or an area: its kind, which is its class, and its path."""

    kind: str
    path: str


@dataclass(frozen=True)
class Band:
    """A period over the whole height."""

    x: float
    width: float


@dataclass(frozen=True)
class Word:
    """A word at a place."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        lines: From the back to the front.
        bands: While nothing was there.
        marks: Where goods came.
        across: Words under the chart.
        up: Words beside it, at a line across each.
        kinds: What is drawn, for the legend.
    """

    lines: Sequence[Line]
    across: Sequence[Word]
    up: Sequence[Word]
    kinds: Sequence[str]
    bands: Sequence[Band] = ()
    marks: Sequence[Word] = ()
    width: int = field(default=WIDTH)
    height: int = field(default=HEIGHT)
    left: int = field(default=_LEFT)
    right: int = field(default=WIDTH - _RIGHT)
    foot: int = field(default=HEIGHT - _BOTTOM)
    top: int = field(default=_TOP)


class _Scale:
    """From instants and units to places."""

    def __init__(self, since: datetime, until: datetime, most: float) -> None:
        self.since, self.until = since, until
        self.units = round_units(max(round(most + 0.5), 1), _UNITS)
        self._length = max((until - since).total_seconds(), 1.0)

    def x(self, at: datetime) -> float:
        part = min(max((at - self.since).total_seconds() / self._length, 0.0), 1.0)
        return round(_LEFT + part * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, units: float) -> float:
        return round(HEIGHT - _BOTTOM - max(units, 0.0) / self.units[-1] * (HEIGHT - _BOTTOM - _TOP), 1)

    def up(self, texts: Texts) -> list[Word]:
        return [Word(_LEFT - 8, self.y(each), texts.number(each)) for each in self.units]

    def across(self, texts: Texts, zone: tzinfo) -> list[Word]:
        found = round_instants(self.since, self.until, _TICKS)
        days = self.until - self.since > timedelta(days=3)
        return [
            Word(self.x(at), HEIGHT - 8, texts.short_day(at, zone) if days else texts.clock(at, zone)) for at in found
        ]


def chart_of(series: Series, texts: Texts, zone: tzinfo) -> Chart | None:
    """The chart of an item's past; None: it had no movement by then.

    Args:
        series: Levels, receipts and periods.
        texts: Words and numbers.
        zone: The warehouse's timezone.
    """
    points = series.points
    if not points:
        return None
    scale = _Scale(series.since, series.until, series.most)
    times = [each.at for each in points]
    on_hand = [each.on_hand for each in points]
    drawn = [Line("on_hand", _steps(scale, times, on_hand))]
    fill = f"{drawn[0].path}V{scale.y(0)}H{scale.x(times[0])}Z"
    lines = [Line("fill", fill)]
    if any(each.reserved for each in points):
        lines.append(Line("reserved", _steps(scale, times, [each.reserved for each in points])))
    if any(each.reorder_point is not None for each in points):
        lines.append(Line("reorder_point", _steps(scale, times, [each.reorder_point for each in points])))
    lines += drawn
    return Chart(
        lines,
        scale.across(texts, zone),
        scale.up(texts),
        kinds=[*(each.kind for each in lines if each.kind != "fill"), *(["out"] if series.stockouts else [])],
        bands=[_band(scale, each) for each in series.stockouts],
        marks=[
            Word(scale.x(each.at), scale.y(each.on_hand), f"+{texts.number(each.units)}") for each in series.receipts
        ],
    )


def outlook_of(plan: PlanExplained, texts: Texts, zone: tzinfo) -> Chart | None:
    """The chart of an item's next weeks; None: there is no plan that foresees them."""
    days = plan.outlook
    if not days:
        return None
    point = plan.reorder_point or 0
    at = [_noon(each.day, zone) for each in days]
    scale = _Scale(at[0], at[-1], max(point, *(each.high for each in days)))
    high = _through(scale, at, [each.high for each in days])
    backwards = _through(scale, at[::-1], [each.low for each in days][::-1])
    lines = [
        Line("fill", f"{high}L{backwards[1:]}Z"),
        Line("reorder_point", f"M{scale.x(at[0])} {scale.y(point)}H{scale.x(at[-1])}"),
        Line("expected", _through(scale, at, [each.expected for each in days])),
    ]
    coming = [each for each in plan.arrivals if each.expected_on is not None and each.expected_on <= days[-1].day]
    expected = {each.day: each.expected for each in days}
    marks = [
        Word(scale.x(_noon(day, zone)), scale.y(expected.get(day, 0)), f"+{texts.number(each.quantity)}")
        for each in coming
        if (day := max(each.expected_on or days[0].day, days[0].day))
    ]
    kinds = ["expected", "fill", "reorder_point"]
    return Chart(lines, scale.across(texts, zone), scale.up(texts), kinds, marks=marks)


def _band(scale: _Scale, period: Period) -> Band:
    begins = scale.x(period.begins)
    return Band(begins, max(round(scale.x(period.ends) - begins, 1), _NARROWEST))


def _steps(scale: _Scale, times: Sequence[datetime], units: Iterable[int | None]) -> str:
    """A line that holds each number until the next."""
    path, begun = "", False
    for at, number in zip(times, units, strict=True):
        if number is None:
            path += f"H{scale.x(at)}" if begun else ""
            begun = False
        else:
            path += f"H{scale.x(at)}V{scale.y(number)}" if begun else f"M{scale.x(at)} {scale.y(number)}"
            begun = True
    return f"{path}H{scale.x(scale.until)}" if begun else path


def _through(scale: _Scale, times: Sequence[datetime], units: Sequence[float]) -> str:
    return "M" + "L".join(f"{scale.x(at)} {scale.y(number)}" for at, number in zip(times, units, strict=True))


def _noon(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(12), zone)
