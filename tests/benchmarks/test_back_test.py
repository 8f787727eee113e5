"""The back-test's shelf: one item, its customers, and what counts as a cycle."""

from pathlib import Path

import pytest

from benchmarks.back_test import REACHED, put, ratio_errors, stock_at
from benchmarks.back_test_rules import ours, seed, times
from benchmarks.back_test_shelf import Outcome, Shelf, roll
from benchmarks.back_test_world import Tried, World
from benchmarks.replenishment_world import Day
from stockkeeper.domain.lead_time_demand import Demand, Supply
from stockkeeper.domain.replenishment import LeadTime


def _item(*days: Day, lead_time: float = 2) -> Tried:
    return Tried(list(days), LeadTime(lead_time), [lead_time], 2.0)


def test_an_order_goes_out_below_the_point_and_who_wants_more_than_there_is_gets_nothing() -> None:
    shelf = Shelf(_item([(0.25, 4), (0.5, 3)], [(0.5, 6), (0.75, 2)], [(0.75, 5)]))
    shelf.point, shelf.quantity = 5, 10
    shelf.begin(0, 0.4)  # 5 and 4 of an order: 9 on hand.
    # 5 are left of the first, at the point; 2 of the second, below it: ten are ordered, to come at 2.5.
    # The third wants six and gets nothing; the fourth takes the last two. The fifth comes after the goods.
    assert [shelf.sell(day) for day in range(3)] == [(7, 0), (2, 6), (5, 0)]
    assert shelf.outcome == Outcome(
        days=3,
        cycles=1,
        short_cycles=1,
        orders=1,
        wanted=20,
        sold=14,
        stock=9 * 0.25 + 5 * 0.25 + 2 * 1.25 + 10 * 0.25 + 5 * 0.25,
        value=2 * (9 * 0.25 + 5 * 0.25 + 2 * 1.25 + 10 * 0.25 + 5 * 0.25),
    )
    assert (shelf.outcome.service, shelf.outcome.fill_rate) == (0, 0.7)


def test_refused_customers_leave_no_trace_in_the_history() -> None:
    seen: list[float] = []
    busy: Day = [(0.5, 100)]
    world = World("one", [_item([(0.5, 1)], *[busy] * 14, lead_time=30)], history_days=1)

    def rule(demand: Demand, supply: Supply) -> list[int]:
        seen.append(demand.units[0])
        return [1]

    outcome = roll(world, rule)[0]
    assert seen == [1, 0]
    assert (outcome.wanted, outcome.sold) == (1400, 0)


def test_every_method_is_asked_with_the_products_own_numbers() -> None:
    days: list[Day] = [[(0.5, 3)] if day % 2 else [] for day in range(90)]
    world = World("one", [_item(*days, *days)], history_days=90)
    orders = [sum(outcome.orders for outcome in roll(world, rule)) for rule in (ours(0.95), seed(0.95), times(2))]
    assert orders == sorted(orders)
    assert orders[0] > 0


def test_stock_at_a_service_is_between_the_two_nearest_of_the_curve() -> None:
    def found(short: int, stock: float) -> Outcome:
        return Outcome(days=1, cycles=100, short_cycles=short, stock=stock)

    curve = [(0.9, found(20, 10)), (0.95, found(10, 12)), (0.99, found(2, 20))]
    assert stock_at(curve, 0.85) == pytest.approx(11)
    assert stock_at(curve, 0.94) == pytest.approx(16)
    assert stock_at(curve, 0.99) is None


def test_a_table_is_put_between_its_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- one -->\n\nold\n\n<!-- end of one -->\n\nafter\n")
    put(page, "one", "new")
    put(page, "one", "newer")
    assert page.read_text() == "before\n\n<!-- one -->\n\nnewer\n\n<!-- end of one -->\n\nafter\n"


def test_a_ratio_of_stocks_has_no_error_where_all_products_are_alike_and_one_where_they_differ() -> None:
    def swept(*stocks: tuple[float, ...]) -> list[tuple[float, list[Outcome]]]:
        """Two levels, 90% and 100% reached by each product."""
        return [
            (level, [Outcome(days=10, cycles=10, short_cycles=short, stock=each) for each in of_items])
            for level, short, of_items in zip((0.9, 0.99), (1, 0), stocks, strict=True)
        ]

    alike = ratio_errors(swept((30, 30), (60, 60)), swept((60, 60), (60, 60)))
    assert alike == pytest.approx(dict.fromkeys(REACHED, 0.0))
    differing = ratio_errors(swept((30, 90), (30, 90)), swept((60, 60), (60, 60)))
    # Of two products drawn with replacement the ratio is 0.5, 1 or 1.5: a deviation of the root of an eighth.
    assert differing == pytest.approx(dict.fromkeys(REACHED, 0.125**0.5), rel=0.05)
