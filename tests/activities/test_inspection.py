"""Inspections on PostgreSQL: who may decide about units that are set aside, how often, and what the books say then."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from stockkeeper.domain.cycle_count import RootCause
from stockkeeper.domain.lot import StockState
from tests.support.adjustment import priced
from tests.support.books import nothing_changes
from tests.support.lots import TODAY, lot_books, lot_item
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.states import levels, set_aside, states
from tests.support.steps.activity import refused
from tests.support.steps.inspection import InspectionCalls, Wanted, inspection_stays, papers
from tests.support.steps.reservation import Steps

SOON = TODAY + timedelta(days=3)


def test_units_are_set_aside_then_released_and_scrapped(
    inspecting: InspectionCalls, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(10, product=priced(shop, "2.50")), new_reference("i")
    opened = inspecting.open(number, (item, 5), state=StockState.DAMAGED)
    assert (opened.status, opened.state, opened.aside) == ("OPEN", "DAMAGED", 5)
    assert (levels(engine, item), states(engine, item)) == ((10, 0, 5, 5), [("", "DAMAGED", 5)])
    part = inspecting.release(number, (item, 2), note="only dirty")
    assert (part.status, part.aside, levels(engine, item)) == ("OPEN", 3, (10, 0, 3, 7))
    done = inspecting.scrap(number)
    assert (done.status, [(line.quantity, line.released, line.scrapped) for line in done.lines]) == (
        "DONE",
        [(5, 2, 3)],
    )
    assert [(each.outcome, each.quantity, each.performed_by, each.reason) for each in done.decisions] == [
        ("RELEASED", 2, "ann", "only dirty"),
        ("SCRAPPED", 3, "ann", "spoiled"),
    ]
    assert (levels(engine, item), states(engine, item)) == ((7, 0, 0, 7), [])
    query = text(
        "SELECT movement_type, quantity, reason, performed_by FROM stock_movements WHERE reference_id = :number"
    )
    with engine.connect() as connection:
        moved = [tuple(row) for row in connection.execute(query, {"number": number})]
    assert moved == [("ADJUSTMENT", -3, "spoiled (damage, set aside by tom)", "ann")]


def test_of_a_tracked_product_lots_are_inspected(inspecting: InspectionCalls, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("L-1", SOON, 4), ("L-2", None, 4))
    number = inspecting.opened((item, 3, "L-1"), (item, 1, "L-2"))
    with inspection_stays(engine, number, item):
        assert refused(lambda: inspecting.release(number, (item, 2, "L-2")))[0] == "InvalidRequest"
        assert refused(lambda: inspecting.release(number, (item, 1)))[0] == "InvalidRequest"
    inspecting.scrap(number, (item, 2, "L-1"))
    inspecting.release(number)
    assert lot_books(engine, item) == {"L-1": (2, 0, 0), "L-2": (4, 0, 0)}


@pytest.mark.parametrize("person", ["tom", "Tom"])
def test_nobody_decides_about_units_that_they_have_set_aside(
    inspecting: InspectionCalls, shop: Shop, engine: Engine, person: str
) -> None:
    item = shop.item(10)
    number = inspecting.opened((item, 5))
    with inspection_stays(engine, number, item):
        assert refused(lambda: inspecting.release(number, by=person))[0] == "NotPermitted"
        assert refused(lambda: inspecting.scrap(number, by=person))[0] == "NotPermitted"


def test_above_the_limit_somebody_else_than_who_scraps_has_approved_it(
    inspecting: InspectionCalls, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10, product=priced(shop, "200.00"))
    number = inspecting.opened((item, 5))
    inspecting.scrap(number, (item, 2))
    with inspection_stays(engine, number, item):
        assert refused(lambda: inspecting.scrap(number, (item, 1), decision_id="s")) == (
            "NotPermitted",
            {"value": "600.00", "unvalued_units": 0, "limit": "500.00", "limit_units": 100},
        )
    inspecting.approve_difference(number, "600.00", by="ann")
    with inspection_stays(engine, number, item):
        assert refused(lambda: inspecting.scrap(number, (item, 1)))[0] == "NotPermitted"
    inspecting.approve_difference(number, "600.00", by="bob")
    assert inspecting.scrap(number, (item, 1)).aside == 2
    with inspection_stays(engine, number, item):
        assert refused(lambda: inspecting.scrap(number))[0] == "NotPermitted"
    assert inspecting.release(number).status == "DONE"


def test_a_decision_with_a_number_is_carried_out_once(inspecting: InspectionCalls, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    number = inspecting.opened((item, 5))
    inspecting.release(number, (item, 2), decision_id="d-1", operation="first")
    with inspection_stays(engine, number, item):
        again = inspecting.release(number, (item, 2), decision_id="d-1", operation="first")
        assert (again.is_repeat, again.aside) == (True, 3)
    before = papers(engine, number)
    assert inspecting.release(number, (item, 2), decision_id="d-1", operation="late").aside == 3
    assert refused(lambda: inspecting.release(number, (item, 1), decision_id="d-1", operation="other"))[0] == (
        "OperationConflict"
    )
    assert refused(lambda: inspecting.scrap(number, (item, 2), decision_id="d-1"))[0] == "OperationConflict"
    assert papers(engine, number) == before


def test_an_inspection_is_opened_once_and_of_what_is_there(
    inspecting: InspectionCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(10), new_reference("i")
    steps.reserve(new_reference(), (item, 4))
    with nothing_changes(engine, item):
        assert refused(lambda: inspecting.open(number, (item, 7))) == ("InsufficientStock", [shortage(item, 7, 6)])
    inspecting.open(number, (item, 6), operation=f"inspection-{number}/again")
    with inspection_stays(engine, number, item):
        assert refused(lambda: inspecting.open(number, (item, 5), operation=f"inspection-{number}/other"))[0] == (
            "OperationConflict"
        )
    assert levels(engine, item) == (10, 4, 6, 0)


def test_suspected_units_are_set_aside_from_under_their_holders(
    inspecting: InspectionCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    steps.reserve(reference, (item, 4))
    opened = inspecting.open(new_reference("i"), (item, 8), held_too=True)
    assert [(hold.reference_id, hold.quantity) for hold in opened.gave_way] == [(reference, 4)]
    assert levels(engine, item) == (10, 0, 8, 2)


def test_what_is_done_takes_no_decision(inspecting: InspectionCalls, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    number = inspecting.opened((item, 5))
    inspecting.release(number)
    with inspection_stays(engine, number, item):
        assert refused(lambda: inspecting.release(number))[0] == "InvalidState"
        assert refused(lambda: inspecting.scrap(number))[0] == "InvalidState"
        assert refused(lambda: inspecting.approve_difference(number, "1.00"))[0] == "InvalidState"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE inspections SET status = 'DONE', closed_at = now(), closed_by = 'x'", "is over exactly when"),
        ("UPDATE inspection_lines SET released = 1", "the sum of their decisions"),
        ("UPDATE inspection_lines SET quantity = 3", "about 3 units, but 2 are set aside"),
        ("UPDATE inspection_lines SET released = 3", "inspection_lines_decided_once"),
    ],
)
def test_the_database_holds_what_an_inspection_promises(
    inspecting: InspectionCalls, shop: Shop, engine: Engine, change: str, why: str
) -> None:
    item = shop.item(10)
    number = inspecting.opened((item, 2))
    of = "WHERE inspection_id = (SELECT inspection_id FROM inspections WHERE inspection_number = :number)"
    with (
        inspection_stays(engine, number, item),
        pytest.raises(IntegrityError, match=why),
        engine.begin() as connection,
    ):
        connection.execute(text(f"{change} {of}"), {"number": number})


def test_the_database_refuses_a_decision_about_ones_own(
    inspecting: InspectionCalls, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    number = inspecting.opened((item, 2))
    own = text("""
        INSERT INTO inspection_decisions (inspection_id, decision_id, outcome, requested_by, decided_by, decided_at,
            operation_id)
        SELECT inspection_id, 'd', 'RELEASED', requested_by, :person, now(), 'test' FROM inspections
        WHERE inspection_number = :number
    """)
    with (
        inspection_stays(engine, number, item),
        pytest.raises(IntegrityError, match="not_own"),
        engine.begin() as connection,
    ):
        connection.execute(own, {"number": number, "person": "TOM"})


def test_a_missing_unit_is_scrapped_with_its_cause(inspecting: InspectionCalls, shop: Shop, engine: Engine) -> None:
    item = shop.item(3)
    number = inspecting.opened((item, 1))
    done = inspecting.scrap(number, root_cause=RootCause.THEFT, reason="not on its shelf")
    assert [(each.root_cause, each.reason) for each in done.decisions] == [("THEFT", "not on its shelf")]
    assert levels(engine, item) == (2, 0, 0, 2)


def test_units_that_were_set_aside_without_an_inspection_get_one(
    inspecting: InspectionCalls, shop: Shop, engine: Engine
) -> None:
    milk = lot_item(shop, ("L-1", SOON, 4), ("L-2", SOON, 4))
    mug, lost = shop.item(5, warehouse=milk.warehouse_id), shop.item(5, warehouse=milk.warehouse_id)
    set_aside(engine, milk, 3, "L-1")
    set_aside(engine, mug, 2)
    set_aside(engine, lost, 2, state=StockState.DAMAGED)
    number = new_reference("i")
    wrong: list[list[Wanted]] = [[(milk, 4, "L-1")], [(milk, 1, "L-2")], [(mug, 1), (lost, 1)], [(mug, 2), (mug, 1)]]
    for lines in wrong:
        with nothing_changes(engine, milk):
            refusal = refused(partial(inspecting.open, number, *lines, set_aside_already=True))
            assert refusal[0] == "InsufficientStock"
    before = levels(engine, milk), levels(engine, mug)
    inspecting.open(number, (milk, 2, "L-1"), (mug, 2), set_aside_already=True)
    assert (levels(engine, milk), levels(engine, mug)) == before
    # One answers for a unit.
    other = new_reference("i")
    short = refused(lambda: inspecting.open(other, (milk, 2, "L-1"), set_aside_already=True))
    assert short == ("InsufficientStock", [shortage(milk, 2, 1) | {"lot_number": "L-1"}])
    inspecting.open(other, (milk, 1, "L-1"), set_aside_already=True)
    inspecting.release(other)
    assert inspecting.release(number).status == "DONE"
    assert lot_books(engine, milk) == {"L-1": (4, 0, 0), "L-2": (4, 0, 0)}
