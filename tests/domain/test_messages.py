"""Fields that messages share: money that is never a float, days that exist, and how both are written."""

import json
import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.contracts.messages import Day, Message, Money, State, UnitCost, money, parse
from stockkeeper.domain.errors import InvalidRequest


class Bill(Message):
    """A message with money in it."""

    amount: Money


class Price(Message):
    """A message with a unit cost in it."""

    unit_cost: UnitCost


class Delivery(Message):
    """A message with a day in it."""

    day: Day


class Account(State):
    """A state with money in it."""

    amount: Money


AMOUNTS = {
    "0": Decimal(0),
    "12": Decimal(12),
    "12.5": Decimal("12.5"),
    "12.50": Decimal("12.50"),
    "0.000001": Decimal("0.000001"),
    "007.10": Decimal("7.1"),
    "9" * 30 + ".999999": Decimal("9" * 30 + ".999999"),
}
NO_AMOUNTS: list[Any] = [
    *("", " 1", "1 ", "1\n", "-1", "+1", ".5", "1.", "1,5", "1_000", "1e3", "0x10", "NaN", "Infinity", "1.0000000"),
    *("\u0661\u0662", "\uff11\uff12", "9" * 31, "twelve"),
    *(12.5, 12.0, True, False, None, [], {}, ["1"]),
]


@pytest.mark.parametrize(("sent", "amount"), AMOUNTS.items())
def test_an_amount_of_money_is_read_exactly(sent: str, amount: Decimal) -> None:
    read = parse(Bill, [{"amount": sent}]).amount
    assert (type(read), read) == (Decimal, amount)


@pytest.mark.parametrize("sent", [0, 12, 10**29])
def test_a_whole_number_is_an_exact_amount_too(sent: int) -> None:
    assert parse(Bill, [{"amount": sent}]).amount == Decimal(sent)


@pytest.mark.parametrize("sent", NO_AMOUNTS, ids=repr)
def test_what_is_no_exact_amount_is_refused(sent: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^amount: .*must be an amount of money as a string, such as"):
        parse(Bill, [{"amount": sent}])


@pytest.mark.parametrize("sent", [-1, 10**30, 10**5_000], ids=["negative", "too long", "very long"])
def test_a_whole_number_out_of_range_is_refused(sent: int) -> None:
    with pytest.raises(InvalidRequest):
        parse(Bill, [{"amount": sent}])


@pytest.mark.parametrize(("sent", "is_one"), [("999999999999.999999", True), ("1000000000000", False)])
def test_a_unit_cost_has_at_most_twelve_digits_before_the_point(sent: str, *, is_one: bool) -> None:
    if is_one:
        assert parse(Price, [{"unit_cost": sent}]).unit_cost == Decimal(sent)
    else:
        with pytest.raises(InvalidRequest, match=r"^unit_cost: "):
            parse(Price, [{"unit_cost": sent}])


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ("0", "0.00"),
        ("12", "12.00"),
        ("12.5", "12.50"),
        ("12.500000", "12.50"),
        ("0.000001", "0.000001"),
        ("1.230000", "1.23"),
        ("1.234", "1.234"),
        ("100", "100.00"),
        ("1E+3", "1000.00"),
        ("0E-6", "0.00"),
        ("999999999999999999000000.000001", "999999999999999999000000.000001"),
        ("9" * 32 + ".999999", "9" * 32 + ".999999"),
    ],
)
def test_money_is_written_with_all_its_digits_and_at_least_two_decimals(amount: str, written: str) -> None:
    assert money(Decimal(amount)) == written
    assert Account(amount=Decimal(amount)).model_dump(mode="json") == {"amount": written}


# Made from their digits: a Decimal's arithmetic would round the largest up, to one digit too many.
@given(st.integers(0, 10**36 - 1).map(lambda millionths: Decimal(f"{millionths}e-6")))
def test_money_comes_back_as_it_went(amount: Decimal) -> None:
    written = Account(amount=amount).model_dump_json()
    assert Account.model_validate_json(written).amount == amount
    assert parse(Bill, [json.loads(written)]).amount == amount


@pytest.mark.parametrize("sent", [*AMOUNTS, *(each for each in NO_AMOUNTS if isinstance(each, str))])
def test_the_schema_takes_the_strings_that_the_model_takes(sent: str) -> None:
    described = Bill.model_json_schema()["properties"]["amount"]
    assert described["type"] == "string"
    # As other languages read the pattern: there $ is the very end.
    pattern = described["pattern"].removesuffix("$") + r"\Z"
    assert bool(re.search(pattern, sent)) is (sent in AMOUNTS)


@pytest.mark.parametrize("sent", ["2026-11-23", "2024-02-29", "1970-01-01", "2199-12-31"])
def test_a_day_is_read(sent: str) -> None:
    assert parse(Delivery, [{"day": sent}]).day == date.fromisoformat(sent)
    assert parse(Delivery, [{"day": sent}]).model_dump(mode="json") == {"day": sent}


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ("2026-02-29", "there is no such day"),
        ("2026-13-01", "there is no such day"),
        ("2026-00-10", "there is no such day"),
        ("0000-01-01", "there is no such day"),
        ("1969-12-31", "must be between 1970 and 2199"),
        ("2200-01-01", "must be between 1970 and 2199"),
        ("2026-11-23T00:00:00", "must be a day, such as 2026-11-23"),
        ("2026-11-23T00:00:00Z", "must be a day, such as 2026-11-23"),
        ("20261123", "must be a day, such as 2026-11-23"),
        ("2026-W48-1", "must be a day, such as 2026-11-23"),
        ("2026-11-2", "must be a day, such as 2026-11-23"),
        ("2026-11-23\n", "must be a day, such as 2026-11-23"),
        ("\u0662026-11-23", "must be a day, such as 2026-11-23"),
        ("tomorrow", "must be a day, such as 2026-11-23"),
        ("", "must be a day, such as 2026-11-23"),
        (1795392000, "must be a day, such as 2026-11-23"),
        (None, "must be a day, such as 2026-11-23"),
        (True, "must be a day, such as 2026-11-23"),
    ],
)
def test_what_is_no_day_is_refused(sent: Any, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^day: .*{problem}$"):
        parse(Delivery, [{"day": sent}])
