"""The next weeks of an item in a terminal: its expected course with a band, what comes, and when to order."""

import itertools
from datetime import UTC, date, datetime, time

from rich.text import Text

from starter.cli.chart_text import POINT, RECEIVED, Frame, dots
from stockkeeper.contracts.plan_questions import PlanExplained

EXPECTED, BAND, ORDER = "cyan", "blue", "magenta"
_LANES = ("on its way", "order by")


def draw(found: PlanExplained, *, width: int, height: int) -> Text:
    """The whole chart.

    Args:
        found: The plan, with the days ahead.
        width: Columns of the terminal.
        height: About how many rows the lines may take.
    """
    days, point = found.outlook, found.reorder_point or 0
    first, last = days[0].day, days[-1].day
    most = max(1, point, *(round(each.high + 0.5) for each in days))
    frame = Frame(most, _at(first), _at(last), lanes=_LANES, width=width, height=height)
    canvas = frame.canvas()
    dots(canvas, (x for x in range(frame.width * 2) if x % 6 < 4), frame.y(point), POINT)
    for each in days:
        for edge in (each.low, each.high):
            canvas.point(frame.x(_at(each.day)), frame.y(edge), color=BAND)
    for before, after in itertools.pairwise(days):
        begin, end = frame.x(_at(before.day)), frame.x(_at(after.day))
        canvas.line(begin, frame.y(before.expected), end, frame.y(after.expected), color=EXPECTED)
    coming = [
        (_at(max(each.expected_on, first)), each.quantity)
        for each in found.arrivals
        if each.expected_on is not None and each.expected_on <= last
    ]
    lanes = [(_LANES[0], frame.marks(coming), RECEIVED)]
    if found.order_by is not None and found.order_by <= last:
        lanes.append((_LANES[1], " " * frame.column(_at(found.order_by)) + "◆", ORDER))
    legend = Text("   ").join(
        Text(text, style=colour)
        for text, colour in (("⠒⠒⠒ expected", EXPECTED), ("⠂ ⠂ nine in ten", BAND), ("⠒⠒ ⠒⠒ reorder point", POINT))
    )
    return Text("\n").join(
        [
            *frame.rows(canvas),
            *frame.time_axis(),
            *(frame.lane(name, signs, colour) for name, signs, colour in lanes if signs.strip()),
            Text(" " * (frame.gutter + 2)) + legend,
        ]
    )


def _at(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
