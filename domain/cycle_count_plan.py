"""Which items are counted on which day.

Items that much of the demand goes through are counted often, the others seldom (ABC). What is due is spread so that
each day's list is about as long as the next, and so that nothing is late as long as the warehouse can count what
falls due.

How it is spread, for the items of one class that are counted every ``T`` days. Let ``D(k)`` be how many of them are
due within the next ``k`` days, today's included as ``D(0)``. As many as the steepest part of what lies ahead are
counted today: ``L = max over k < T of ceil(D(k) / (k + 1))``. Whoever counts ``L`` of the earliest each day is never
late: of what is due within ``k`` days, ``L * k`` have their turn later, and the rest is counted today. And the list
never grows by itself: what is counted today is due again in ``T`` days, and all ``n`` items together ask for ``ceil(n
/ T)``, which ``L`` is no less than. So a cap that holds the first day's list holds all of them. (Earliest deadline
first, as in C. L. Liu and J. W. Layland, 1973, on jobs of one unit, with the level of the critical interval as in F.
Yao, A. Demers and S. Shenker, 1995.)
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum


class CountClass(StrEnum):
    """How much of the demand goes through an item: A most, C little or nothing."""

    A = "A"
    B = "B"
    C = "C"


class CountPlanStatus(StrEnum):
    """Where a planning run stands."""

    RUNNING = "RUNNING"
    DONE = "DONE"


@dataclass(frozen=True)
class Cycle:
    """How the classes are made, and how often each is counted.

    Attributes:
        a_percent: The first so much of the demand, in percent, is A's.
        b_percent: The next so much is B's; all others are C.
        days: Days from one count to the next, by class.
        cap: Items that a warehouse counts on one day at most.
    """

    a_percent: Decimal
    b_percent: Decimal
    days: Mapping[CountClass, int]
    cap: int


@dataclass(frozen=True)
class Countable:
    """An item that can be counted.

    Attributes:
        product_id: What it is.
        count_class: Its class.
        since: The day of its latest count; if there was none, the day on which it was first there.
        was_counted: Whether there was one.
        was_off: Whether the latest count was beyond tolerance.
    """

    product_id: int
    count_class: CountClass
    since: date
    was_counted: bool = True
    was_off: bool = False


@dataclass(frozen=True)
class DayPlan:
    """One day's list.

    Attributes:
        product_ids: What is to be counted, the most urgent first.
        wanted: How long the list would be without the cap.
        late: Items that are due by today and are not on the list: the cap is too small.
    """

    product_ids: Sequence[int]
    wanted: int
    late: int


def classify(demand: Mapping[int, int], a_percent: Decimal, b_percent: Decimal) -> dict[int, CountClass]:
    """The class of each product by its share of the demand, the largest first.

    A product is A as long as those before it have less than ``a_percent`` of all demand between them, and B as long as
    they have less than ``a_percent + b_percent``: the one that crosses the line still belongs to it. What nobody wants
    is C.

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
    return item.since + timedelta(days=1 if item.was_off else days)


def plan_day(items: Iterable[Countable], today: date, cycle: Cycle) -> DayPlan:
    """What is to be counted today.

    What has to be, so that nothing is late later, comes first. Of the others, those that were off are preferred, then
    those that were never counted, then those that are due first. If the cap is too small for what has to be counted
    today, what was off comes first and then what has been due for the longest part of its cycle.

    Args:
        items: All items of the warehouse that aren't being counted.
        today: The day, where the warehouse is.
        cycle: How often each class is counted, and how many items a day at most.
    """
    by_class: dict[CountClass, list[Countable]] = {}
    for item in items:
        by_class.setdefault(item.count_class, []).append(item)
    needed: list[tuple[tuple[float, ...], int]] = []
    preferred: list[tuple[tuple[float, ...], int]] = []
    due_by_today = 0
    wanted = 0
    for count_class, members in by_class.items():
        days = cycle.days[count_class]
        ahead = {item.product_id: (due_on(item, days) - today).days for item in members}
        level, critical = _level(ahead.values(), days)
        due_by_today += sum(slack <= 0 for slack in ahead.values())
        wanted += level
        earliest = heapq.nsmallest(critical, members, key=lambda item: (ahead[item.product_id], *_liking(item)))
        chosen = {item.product_id for item in earliest}
        others = heapq.nsmallest(
            level - critical,
            (item for item in members if item.product_id not in chosen),
            key=lambda item: (*_liking(item), ahead[item.product_id]),
        )
        needed += [
            ((not item.was_off, ahead[item.product_id] / days, item.was_counted), item.product_id) for item in earliest
        ]
        preferred += [((*_liking(item)[:2], ahead[item.product_id] / days), item.product_id) for item in others]
    listed = [product_id for _, product_id in [*sorted(needed), *sorted(preferred)]][: cycle.cap]
    on_time = _on_time(listed, by_class, today, cycle)
    return DayPlan(listed, wanted, due_by_today - on_time)


def _liking(item: Countable) -> tuple[bool, bool, int]:
    """What goes first: was off, then never counted; the product decides between equals, so that runs agree."""
    return (not item.was_off, item.was_counted, item.product_id)


def _level(ahead: Iterable[int], days: int) -> tuple[int, int]:
    """How many are counted today, and how many of these have to be the earliest, so that no later day needs more.

    Args:
        ahead: Days until each item is due; none or fewer: it is due by today.
        days: Days from one count to the next.
    """
    due = [0] * days
    for slack in ahead:
        # One that is further ahead than its cycle (its class has changed) is due within it, or the list would have a
        # hump when its time comes.
        due[min(max(slack, 0), days - 1)] += 1
    within = 0
    totals = [within := within + count for count in due]
    level = max(-(-total // (k + 1)) for k, total in enumerate(totals))
    critical = max(0, *(total - level * k for k, total in enumerate(totals)))
    return level, critical


def _on_time(
    listed: Sequence[int], by_class: Mapping[CountClass, Sequence[Countable]], today: date, cycle: Cycle
) -> int:
    """How many of these are due by today."""
    chosen = set(listed)
    return sum(
        item.product_id in chosen and due_on(item, cycle.days[count_class]) <= today
        for count_class, members in by_class.items()
        for item in members
    )
