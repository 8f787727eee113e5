"""An adjustment's steps on PostgreSQL: what it is worth, every command in every status, what is booked, and repeats."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.adjustment import AdjustmentPolicy, StoredAdjustment, StoredAdjustmentLine
from stockkeeper.domain.adjustment import AdjustmentEvent, AdjustmentStatus
from stockkeeper.domain.approval import Deadlines
from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import movements, priced, stored
from tests.support.books import level, nothing_is_stored
from tests.support.commands import names
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, forget, refused
from tests.support.steps.adjustment import WHY, AdjustmentCalls, adjustment_stays, dear_item, papers
from tests.support.transfer_rows import stocked

S, E = AdjustmentStatus, AdjustmentEvent
LATER = NOON + 5 * MINUTE


def _offer(engine: Engine, shop: Shop, product: int, unit_cost: str, *, preferred: bool = False) -> None:
    """A supplier has the product at this cost."""
    offered = text("""
        INSERT INTO product_suppliers (product_id, supplier_id, unit_cost, lead_time_days, is_preferred)
        VALUES (:product, :supplier, :unit_cost, 7, :preferred)
    """)
    values = {"product": product, "supplier": shop.supplier(), "unit_cost": unit_cost, "preferred": preferred}
    with engine.begin() as connection:
        connection.execute(offered, values)


def test_an_adjustment_within_the_limit_is_booked_as_it_was_asked_for(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine
) -> None:
    tea = shop.item(12, product=priced(shop, "2.40"))
    # The warehouse has never held it.
    mug = tea._replace(product_id=priced(shop, "0.333333"))
    number = new_reference("a")
    adjustment = putting_right.submit(number, (tea, -3), (mug, 2), (tea, -1))
    (sku, place), other = names(engine, tea), names(engine, mug)[0]
    assert adjustment == StoredAdjustment(
        adjustment_id=adjustment.adjustment_id,
        adjustment_number=number,
        warehouse_id=tea.warehouse_id,
        warehouse=place,
        status=S.POSTED,
        reason="broken in the rain",
        requested_by="tom",
        requested_at=NOON,
        value=Decimal("10.266666"),
        unvalued_units=0,
        needs_approval=False,
        remind_after_hours=24,
        cancel_after_hours=168,
        approved_by=None,
        approval_note=None,
        closed_reason=None,
        lines=[
            StoredAdjustmentLine(product_id=item.product_id, quantity=units, unit_cost=Decimal(cost), sku=name)
            for item, units, cost, name in (
                (tea, -3, "2.40", sku),
                (mug, 2, "0.333333", other),
                (tea, -1, "2.40", sku),
            )
        ],
    )
    # The lines of one product count together.
    assert movements(engine, number) == [
        (*tea, "ADJUSTMENT", -4, 8, "tom", "broken in the rain"),
        (*mug, "ADJUSTMENT", 2, 2, "tom", "broken in the rain"),
    ]
    assert (level(engine, tea), level(engine, mug)) == ((8, 0), (2, 0))
    row = stored(engine, number)
    assert (row.closed_at, row.closed_by, row.workflow_id, row.run_id) == (
        NOON,
        f"adjustment-{number}/submit",
        f"adjustment-{number}",
        "run",
    )


def test_one_that_was_approved_says_who_asked_and_who_agreed(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine
) -> None:
    item = dear_item(shop)
    number = putting_right.submitted((item, -2))
    assert (stored(engine, number).status, level(engine, item)) == ("PENDING", (12, 0))
    adjustment = putting_right.approve(number, as_of=LATER, operation="1")
    assert (adjustment.status, adjustment.approved_by, adjustment.approval_note) == (S.POSTED, "ann", "fine")
    asked_and_approved = "broken in the rain (asked for by tom, approved by ann)"
    assert movements(engine, number) == [(*item, "ADJUSTMENT", -2, 10, "ann", asked_and_approved)]
    row = stored(engine, number)
    assert (row.closed_at, row.closed_by) == (LATER, f"adjustment-{number}/approve/1")


def test_a_unit_costs_what_the_catalogue_says_or_who_is_preferred_or_the_cheapest(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine
) -> None:
    own, preferred, cheapest, unknown, free = (priced(shop, cost) for cost in ("9.00", None, None, None, "0"))
    given_away = priced(shop, "0")
    _offer(engine, shop, given_away, "0")
    for product in (own, preferred, free):
        _offer(engine, shop, product, "7.50", preferred=True)
    for product in (own, preferred, cheapest, free):
        _offer(engine, shop, product, "6.25")
        _offer(engine, shop, product, "6.5")
    place = shop.warehouse()
    items = [ItemKey(place, product) for product in (own, preferred, cheapest, unknown, free, given_away)]
    adjustment = putting_right.submit(new_reference("a"), *((item, 2) for item in items))
    costs = [line.unit_cost for line in adjustment.lines]
    # What costs nothing would never need an approval, however much of it there is.
    assert costs == [Decimal(9), Decimal("7.5"), Decimal("6.25"), None, Decimal("7.5"), None]
    assert (adjustment.value, adjustment.unvalued_units) == (Decimal("60.50"), 4)


@pytest.mark.parametrize(
    ("cost", "units", "status"),
    [
        ("500.00", -1, S.POSTED),
        ("500.000001", -1, S.PENDING),
        ("500.01", 1, S.PENDING),
        ("250.00", 2, S.POSTED),
        (None, 100, S.POSTED),
        (None, -100, S.POSTED),
        (None, 101, S.PENDING),
        (None, -101, S.PENDING),
        ("0", -100, S.POSTED),
        ("0", -101, S.PENDING),
    ],
)
def test_a_limit_belongs_to_what_needs_no_approval(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine, cost: str | None, units: int, status: AdjustmentStatus
) -> None:
    item = shop.item(2_000, product=priced(shop, cost))
    number = putting_right.submitted((item, units))
    assert (stored(engine, number).status, stored(engine, number).needs_approval) == (status, status is S.PENDING)
    assert level(engine, item) == (2_000 + (units if status is S.POSTED else 0), 0)


def test_what_goes_in_and_what_goes_out_adds_up_and_each_limit_counts_by_itself(
    putting_right: AdjustmentCalls, shop: Shop
) -> None:
    place = shop.warehouse()
    dear = shop.item(5, product=priced(shop, "250.00"), warehouse=place)
    unknown, other = (shop.item(500, warehouse=place) for _ in range(2))
    within = putting_right.submit(new_reference("a"), (dear, -1), (unknown, 60), (dear, 1), (other, -40))
    assert (within.status, within.value, within.unvalued_units) == (S.POSTED, Decimal(500), 100)
    above = putting_right.submit(new_reference("a"), (dear, -1), (unknown, 60), (other, -41))
    assert (above.status, above.value, above.unvalued_units) == (S.PENDING, Decimal(250), 101)


def test_the_most_that_can_be_asked_for_is_valued_exactly(putting_right: AdjustmentCalls, shop: Shop) -> None:
    item = ItemKey(shop.warehouse(), priced(shop, "999999999999.999999"))
    adjustment = putting_right.submit(new_reference("a"), *[(item, 10**9)] * 1_000)
    assert (
        adjustment.value == Decimal(999_999_999_999_999_999_000_000) == Decimal(10**12) * Decimal("999999999999.999999")
    )


def test_the_policy_that_was_in_force_stays(database: Database, shop: Shop, engine: Engine) -> None:
    strict = AdjustmentPolicy(limit=Decimal("0.00"), limit_units=0, remind_after_hours=0.5, cancel_after_hours=1.5)
    item = shop.item(5, product=priced(shop, "0.01"))
    number = AdjustmentCalls(database, policy=strict).submitted((item, -1))
    afterwards = AdjustmentCalls(database, run_id="another")
    adjustment = afterwards.submit(number, (item, -1), as_of=LATER)
    assert (adjustment.status, adjustment.needs_approval) == (S.PENDING, True)
    assert adjustment.deadlines == Deadlines(NOON + 30 * MINUTE, None, NOON + 90 * MINUTE)
    assert adjustment.approve_by == NOON + 90 * MINUTE
    assert adjustment.submitted_by_another_run
    assert stored(engine, afterwards.submitted((item, -1))).status == "POSTED"


def test_lines_that_cancel_each_other_move_nothing(putting_right: AdjustmentCalls, shop: Shop, engine: Engine) -> None:
    item = shop.item(5)
    never = item._replace(product_id=shop.product())
    number = putting_right.submitted((item, -7), (never, 3), (item, 7), (never, -3))
    assert (stored(engine, number).status, movements(engine, number)) == ("POSTED", [])
    assert (level(engine, item), stocked(engine, never)) == ((5, 0), None)


def test_what_is_no_longer_sold_can_still_be_put_right(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine
) -> None:
    item = shop.item(5, product=shop.product(is_active=False))
    putting_right.submitted((item, -2))
    assert level(engine, item) == (3, 0)


def test_what_is_not_there_cannot_be_taken_off(putting_right: AdjustmentCalls, shop: Shop, engine: Engine) -> None:
    cheap, other = shop.items(2, units=5)
    dear = dear_item(shop, 5, warehouse=cheap.warehouse_id)
    never = cheap._replace(product_id=shop.product())
    number = new_reference("a")
    with nothing_is_stored(engine):
        # The lines of one product count together; what there is enough of isn't named.
        assert refused(partial(putting_right.submit, number, (never, -1), (cheap, -4), (other, -5), (cheap, -2))) == (
            "InsufficientStock",
            [shortage(cheap, 6, 5), shortage(never, 1, 0)],
        )
        # Nobody is asked to approve it, either.
        assert refused(partial(putting_right.submit, number, (dear, -6), (other, 3))) == (
            "InsufficientStock",
            [shortage(dear, 6, 5)],
        )
    # Its number stays free, and what came on another line makes up for it.
    assert putting_right.submit(number, (cheap, -6), (cheap, 1)).status is S.POSTED
    assert level(engine, cheap) == (0, 0)


def test_an_approval_that_finds_too_little_leaves_it_waiting(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine
) -> None:
    item = dear_item(shop)
    other = shop.item(0, warehouse=item.warehouse_id)
    number = putting_right.submitted((other, 4), (item, -12))
    shop.move(item, -1)
    with adjustment_stays(engine, number, item, other):
        refusal = ("InsufficientStock", [shortage(item, 12, 11)])
        assert refused(partial(putting_right.approve, number, operation="1")) == refusal
    shop.move(item, 3)
    # What was refused isn't used up.
    assert putting_right.approve(number, operation="1").status is S.POSTED
    assert (level(engine, item), level(engine, other)) == ((2, 0), (4, 0))


def test_an_adjustment_names_what_is_there(putting_right: AdjustmentCalls, shop: Shop, engine: Engine) -> None:
    item, far = shop.item(5), 2**62
    with nothing_is_stored(engine):
        for lines, place, refusal in (
            ([(item, 1), (item._replace(product_id=far), 1)], None, ("UnknownProduct", {"product_ids": [far]})),
            ([(item, 1)], far, ("UnknownWarehouse", {"warehouse_ids": [far]})),
        ):
            assert refused(partial(putting_right.submit, new_reference("a"), *lines, warehouse_id=place)) == refusal


@pytest.mark.parametrize("spelt", ["tom", "Tom", "TOM", "\uff34om"])
def test_who_asked_for_it_cannot_approve_it_in_whatever_letters(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine, spelt: str
) -> None:
    item = dear_item(shop)
    number = putting_right.submitted((item, -2))
    with adjustment_stays(engine, number, item):
        assert refused(partial(putting_right.approve, number, spelt)) == ("NotPermitted", {})


Command = Callable[[AdjustmentCalls, str], StoredAdjustment]
COMMANDS: dict[str, Command] = {
    "approve": lambda calls, number: calls.approve(number, "bob", as_of=LATER),
    "reject": lambda calls, number: calls.end(number, E.REJECT, as_of=LATER),
    "cancel": lambda calls, number: calls.end(number, E.CANCEL, as_of=LATER),
    "lapse": lambda calls, number: calls.end(number, E.LAPSE, as_of=LATER),
}
AFTER = {"approve": S.POSTED, "reject": S.REJECTED, "cancel": S.CANCELLED, "lapse": S.CANCELLED}
"""What each command makes of one that is PENDING. In any other status it is refused."""


@pytest.mark.parametrize("status", S)
def test_every_command_in_every_status(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine, status: AdjustmentStatus
) -> None:
    ways: dict[AdjustmentStatus, Callable[[str], object]] = {
        S.PENDING: lambda _: None,
        S.POSTED: putting_right.approve,
        S.REJECTED: lambda number: putting_right.end(number, E.REJECT),
        S.CANCELLED: lambda number: putting_right.end(number, E.CANCEL),
    }
    for name, command in COMMANDS.items():
        item = dear_item(shop)
        number = putting_right.submitted((item, -2))
        ways[status](number)
        if status is S.PENDING:
            adjustment = command(putting_right, number)
            assert (adjustment.status, level(engine, item)) == (AFTER[name], (10 if name == "approve" else 12, 0))
            row = stored(engine, number)
            reason = None if name == "approve" else WHY[E(name)]
            assert (row.status, row.closed_at, row.closed_reason) == (AFTER[name], LATER, reason)
            assert row.closed_by.startswith(f"adjustment-{number}/{name}/")
            continue
        with adjustment_stays(engine, number, item):
            refusal = ("InvalidState", {"status": status.value, "command": name})
            assert refused(partial(command, putting_right, number)) == refusal


def test_no_command_on_one_that_was_never_submitted(putting_right: AdjustmentCalls, engine: Engine) -> None:
    with nothing_is_stored(engine):
        for command in COMMANDS.values():
            assert refused(partial(command, putting_right, new_reference("a"))) == ("InvalidRequest", {})


def test_repeats_are_answered_with_what_has_become_of_it(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine
) -> None:
    item = dear_item(shop)
    number = putting_right.submitted((item, -2))
    posted = putting_right.approve(number, operation="1")
    with adjustment_stays(engine, number, item):
        assert putting_right.submit(number, (item, -2), as_of=LATER) == posted
        assert putting_right.approve(number, as_of=LATER, operation="1") == posted
        for other in (
            partial(putting_right.submit, number, (item, -3)),
            partial(putting_right.submit, number, (item, -2), reason="stolen"),
            partial(putting_right.submit, number, (item, -2), requested_by="bob"),
            partial(putting_right.submit, number, (item, -1), (item, -1)),
            partial(putting_right.approve, number, note="another", operation="1"),
        ):
            assert refused(other) == ("OperationConflict", {})
    before = papers(engine, number)
    # By the same person, in whatever letters, it is no second approval, and no other note.
    assert putting_right.approve(number, "ANN", "again", as_of=LATER) == posted
    assert (papers(engine, number), level(engine, item)) == (before, (10, 0))


def test_an_adjustment_is_known_when_its_operation_is_forgotten(
    putting_right: AdjustmentCalls, shop: Shop, engine: Engine
) -> None:
    item = shop.item(5)
    number = putting_right.submitted((item, -2))
    posted = putting_right.submit(number, (item, -2))
    forget(engine, f"adjustment-{number}/submit")
    for other in (
        partial(putting_right.submit, number, (item, -1)),
        partial(putting_right.submit, number, (item, -2), reason="stolen"),
        partial(putting_right.submit, number, (item, -2), requested_by="bob"),
        partial(putting_right.submit, number, (shop.item(5, product=item.product_id), -2)),
    ):
        assert refused(other) == ("OperationConflict", {})
    assert putting_right.submit(number, (item, -2)) == posted
    assert level(engine, item) == (3, 0)
