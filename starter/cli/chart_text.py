"""A chart for a terminal: braille dots for the lines, and under them what came and when it ran out."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from plotille import Canvas
from rich.text import Text

from starter.cli.chart_series import Period, Series, labels_of, round_instants, round_units
from stockkeeper.contracts.ledger import CoursePoint

ON_HAND, RESERVED, POINT, RECEIVED, OUT = "cyan", "magenta", "yellow", "green", "red"
_DATE_WIDTH = 12
_BLANK = "\u2800"
_LANES = ("received", "below point", "out of stock")


class _Frame:
    """Where things are: dots count from the lower left corner, two by four of them in a character."""

    def __init__(self, series: Series, width: int, height: int) -> None:
        self._series = series
        self.units = round_units(series.most, 6)
        labels = [f"{each:,}" for each in self.units]
        self.gutter = max(map(len, [*labels, *_LANES]))
        self.width = max(20, width - self.gutter - 2)
        self._rows_apart = max(1, round((height - 1) / (len(labels) - 1)))
        self.height = self._rows_apart * (len(labels) - 1) + 1
        self.labels = {number * self._rows_apart: label for number, label in enumerate(labels)}

    def x(self, at: datetime) -> int:
        """The column of dots of an instant."""
        since, until = self._series.since, self._series.until
        return round((at - since) / (until - since) * (self.width * 2 - 1))

    def y(self, units: int) -> int:
        """The row of dots for a number of units."""
        return round(units / self.units[-1] * (self.height * 4 - 1))

    def column(self, at: datetime) -> int:
        """The column of characters of an instant."""
        return self.x(at) // 2


def draw(series: Series, *, width: int, height: int) -> Text:
    """The whole chart.

    Args:
        series: The item's course.
        width: Columns of the terminal.
        height: About how many rows the lines may take.
    """
    frame = _Frame(series, width, height)
    lanes = [
        ("received", _marks(frame, series), RECEIVED),
        ("below point", _bars(frame, series.below, "─"), POINT),
        ("out of stock", _bars(frame, series.stockouts, "━"), OUT),
    ]
    drawn = [
        *_lines(frame, series),
        *_time_axis(frame, series),
        *(Text.assemble(f"{name:>{frame.gutter}}  ", (lane, colour)) for name, lane, colour in lanes if lane.strip()),
        Text(" " * (frame.gutter + 2)) + _legend(series),
    ]
    return Text("\n").join(drawn)


def _lines(frame: _Frame, series: Series) -> Iterator[Text]:
    canvas = Canvas(frame.width, frame.height, 0, 0, frame.width * 2, frame.height * 4)
    spans = list(_spans(frame, series))
    for begin, end, point in spans:
        if point.reorder_point is not None:
            _dots(canvas, (x for x in range(begin, end + 1) if x % 6 < 4), frame.y(point.reorder_point), POINT)
    for column, units in _most_reserved(spans).items():
        canvas.point(column, frame.y(units), color=RESERVED)
    before: int | None = None
    for begin, end, point in spans:
        now = frame.y(point.on_hand)
        if before is not None:
            canvas.line(begin, before, begin, now, color=ON_HAND)
        canvas.line(begin, frame.y(point.lowest or 0), begin, now, color=ON_HAND)
        canvas.line(begin, now, end, now, color=ON_HAND)
        before = now
    rows = canvas.plot("\n").replace(_BLANK, " ").split("\n")
    for row, dots in zip(reversed(range(frame.height)), rows, strict=True):
        label = frame.labels.get(row)
        axis = f"{label:>{frame.gutter}} ┤" if label else f"{'':{frame.gutter}} │"
        yield Text(axis) + Text.from_ansi(dots)


def _spans(frame: _Frame, series: Series) -> Iterator[tuple[int, int, CoursePoint]]:
    """Each point with the columns of dots for which it holds: until the next one, or until the end."""
    ends = [*(each.at for each in series.points[1:]), series.until]
    for point, end in zip(series.points, ends, strict=True):
        yield frame.x(point.at), frame.x(end), point


def _most_reserved(spans: Iterable[tuple[int, int, CoursePoint]]) -> dict[int, int]:
    """The most units reserved in each column of dots: holds come and go faster than a terminal can show."""
    most: dict[int, int] = {}
    for begin, end, point in spans:
        for column in range(begin, end + 1):
            most[column] = max(point.reserved, most.get(column, 0))
    return {column: units for column, units in most.items() if units}


def _dots(canvas: Canvas, columns: Iterable[int], row: int, colour: str) -> None:
    for column in columns:
        canvas.point(column, row, color=colour)


def _time_axis(frame: _Frame, series: Series) -> Iterator[Text]:
    """The line, and under it round instants."""
    instants = round_instants(series.since, series.until, max(1, frame.width // _DATE_WIDTH))
    line, labels = ["─"] * frame.width, [" "] * frame.width
    for at, label in zip(instants, labels_of(instants), strict=True):
        column = frame.column(at)
        line[column] = "┬"
        begins = min(max(0, column - len(label) // 2), frame.width - len(label))
        labels[begins : begins + len(label)] = label
    yield Text(f"{'':{frame.gutter}} └{''.join(line)}")
    yield Text(f"{'':{frame.gutter}}  {''.join(labels).rstrip()}")


def _marks(frame: _Frame, series: Series) -> str:
    """Receipts, each in its column; with its units where there is room for them."""
    came = [
        (column, sum(each.units for each in receipts))
        for column, receipts in itertools.groupby(series.receipts, key=lambda each: frame.column(each.at))
    ]
    lane = [" "] * frame.width
    for (column, units), following in itertools.zip_longest(came, [column for column, _ in came[1:]]):
        mark = f"▲{units:,}"
        room = (frame.width if following is None else following - 1) - column
        shown = mark if len(mark) <= room else "▲"
        lane[column : column + len(shown)] = shown
    return "".join(lane)


def _bars(frame: _Frame, periods: Sequence[Period], sign: str) -> str:
    """Bars while something was so; a moment is one character."""
    lane = [" "] * frame.width
    for period in periods:
        for column in range(frame.column(period.begins), frame.column(period.ends) + 1):
            lane[column] = sign
    return "".join(lane)


def _legend(series: Series) -> Text:
    """The legend of the lines that are drawn."""
    shown: list[tuple[str, str, Callable[[CoursePoint], object]]] = [
        ("⠒⠒⠒ on hand", ON_HAND, lambda _: True),
        ("⠤⠒⠤ reserved", RESERVED, lambda each: each.reserved),
        ("⠒⠒ ⠒⠒ reorder point", POINT, lambda each: each.reorder_point is not None),
    ]
    return Text("   ").join(
        Text(text, style=colour) for text, colour, is_there in shown if any(map(is_there, series.points))
    )
