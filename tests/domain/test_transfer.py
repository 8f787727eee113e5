"""What a transfer may do: when it is due, and where the units of a receipt go."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.errors import InvalidRequest, InvalidState
from stockkeeper.domain.receipt import Taken
from stockkeeper.domain.transfer import OfLine, OfProduct, Transfer, TransferredLine, TransferStatus
from tests.domain.receipts import no_unit_is_lost, planned_or_refused

S = TransferStatus
TEA, MUG, POT = 10, 20, 30
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

A1, B1, B2 = OfLine(1, "A"), OfLine(1, "B"), OfLine(2, "B")
WHICH = r"name the lots of the {} units delivered; in transit are A \(5\) and B \(1\)"

Delivery = tuple[list[TransferredLine], dict[int, Taken]]


def line(number: int, product_id: int = TEA, in_transit: int = 5, quantity: int = 9) -> TransferredLine:
    return TransferredLine(number, product_id, quantity, in_transit)


def lots(number: int, product_id: int = TEA, **in_transit: int) -> TransferredLine:
    """A line of a tracked product."""
    return TransferredLine(number, product_id, 9, sum(in_transit.values()), lots=in_transit)


def plan(sent: Transfer, came: Mapping[int, Taken]) -> dict[int, Taken]:
    """The share of each line in units of products that aren't tracked."""
    shares = sent.plan_receipt({OfProduct(product_id): units for product_id, units in came.items()})
    return {of.line_number: share for of, share in shares.items()}


def transfer(*lines: TransferredLine, status: TransferStatus = S.IN_TRANSIT, hours: float | None = None) -> Transfer:
    return Transfer(1, "T-1", 2, 3, status, hours, lines)


@pytest.mark.parametrize(
    ("hours", "due_at"),
    [
        (None, None),
        (6.0, NOON + timedelta(hours=6)),
        (0.5, NOON + timedelta(minutes=30)),
        (0.000001, NOON + timedelta(microseconds=3_600)),
        (8784.0, NOON + timedelta(days=366)),
    ],
)
def test_it_is_due_so_many_hours_after_it_has_left(hours: float | None, due_at: datetime | None) -> None:
    assert transfer(hours=hours).due_at(NOON) == due_at


def test_what_is_in_transit_is_told_by_line_and_only_where_there_is_some() -> None:
    assert transfer(line(1), line(2, MUG, 0), line(3, in_transit=2)).in_transit == {1: 5, 3: 2}
    assert transfer(line(1, in_transit=0)).in_transit == {}


def test_each_product_goes_to_its_line_in_the_order_of_the_lines() -> None:
    sent = transfer(line(1), line(2, MUG), line(3, POT))
    assert list(plan(sent, {POT: Taken(5, 0), TEA: Taken(2, 1)}).items()) == [
        (1, Taken(2, 1)),
        (3, Taken(5, 0)),
    ]


@pytest.mark.parametrize(
    ("came", "taken"),
    [
        ((1, 0), {1: (1, 0)}),
        ((0, 1), {1: (0, 1)}),
        ((5, 0), {1: (5, 0)}),
        ((4, 1), {1: (4, 1)}),
        ((0, 5), {1: (0, 5)}),
        # Nothing is in transit on the fourth line, nothing of this product on the second: the fifth is next.
        ((6, 0), {1: (5, 0), 5: (1, 0)}),
        ((5, 1), {1: (5, 0), 5: (0, 1)}),
        ((4, 2), {1: (4, 1), 5: (0, 1)}),
        ((0, 6), {1: (0, 5), 5: (0, 1)}),
        ((7, 1), {1: (5, 0), 5: (2, 1)}),
        ((3, 5), {1: (3, 2), 5: (0, 3)}),
        ((8, 0), {1: (5, 0), 5: (3, 0)}),
        ((0, 8), {1: (0, 5), 5: (0, 3)}),
    ],
)
def test_a_product_on_several_lines_fills_them_in_order_fit_units_first(
    came: tuple[int, int], taken: dict[int, tuple[int, int]]
) -> None:
    sent = transfer(line(1), line(2, MUG), line(4, in_transit=0), line(5, in_transit=3))
    assert plan(sent, {TEA: Taken(*came)}) == taken


@pytest.mark.parametrize(
    ("lines", "came", "in_transit", "message"),
    [
        ([line(1)], Taken(6, 0), 5, "product 10: 6 delivered, but only 5 in transit"),
        ([line(1)], Taken(0, 6), 5, "product 10: 6 delivered, but only 5 in transit"),
        ([line(1)], Taken(5, 1), 5, "product 10: 6 delivered, but only 5 in transit"),
        ([line(1, in_transit=0)], Taken(1, 0), 0, "product 10: 1 delivered, but only 0 in transit"),
        (
            [line(1, in_transit=2), line(2, in_transit=3)],
            Taken(4, 2),
            5,
            "product 10: 6 delivered, but only 5 in transit",
        ),
    ],
)
def test_more_than_is_in_transit_is_refused_with_the_numbers(
    lines: list[TransferredLine], came: Taken, in_transit: int, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"^{message}$") as caught:
        plan(transfer(line(9, MUG), *lines), {MUG: Taken(1, 0), TEA: came})
    assert caught.value.details == {"product_id": TEA, "quantity": came.units, "in_transit": in_transit}


@pytest.mark.parametrize("came", [Taken(1, 0), Taken(0, 1)])
def test_what_was_not_sent_is_refused(came: Taken) -> None:
    with pytest.raises(InvalidRequest, match=r"^product 20 isn't on transfer T-1$") as caught:
        plan(transfer(line(1)), {TEA: Taken(1, 0), MUG: came})
    assert caught.value.details == {"product_id": MUG}


@pytest.mark.parametrize("status", [S.PENDING, S.RECEIVED, S.CANCELLED, S.REJECTED])
def test_goods_only_arrive_while_they_are_in_transit(status: TransferStatus) -> None:
    # The status is what is said, even of a receipt that would be wrong in any.
    with pytest.raises(InvalidState) as caught:
        plan(transfer(line(1), status=status), {MUG: Taken(9, 0)})
    assert caught.value.details == {"status": status.value, "command": "receive"}


def test_it_is_received_once_nothing_is_in_transit_whether_it_came_fit_or_damaged() -> None:
    sent = transfer(line(1, in_transit=2), line(2, MUG, 0), line(3, MUG, 1))
    assert sent.after_receipt({}) is S.IN_TRANSIT
    assert sent.after_receipt({OfLine(1): Taken(2, 0)}) is S.IN_TRANSIT
    assert sent.after_receipt({OfLine(1): Taken(1, 0), OfLine(3): Taken(0, 1)}) is S.IN_TRANSIT
    assert sent.after_receipt({OfLine(1): Taken(2, 0), OfLine(3): Taken(1, 0)}) is S.RECEIVED
    assert sent.after_receipt({OfLine(1): Taken(1, 1), OfLine(3): Taken(0, 1)}) is S.RECEIVED


_LINES = st.lists(st.tuples(st.sampled_from([TEA, MUG]), st.integers(0, 6)), min_size=1, max_size=6).map(
    lambda rows: [line(number, *row) for number, row in enumerate(rows, 1)]
)


@st.composite
def _deliveries(draw: st.DrawFn, *, too_many: int) -> Delivery:
    """A transfer's lines, and what came of its products: at most so many units more than are in transit."""
    lines = draw(_LINES)
    came = {}
    for product_id in sorted({line.product_id for line in lines}):
        units = draw(st.integers(0, _on_the_way(lines, product_id) + too_many))
        fit = draw(st.integers(0, units))
        came[product_id] = Taken(fit, units - fit)
    return lines, {product_id: units for product_id, units in came.items() if any(units)}


def _on_the_way(lines: list[TransferredLine], product_id: int) -> int:
    return sum(line.in_transit for line in lines if line.product_id == product_id)


@given(_deliveries(too_many=3))
def test_a_receipt_is_refused_exactly_if_more_came_than_is_in_transit(delivery: Delivery) -> None:
    lines, came = delivery
    refused = any(units.units > _on_the_way(lines, product_id) for product_id, units in came.items())
    planned_or_refused(partial(plan, transfer(*lines)), came, refused=refused)


@given(_deliveries(too_many=0))
def test_units_are_laid_into_the_places_that_the_lines_have_one_after_the_other(delivery: Delivery) -> None:
    lines, came = delivery
    laid: Counter[tuple[int, str]] = Counter()
    for product_id, (fit, damaged) in came.items():
        places = [each.line_number for each in lines if each.product_id == product_id for _ in range(each.in_transit)]
        laid.update(zip(places, ["fit"] * fit + ["damaged"] * damaged, strict=False))
    taken = plan(transfer(*lines), came)
    assert list(taken) == sorted({number for number, _ in laid})
    assert taken == {number: Taken(laid[number, "fit"], laid[number, "damaged"]) for number in taken}


@given(_deliveries(too_many=0))
def test_nothing_of_a_receipt_is_lost_and_no_line_gets_more_than_it_has_in_transit(delivery: Delivery) -> None:
    lines, came = delivery
    sent = transfer(*lines)
    taken = plan(sent, came)
    no_unit_is_lost(taken, came, {each.line_number: each.product_id for each in lines})
    assert all(min(share) >= 0 and 0 < share.units <= sent.in_transit[number] for number, share in taken.items())


@given(_deliveries(too_many=0))
def test_it_is_received_exactly_when_all_that_was_in_transit_came(delivery: Delivery) -> None:
    lines, came = delivery
    sent = transfer(*lines)
    everything = sum(units.units for units in came.values()) == sum(each.in_transit for each in lines)
    assert sent.after_receipt({OfLine(number): share for number, share in plan(sent, came).items()}) is (
        S.RECEIVED if everything else S.IN_TRANSIT
    )


def test_units_of_a_lot_go_to_the_lines_on_which_it_is_in_transit() -> None:
    sent = transfer(lots(1, A=3), lots(2, B=2), lots(3, A=1, B=4), line(4, MUG))
    came = {OfProduct(TEA, "A"): Taken(3, 1), OfProduct(TEA, "B"): Taken(3, 0), OfProduct(MUG): Taken(1, 0)}
    assert sent.plan_receipt(came) == {
        OfLine(1, "A"): Taken(3, 0),
        OfLine(2, "B"): Taken(2, 0),
        OfLine(3, "A"): Taken(0, 1),
        OfLine(3, "B"): Taken(1, 0),
        OfLine(4): Taken(1, 0),
    }
    assert sent.lots_in_transit == {
        OfLine(1, "A"): 3,
        OfLine(2, "B"): 2,
        OfLine(3, "A"): 1,
        OfLine(3, "B"): 4,
        OfLine(4): 5,
    }


@pytest.mark.parametrize(
    ("sent", "came", "taken"),
    [
        # The only lot in transit.
        ([lots(1, A=5)], {None: Taken(2, 1)}, {OfLine(1, "A"): Taken(2, 1)}),
        # All that is in transit, and all of it fit, or damaged.
        ([lots(1, A=5, B=1)], {None: Taken(6, 0)}, {A1: Taken(5, 0), B1: Taken(1, 0)}),
        ([lots(1, A=2), lots(2, B=1)], {None: Taken(0, 3)}, {A1: Taken(0, 2), B2: Taken(0, 1)}),
        # Beside those that are named.
        (
            [lots(1, A=5, B=1)],
            {"B": Taken(1, 0), None: Taken(1, 2)},
            {A1: Taken(1, 2), B1: Taken(1, 0)},
        ),
        (
            [lots(1, A=5, B=1)],
            {"A": Taken(2, 0), None: Taken(4, 0)},
            {A1: Taken(5, 0), B1: Taken(1, 0)},
        ),
    ],
)
def test_a_lot_is_left_out_where_it_is_plain(
    sent: list[TransferredLine], came: dict[str | None, Taken], taken: dict[OfLine, Taken]
) -> None:
    assert transfer(*sent).plan_receipt({OfProduct(TEA, lot): units for lot, units in came.items()}) == taken


@pytest.mark.parametrize(
    ("sent", "came", "message"),
    [
        (
            lots(1, A=5, B=1),
            {None: Taken(5, 0)},
            WHICH.format(5),
        ),
        (
            lots(1, A=5, B=1),
            {None: Taken(5, 1)},
            WHICH.format(6),
        ),
        (lots(1, A=5, B=1), {None: Taken(7, 0)}, "7 delivered, but only 6 in transit"),
        (lots(1, A=5, B=1), {"A": Taken(5, 1)}, "6 of lot A delivered, but only 5 in transit"),
        (lots(1, A=5), {"C": Taken(1, 0)}, "1 of lot C delivered, but only 0 in transit"),
        (lots(1, A=5), {"A": Taken(5, 0), None: Taken(1, 0)}, "1 delivered, but only 0 in transit"),
        (line(1), {"A": Taken(1, 0)}, "isn't tracked by lot: leave out lot A"),
    ],
)
def test_a_receipt_by_lots_that_can_not_be_is_refused(
    sent: TransferredLine, came: dict[str | None, Taken], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"^product 10:? {message}$"):
        transfer(sent).plan_receipt({OfProduct(TEA, lot): units for lot, units in came.items()})


def test_what_is_lost_is_lost_by_lot() -> None:
    sent = transfer(lots(1, A=3), lots(2, A=1, B=2))
    assert sent.plan_write_off({OfProduct(TEA, "A"): 4}) == {OfLine(1, "A"): 3, OfLine(2, "A"): 1}
    assert sent.plan_write_off(None) == {OfLine(1, "A"): 3, OfLine(2, "A"): 1, OfLine(2, "B"): 2}
    assert sent.plan_write_off({OfProduct(TEA): 6}) == sent.plan_write_off(None)
    assert sent.after_write_off({OfLine(1, "A"): 3}) is S.IN_TRANSIT
    assert sent.after_write_off(sent.plan_write_off(None)) is S.RECEIVED
    with pytest.raises(InvalidRequest, match=r"^product 10: 5 of lot A to be written off, but only 4 in transit$"):
        sent.plan_write_off({OfProduct(TEA, "A"): 5})


_LOTS = st.lists(st.dictionaries(st.sampled_from("ABC"), st.integers(1, 4)), min_size=1, max_size=4)


@given(_LOTS, st.data())
def test_units_of_each_lot_are_laid_into_its_places_one_after_the_other(
    by_line: list[dict[str, int]], data: st.DataObject
) -> None:
    sent = transfer(*(lots(number, **its) for number, its in enumerate(by_line, 1)))
    came, laid = {}, Counter[tuple[OfLine, str]]()
    for lot in "ABC":
        places = [OfLine(number, lot) for number, its in enumerate(by_line, 1) for _ in range(its.get(lot, 0))]
        units = data.draw(st.integers(0, len(places)))
        fit = data.draw(st.integers(0, units))
        if units:
            came[OfProduct(TEA, lot)] = Taken(fit, units - fit)
            laid.update(zip(places, ["fit"] * fit + ["damaged"] * (units - fit), strict=False))
    taken = sent.plan_receipt(came)
    assert set(taken) == {of for of, _ in laid}
    assert taken == {of: Taken(laid[of, "fit"], laid[of, "damaged"]) for of in taken}
