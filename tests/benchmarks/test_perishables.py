"""The shop of perishables loses no unit, and its rules agree on goods that keep."""

from dataclasses import replace

import pytest

from benchmarks.perishables import FRESH, RULES, WITHOUT, Outcome, Shelf, perishables
from benchmarks.replenishment_world import KINDS

_SHORT = min(perishables(), key=lambda each: each.shelf_life_days)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
def test_what_was_bought_is_sold_thrown_away_or_there(kind: str, rule: str) -> None:
    shelf = Shelf(_SHORT, kind, RULES[rule], FRESH["half to wholly fresh"], "test")
    before = shelf.on_hand
    found = shelf.live(60, warm_up=0)
    assert found.wasted > 0
    assert before + found.bought == found.sold + found.wasted + shelf.on_hand


def test_the_rules_are_one_where_nothing_expires() -> None:
    keeps = replace(_SHORT, shelf_life_days=10_000)

    def year(rule: str) -> Outcome:
        return Shelf(keeps, KINDS[0], replace(RULES[rule], service_level=0.95), FRESH["fresh"], "test").live(90)

    without = year(WITHOUT)
    assert without.wasted == 0
    assert [year(rule) for rule in RULES] == [without] * len(RULES)
