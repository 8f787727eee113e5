"""The choice of the items to count on a day.

Items that much of the demand goes through are counted often, the others seldom (ABC). Due items are spread so that
each day's list is about as long as the next, and so that nothing is late as long as the warehouse can count what falls
due.

How it is spread, for the items of one class that are counted every ``T`` days. Let ``D(k)`` be how many of them are due
within the next ``k`` days, with those of today and before as ``D(0)``. The level is the steepest part of what lies
ahead: ``L = max over k < T of ceil(D(k) / (k + 1))``. If ``L`` are counted on each of the next ``k`` days, what is due
until then and finds no place there has to be counted today: ``m = max over k of D(k) - L k``, the earliest first. So
nothing is ever late; and the level never rises by itself, because what is counted today is due again in ``T`` days, and
all ``n`` items together ask for ``ceil(n / T)``, which ``L`` is no less than. A cap that holds the level of the first
day holds that of every day. (Earliest deadline first, as in C. L. Liu and J. W. Layland, 1973, for jobs of one unit,
with the level of the critical interval as in F. Yao, A. Demers and S. Shenker, 1995.)

Up to the level, items that were off and items that were never counted come before their time. And no day has fewer than
``floor(n / T)``: what is due next comes early on a day that would have less to do, which costs nothing, because all
items together are due as often as that. So where nothing is off or overdue, the lists of a class differ by one item.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from stockkeeper.domain.cycle_count import MOST_LINES


class CountClass(StrEnum):
    """Class of an item by its share of the demand: A most, C little or nothing."""

    A = "A"
    B = "B"
    C = "C"


class CountPlanStatus(StrEnum):
    """Status of a planning run."""

    RUNNING = "RUNNING"
    DONE = "DONE"


@dataclass(frozen=True)
class Cycle:
    """Rules for the classes, and for how often each is counted.

    Attributes:
        a_percent: Percent of the demand that makes class A.
        b_percent: The percent after it that makes class B; all others are C.
        days: Days from one count to the next, by class.
        at_least: Items on a day's list at least, while there are items without any count.
        cap: Items on a day's list at most.
    """

    a_percent: Decimal
    b_percent: Decimal
    days: Mapping[CountClass, int]
    at_least: int
    cap: int


@dataclass(frozen=True)
class Countable:
    """An item that can be counted.

    Attributes:
        product_id: The product.
        count_class: Its class.
        since: The day of its latest count; if there was none, the day on which it was first there.
        was_counted: Whether there was one.
        was_off: Whether the latest count was beyond tolerance.
        lines: Lines that it would have on a list: one, or one for each lot of a tracked product.
    """

    product_id: int
    count_class: CountClass
    since: date
    was_counted: bool = True
    was_off: bool = False
    lines: int = 1

    @property
    def is_doubtful(self) -> bool:
        """Whether the books are in doubt: the item was off, or was never counted."""
        return self.was_off or not self.was_counted


@dataclass(frozen=True)
class DayPlan:
    """One day's list.

    Attributes:
        product_ids: The items to count, the most urgent first.
        wanted: Length of the list without the cap.
        late: Items due by today that are not on the list: the cap is too small, or the list has no room for their lots.
    """

    product_ids: Sequence[int]
    wanted: int
    late: int


def classify(demand: Mapping[int, int], a_percent: Decimal, b_percent: Decimal) -> dict[int, CountClass]:
    """The class of each product by its share of the demand, the largest first.

    A product is A as long as those before it have less than ``a_percent`` of all demand between them, and B as long as
    they have less than ``a_percent + b_percent``: the one that crosses the line still belongs to it. A product without
    demand is C.

    Args:
        demand: Units by product.
        a_percent: Percent of the demand that is A's.
        b_percent: Percent that is B's.
    """
    total = sum(demand.values())
    classes: dict[int, CountClass] = {}
    before = 0
    for product_id, units in sorted(demand.items(), key=lambda each: (-each[1], each[0])):
        share = before * 100
        if not units or share >= (a_percent + b_percent) * total:
            classes[product_id] = CountClass.C
        elif share >= a_percent * total:
            classes[product_id] = CountClass.B
        else:
            classes[product_id] = CountClass.A
        before += units
    return classes


def due_on(item: Countable, days: int) -> date:
    """The last day on which the item is to be counted again. One that was off is due the day after."""
    return item.since + timedelta(days=_until_due(item, days))


def plan_day(items: Iterable[Countable], today: date, cycle: Cycle) -> DayPlan:
    """The items to count today.

    First those that have to be, so that none is late later; then, up to the level, those that were off or never
    counted; then the next due, up to the length of a usual day. If the cap is too small for those that have to be
    counted, items that were off come first, and then those due for the longest part of their cycle.

    Args:
        items: All items of the warehouse that aren't being counted.
        today: The day, where the warehouse is.
        cycle: How often each class is counted, and how many items a day.
    """
    ahead: dict[CountClass, dict[int, list[Countable]]] = {}
    lines: dict[int, int] = {}
    for item in items:
        lines[item.product_id] = item.lines
        slack = (item.since - today).days + _until_due(item, cycle.days[item.count_class])
        ahead.setdefault(item.count_class, {}).setdefault(slack, []).append(item)
    needed: list[_Rank] = []
    early: list[_Rank] = []
    even: list[_Rank] = []
    waiting: list[_Rank] = []
    for count_class, due in ahead.items():
        days = cycle.days[count_class]
        level, critical = _level(due, days)
        usual = sum(map(len, due.values())) // days
        earliest = list(itertools.islice(_earliest_first(due), max(critical, usual)))
        chosen = {item.product_id for _, item in earliest[:critical]}
        liked = sorted(
            _rank(item, slack, days)
            for slack, members in due.items()
            for item in members
            if item.is_doubtful and item.product_id not in chosen
        )
        needed += [_rank(item, slack, days) for slack, item in earliest[:critical]]
        early += liked[: level - critical]
        waiting += liked[level - critical :]
        others = [_rank(item, slack, days) for slack, item in earliest[critical:] if not item.is_doubtful]
        even += others[: max(usual - critical - len(liked), 0)]
    listed = [*sorted(needed), *sorted(early), *sorted(even)]
    # A list has a few items at least: it is filled up with items that were off or never counted.
    listed += sorted(waiting)[: max(cycle.at_least - len(listed), 0)]
    # An item due by now is needed: it is on the list, or beyond the cap.
    room = MOST_LINES
    product_ids: list[int] = []
    late = 0
    for rank in listed:
        needed_lines = lines[rank.product_id]
        if len(product_ids) < cycle.cap and needed_lines <= room:
            room -= needed_lines
            product_ids.append(rank.product_id)
        elif rank.ahead <= 0:
            late += 1
    return DayPlan(product_ids, len(listed), late)


class _Rank(NamedTuple):
    """The order of a list: items that were off, those due for the longest part of their cycle, those never counted.

    Attributes:
        was_right: Whether the latest count was within tolerance.
        ahead: The part of its cycle that is left; zero or less: it is due by today.
        was_counted: Whether it ever was.
        product_id: The product.
    """

    was_right: bool
    ahead: float
    was_counted: bool
    product_id: int


def _rank(item: Countable, ahead: int, days: int) -> _Rank:
    return _Rank(not item.was_off, ahead / days, item.was_counted, item.product_id)


def _until_due(item: Countable, days: int) -> int:
    return 1 if item.was_off else days


def _earliest_first(due: Mapping[int, Iterable[Countable]]) -> Iterator[tuple[int, Countable]]:
    """Items with the days until they are due, in the order in which they are."""
    for slack in sorted(due):
        for item in sorted(due[slack], key=lambda each: each.product_id):
            yield slack, item


def _level(due: Mapping[int, Sequence[Countable]], days: int) -> tuple[int, int]:
    """How many are counted on a day, and how many have to be today, so that no later day needs more.

    Args:
        due: Items by the days until they are due; none or fewer: they are due by today.
        days: Days from one count to the next.
    """
    falling_due = [0] * days
    for slack, members in due.items():
        # Nothing is due later than in a whole cycle.
        falling_due[min(max(slack, 0), days - 1)] += len(members)
    totals = list(itertools.accumulate(falling_due))
    level = max(-(-total // (k + 1)) for k, total in enumerate(totals))
    critical = max(total - level * k for k, total in enumerate(totals))
    return level, max(critical, 0)
