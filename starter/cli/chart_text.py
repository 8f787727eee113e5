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


class Frame:
    """Where things are: dots count from the lower left corner, two by four of them in a character.

    Args:
        most: The largest number that is drawn.
        since: The beginning.
        until: The end.
        lanes: Names of the lanes under the lines.
        width: Columns of the terminal.
        height: About how many rows the lines may take.
    """

    def __init__(
        self, most: int, since: datetime, until: datetime, *, lanes: Sequence[str], width: int, height: int
    ) -> None:
        self.since = since
        self.until = until
        self.units = round_units(most, 6)
        labels = [f"{each:,}" for each in self.units]
        self.gutter = max(map(len, [*labels, *lanes]))
        self.width = max(20, width - self.gutter - 2)
        self._rows_apart = max(1, round((height - 1) / (len(labels) - 1)))
        self.height = self._rows_apart * (len(labels) - 1) + 1
        self.labels = {number * self._rows_apart: label for number, label in enumerate(labels)}

    def x(self, at: datetime) -> int:
        """The column of dots of an instant."""
        return round((at - self.since) / (self.until - self.since) * (self.width * 2 - 1))

    def y(self, units: float) -> int:
        """The row of dots for a number of units."""
        return round(units / self.units[-1] * (self.height * 4 - 1))

    def column(self, at: datetime) -> int:
        """The column of characters of an instant."""
        return self.x(at) // 2

    def canvas(self) -> Canvas:
        """The dots, with nothing in them."""
        return Canvas(self.width, self.height, 0, 0, self.width * 2, self.height * 4)

    def rows(self, canvas: Canvas) -> Iterator[Text]:
        """The dots in rows, with the axis of the units."""
        rows = canvas.plot("\n").replace(_BLANK, " ").split("\n")
        for row, dots in zip(reversed(range(self.height)), rows, strict=True):
            label = self.labels.get(row)
            axis = f"{label:>{self.gutter}} ┤" if label else f"{'':{self.gutter}} │"
            yield Text(axis) + Text.from_ansi(dots)

    def time_axis(self) -> Iterator[Text]:
        """The line, and under it round instants."""
        instants = round_instants(self.since, self.until, max(1, self.width // _DATE_WIDTH))
        line, labels = ["─"] * self.width, [" "] * self.width
        for at, label in zip(instants, labels_of(instants), strict=True):
            column = self.column(at)
            line[column] = "┬"
            begins = min(max(0, column - len(label) // 2), self.width - len(label))
            labels[begins : begins + len(label)] = label
        yield Text(f"{'':{self.gutter}} └{''.join(line)}")
        yield Text(f"{'':{self.gutter}}  {''.join(labels).rstrip()}")

    def lane(self, name: str, signs: str, colour: str) -> Text:
        """A lane under the lines."""
        return Text.assemble(f"{name:>{self.gutter}}  ", (signs, colour))

    def marks(self, came: Iterable[tuple[datetime, int]]) -> str:
        """Units that come, each in its column; with their number where there is room for it."""
        by_column = [
            (column, sum(units for _, units in those))
            for column, those in itertools.groupby(came, key=lambda each: self.column(each[0]))
        ]
        lane = [" "] * self.width
        for (column, units), following in itertools.zip_longest(by_column, [column for column, _ in by_column[1:]]):
            mark = f"▲{units:,}"
            room = (self.width if following is None else following - 1) - column
            shown = mark if len(mark) <= room else "▲"
            lane[column : column + len(shown)] = shown
        return "".join(lane)


def draw(series: Series, *, width: int, height: int) -> Text:
    """The whole chart.

    Args:
        series: The item's course.
        width: Columns of the terminal.
        height: About how many rows the lines may take.
    """
    frame = Frame(series.most, series.since, series.until, lanes=_LANES, width=width, height=height)
    lanes = [
        ("received", frame.marks((each.at, each.units) for each in series.receipts), RECEIVED),
        ("below point", _bars(frame, series.below, "─"), POINT),
        ("out of stock", _bars(frame, series.stockouts, "━"), OUT),
    ]
    drawn = [
        *_lines(frame, series),
        *frame.time_axis(),
        *(frame.lane(name, lane, colour) for name, lane, colour in lanes if lane.strip()),
        Text(" " * (frame.gutter + 2)) + _legend(series),
    ]
    return Text("\n").join(drawn)


def _lines(frame: Frame, series: Series) -> Iterator[Text]:
    canvas = frame.canvas()
    spans = list(_spans(frame, series))
    for begin, end, point in spans:
        if point.reorder_point is not None:
            dots(canvas, (x for x in range(begin, end + 1) if x % 6 < 4), frame.y(point.reorder_point), POINT)
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
    yield from frame.rows(canvas)


def _spans(frame: Frame, series: Series) -> Iterator[tuple[int, int, CoursePoint]]:
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


def dots(canvas: Canvas, columns: Iterable[int], row: int, colour: str) -> None:
    """Dots in one row, in these columns."""
    for column in columns:
        canvas.point(column, row, color=colour)


def _bars(frame: Frame, periods: Sequence[Period], sign: str) -> str:
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
