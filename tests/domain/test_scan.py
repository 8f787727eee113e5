"""Scans: a table of texts with all that each may mean, and what holds of any text."""

import csv
from datetime import date
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from activities.scanning import scan
from stockkeeper.domain.barcode import check_digit
from stockkeeper.domain.label import Label, element_string, elements_of
from stockkeeper.domain.scan import DATES, Reading, days_of, is_sensible_year, measure_of
from stockkeeper.domain.unit import BaseUnit

TODAY = date(2026, 11, 30)
CASES = [*csv.DictReader(Path(__file__).with_name("scans.csv").read_text(encoding="utf-8").splitlines())]
"""A text (with Python's escapes), whether it is certain, all of its readings, and where the case comes from."""
GS = "\x1d"


def _said(reading: Reading, names: set[str]) -> str:
    """A reading as the table has it; an element that isn't read is told where the table asks for it."""
    days = {each.ai: each.day for each in reading.elements}
    measure = reading.measure
    said = {
        "sscc": reading.sscc,
        "gtin": reading.gtin,
        "lot": reading.lot_number,
        "expires": reading.expires_on,
        "best": days.get("15"),
        "made": days.get("11"),
        "serial": reading.serial,
        "packs": None if reading.packs == 1 and "packs" not in names else reading.packs,
        "measure": None if measure is None else f"{measure.quantity}{measure.unit.symbol}",
        "problem": 1 if reading.problems else None,
        "element": reading.elements[-1].ai if "element" in names else None,
    }
    return " ".join(sorted(f"{name}={value}" for name, value in said.items() if value is not None))


def _expected(reading: str) -> tuple[str, set[str]]:
    parts = reading.split(" ")
    return " ".join(sorted(parts)), {part.partition("=")[0] for part in parts}


def test_a_text_means_what_the_table_says_and_nothing_else() -> None:
    wrong = []
    for case in CASES:
        scanned = scan(case["text"].encode("ascii").decode("unicode_escape"), TODAY)
        wanted = [_expected(each) for each in case["readings"].split(" | ")] if case["readings"] else []
        names = {name for _, each in wanted for name in each}
        found = sorted(_said(each, names) for each in scanned.readings)
        if (found, scanned.certain) != (sorted(text for text, _ in wanted), case["certain"] == "yes"):
            wrong.append((case, found, scanned.certain))
    assert wrong == []


def test_the_table_has_hundreds_of_cases_and_each_says_where_it_comes_from() -> None:
    assert len(CASES) >= 300
    assert [case["text"] for case in CASES if not case["source"]] == []
    assert len({case["text"] for case in CASES}) == len(CASES)


def test_what_a_label_of_ours_has_in_its_code_is_what_a_scan_of_it_says() -> None:
    label = Label(
        sku="TEA-100",
        name="Tea",
        gtin="4006381333931",
        lot_number="A(1)B",
        serial="Z/9",
        expires_on=date(2027, 4, 30),
        quantity=24,
    )
    scanned = scan(f"]d2{element_string(elements_of(label, TODAY.year))}", TODAY)
    [reading] = scanned.readings
    assert scanned.certain
    assert (reading.gtin, reading.lot_number, reading.serial) == ("04006381333931", "A(1)B", "Z/9")
    assert (reading.expires_on, reading.packs) == (date(2027, 4, 30), 24)


def test_the_longest_texts_have_an_answer_as_well() -> None:
    texts = ["10" + "21" * 499, "91" + "1021303711" * 30, "(10)a" * 199 + "(01)1", "01" * 500, "10a\x1d" * 250]
    assert [len(scan(text, TODAY).readings) for text in texts] == [0, 0, 1, 0, 1]


_digits = st.text("0123456789", min_size=13, max_size=13)
_gtins = st.builds(lambda digits: digits + check_digit(digits), _digits.filter(lambda digits: digits.strip("0")))
_ssccs = st.builds(lambda digits: digits + check_digit(digits), st.text("0123456789", min_size=17, max_size=17))
_data = st.text(
    """!"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz""", min_size=1, max_size=20
)
_counts = st.integers(1, 99_999_999).map(str)
_days = st.dates(date(2010, 1, 1), date(2076, 12, 31)).map(lambda day: f"{day:%y%m%d}")
_VARIABLE = {"10", "21", "30", "37"}
_chains = (
    st.fixed_dictionaries(
        {"01": _gtins},
        optional={
            "10": _data,
            "17": _days,
            "15": _days,
            "21": _data,
            "30": _counts,
            "3103": _counts.map(lambda n: n[:6].zfill(6)),
        },
    )
    | st.fixed_dictionaries({"02": _gtins, "37": _counts}, optional={"00": _ssccs, "10": _data, "17": _days})
).flatmap(lambda elements: st.permutations(list(elements.items())))


def _elements(reading: Reading) -> list[tuple[str, str]]:
    return [(each.ai, each.value) for each in reading.elements]


def _encoded(chain: list[tuple[str, str]], separator: str) -> str:
    parts = [f"{ai}{value}{separator if ai in _VARIABLE else ''}" for ai, value in chain]
    return "".join(parts).removesuffix(separator) if separator else "".join(parts)


@settings(max_examples=60, deadline=None)
@given(_chains, st.sampled_from(["]C1", "]d2", "]Q3", "]e0", ""]))
def test_elements_with_separators_come_back_exactly(chain: list[tuple[str, str]], symbol: str) -> None:
    # The last separator shows that they come through, where there is no other.
    scanned = scan(f"{symbol}{_encoded(chain, GS)}{GS}", TODAY)
    assert [_elements(each) for each in scanned.readings] == [chain]


@settings(max_examples=60, deadline=None)
@given(_chains)
def test_elements_without_separators_come_back_among_others_and_are_never_certain_if_they_are_not_alone(
    chain: list[tuple[str, str]],
) -> None:
    scanned = scan(f"]C1{_encoded(chain, '')}", TODAY)
    read = [_elements(each) for each in scanned.readings]
    if _swallows_only_what_is_read(chain):
        assert chain in read
    assert scanned.certain == (len(read) == 1 and not scanned.readings[0].problems)
    for each in scanned.readings:
        assert "".join(f"{ai}{value}" for ai, value in _elements(each)) == _encoded(chain, "")


@settings(max_examples=60, deadline=None)
@given(_chains)
def test_elements_in_brackets_come_back_exactly(chain: list[tuple[str, str]]) -> None:
    plain = [(ai, value.translate(str.maketrans("()", "--"))) for ai, value in chain]
    scanned = scan("".join(f"({ai}){value}" for ai, value in plain), TODAY)
    assert [_elements(each) for each in scanned.readings] == [plain]


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=60) | st.text("0123456789()]C\x1d", max_size=60),
    st.sampled_from(["", "]C1", "]d2", "01", "10", "https://x/01/"]),
)
def test_any_text_at_all_has_an_answer(text: str, begins: str) -> None:
    scanned = scan(begins + text, TODAY)
    assert not scanned.certain or len(scanned.readings) == 1


@settings(max_examples=100)
@given(
    st.sampled_from(sorted(DATES)),
    st.dates(date(1990, 1, 1), date(2090, 12, 31)),
    st.dates(date(2020, 1, 1), date(2060, 12, 31)),
)
def test_a_day_that_makes_sense_is_among_the_readings_and_alone_if_the_rule_agrees(
    ai: str, day: date, today: date
) -> None:
    days = days_of(ai, f"{day:%y%m%d}", today)
    assert days == sorted(set(days))
    assert {(each.month, each.day) for each in days} == {(day.month, day.day)}
    if is_sensible_year(ai, day.year, today):
        assert day in days
    if len(days) == 1:
        assert -49 <= days[0].year - today.year <= 50


@given(st.integers(0, 5), st.integers(0, 999_999))
def test_a_weight_is_exact_or_refused(places: int, number: int) -> None:
    measured = measure_of(f"310{places}", f"{number:06}")
    grams, rest = divmod(number * 1000, 10**places)
    assert isinstance(measured, str) == bool(rest or not grams)
    if not isinstance(measured, str):
        assert measured == (BaseUnit.GRAM, grams)


def _swallows_only_what_is_read(chain: list[tuple[str, str]]) -> bool:
    """Whether what stands behind data of variable length is looked for there: a sensible year, a count of its item."""
    behind = False
    gtin = ""
    for ai, value in chain:
        if (
            behind
            and ai in DATES
            and not any(is_sensible_year(ai, day.year, TODAY) for day in days_of(ai, value, TODAY))
        ):
            return False
        if behind and ((ai == "30" and not gtin.startswith("9")) or (ai == "37" and not gtin)):
            return False
        gtin = value if ai in ("01", "02") else gtin
        behind = behind or ai in _VARIABLE
    return True
