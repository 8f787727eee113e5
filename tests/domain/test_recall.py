"""A recall: its statuses, who ends it, and the report that adds up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.errors import InvalidState, NotPermitted
from stockkeeper.domain.recall import LotFigures, Recall, RecallEvent, RecallStatus


def _recall(status: RecallStatus = RecallStatus.BLOCKED) -> Recall:
    return Recall(1, "R-7", status, "quinn")


def test_a_report_adds_up_to_the_last_unit() -> None:
    figures = LotFigures(
        received=100,
        sent_back=10,
        found=5,
        lost=7,
        sold=60,
        returned=4,
        on_hand=20,
        in_transit=8,
        damaged=3,
        written_off=1,
        returned_unfit=2,
    )
    assert (figures.expected, figures.accounted, figures.difference, figures.outside) == (32, 32, 0, 54)


@pytest.mark.parametrize(("on_hand", "difference"), [(19, 1), (20, 0), (21, -1)])
def test_a_unit_that_is_nowhere_is_a_difference(on_hand: int, difference: int) -> None:
    assert LotFigures(received=30, sold=10, on_hand=on_hand).difference == difference


@given(st.lists(st.builds(LotFigures, *([st.integers(0, 10**9)] * 10)), max_size=4))
def test_differences_of_databases_add_up(parts: list[LotFigures]) -> None:
    total = sum(parts, LotFigures())
    assert total.difference == sum(each.difference for each in parts)
    assert total.sold == sum(each.sold for each in parts)


def test_another_person_releases_the_lot() -> None:
    assert _recall().after_release("ann") is RecallStatus.RELEASED
    with pytest.raises(NotPermitted, match="recall R-7 was started by Quinn; another person has to approve it"):
        _recall().after_release("Quinn")


@pytest.mark.parametrize("status", [RecallStatus.RELEASED, RecallStatus.CLOSED])
@pytest.mark.parametrize("event", RecallEvent)
def test_a_recall_ends_once(status: RecallStatus, event: RecallEvent) -> None:
    with pytest.raises(InvalidState):
        _recall(status).after(event)
