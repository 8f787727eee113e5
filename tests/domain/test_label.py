"""What a label's code has in it: GS1 elements with exact values, FNC1, and ZPL in which nothing is a command."""

import re
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.scanning import scan
from stockkeeper.domain.barcode import check_digit
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.label import (
    Element,
    Label,
    PackCode,
    code_for,
    element_string,
    elements_of,
    modules_across,
    of_known_lot,
    plain_code,
    readable,
    require_gtin,
    zpl_code,
    zpl_field,
)

GTIN = "4006381333931"
YEAR = 2026
SET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
TEA = Label(sku="TEA-100", name="Assam", gtin=GTIN)


def read_back(scanned: str) -> list[Element]:
    """The elements of what a scanner reports, read with a table of its own."""
    found, lengths = [], {"01": 14, "15": 6, "17": 6, "3103": 6, "3153": 6, "3113": 6}
    while scanned:
        identifier = scanned[:4] if scanned.startswith("31") else scanned[:2]
        scanned = scanned.removeprefix(identifier)
        if identifier in lengths:
            value, scanned = scanned[: lengths[identifier]], scanned[lengths[identifier] :]
        else:
            value, _, scanned = scanned.partition("\x1d")
        found.append(Element(identifier, value))
    return found


def printed(field: str) -> str:
    """What a printer makes of a field whose sign for hexadecimal is a backslash; ``^`` and ``~`` begin commands."""
    assert field.startswith("^FH\\^FD")
    assert field.endswith("^FS")
    data = field.removeprefix("^FH\\^FD").removesuffix("^FS")
    assert not re.search(r"[\^~]|\\(?![0-9A-F]{2})", data)
    raw = re.sub(rb"\\([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), data.encode("ascii"))
    return raw.decode()


def symbol(data: str) -> str:
    """What ``^BX`` puts into a symbol, by its escapes; FNC1 as a reader reports it."""
    escapes = {"@1": "\x1d", "@@": "@"}
    return re.sub(r"@(.)", lambda found: escapes[found[0]], data)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (TEA, "0104006381333931"),
        (replace(TEA, gtin="96385074"), "0100000096385074"),
        (replace(TEA, lot_number="L-7"), "010400638133393110L-7"),
        (replace(TEA, lot_number="L-7", expires_on=date(2027, 4, 30)), "01040063813339311727043010L-7"),
        (replace(TEA, lot_number="L-7", best_before=date(2027, 1, 2)), "01040063813339311527010210L-7"),
        (
            replace(TEA, lot_number="L-7", expires_on=date(2027, 4, 30), best_before=date(2027, 1, 2), quantity=24),
            "0104006381333931172704301527010210L-7\x1d3024",
        ),
        (replace(TEA, serial="S1"), "010400638133393121S1"),
        (replace(TEA, lot_number="L", serial="S", quantity=1), "010400638133393110L\x1d21S\x1d301"),
        (replace(TEA, lot_number="L", quantity=1_250, unit="g"), "0104006381333931310300125010L"),
        (replace(TEA, quantity=750, unit="ml"), "01040063813339313153000750"),
        (replace(TEA, quantity=999_999, unit="mm"), "01040063813339313113999999"),
        (replace(TEA, quantity=99_999_999, unit="case"), "01040063813339313099999999"),
    ],
)
def test_fixed_elements_come_first_and_a_variable_one_that_is_not_last_is_ended(label: Label, expected: str) -> None:
    assert element_string(elements_of(label, YEAR)) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (replace(TEA, lot_number="L2110", expires_on=date(2027, 4, 30)), "010400638133393110L2110\x1d17270430"),
        (
            replace(TEA, lot_number="L2110", expires_on=date(2027, 4, 30), best_before=date(2027, 1, 2)),
            "01040063813339311727043010L2110\x1d15270102",
        ),
        (
            replace(TEA, lot_number="L2110", expires_on=date(2027, 4, 30), quantity=24),
            "01040063813339311727043010L2110\x1d3024",
        ),
        (replace(TEA, lot_number="2110", expires_on=date(2027, 4, 30)), "0104006381333931102110\x1d17270430"),
        (replace(TEA, lot_number="L2110"), "010400638133393110L2110"),
    ],
)
def test_a_lot_that_could_be_read_as_two_elements_is_ended_by_a_separator(label: Label, expected: str) -> None:
    assert element_string(elements_of(label, YEAR)) == expected


def test_people_read_the_elements_with_brackets() -> None:
    assert readable(elements_of(replace(TEA, lot_number="L-7", quantity=24), YEAR)) == (
        "(01)04006381333931(10)L-7(30)24"
    )


def test_a_product_without_a_gtin_has_a_plain_code_of_its_own_barcode_or_its_sku() -> None:
    plain = replace(TEA, gtin=None, lot_number="a lot that GS1 would never take: ^~", quantity=24)
    assert elements_of(plain, YEAR) == []
    assert (plain_code(plain), plain_code(replace(plain, barcode="SHELF 4"))) == ("TEA-100", "SHELF 4")
    assert zpl_code(replace(plain, sku="A@1"), []) == "A@@1"


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (
            replace(TEA, gtin="4006381333930"),
            (
                "GTIN '4006381333930': must have 8, 12, 13 or 14 digits, the last of them the check digit; its last "
                "digit would be 1"
            ),
        ),
        (replace(TEA, gtin="123"), "GTIN '123': must have 8, 12, 13 or 14 digits, the last of them the check digit"),
        (
            replace(TEA, lot_number="L" * 21),
            f"lot number '{'L' * 21}': has 21 letters, and a GS1 code takes 1 to 20; use a plain code (--plain)",
        ),
        (
            replace(TEA, lot_number=""),
            "lot number '': has 0 letters, and a GS1 code takes 1 to 20; use a plain code (--plain)",
        ),
        (
            replace(TEA, lot_number="ü #7"),
            "lot number 'ü #7': a GS1 code can't have ' #ü' in it; use a plain code (--plain)",
        ),
        (
            replace(TEA, serial="S\x1d1"),
            "serial number 'S\\x1d1': a GS1 code can't have '\\x1d' in it; use a plain code (--plain)",
        ),
        (
            replace(TEA, quantity=0),
            "quantity 0 each: a GS1 code takes 1 to 99999999; leave it out, or use a plain code (--plain)",
        ),
        (
            replace(TEA, quantity=1_000_000, unit="g"),
            "quantity 1000000 g: a GS1 code takes 1 to 999999; leave it out, or use a plain code (--plain)",
        ),
        (
            replace(TEA, expires_on=date(2077, 1, 1)),
            (
                "expiry 2077-01-01: a GS1 code has two digits of the year, which readers take for one from 1977 to "
                "2076; use a plain code (--plain)"
            ),
        ),
        (
            replace(TEA, best_before=date(1976, 12, 31)),
            (
                "best-before day 1976-12-31: a GS1 code has two digits of the year, which readers take for one from "
                "1977 to 2076; use a plain code (--plain)"
            ),
        ),
    ],
)
def test_what_does_not_fit_the_rules_of_gs1_is_refused(label: Label, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        elements_of(label, YEAR)
    assert str(refused.value) == message


@pytest.mark.parametrize("code", ["", "a\nb", "\x1d01"])
def test_a_plain_code_has_nothing_that_cannot_be_seen(code: str) -> None:
    with pytest.raises(InvalidRequest, match="must have a letter at least, and no control characters"):
        plain_code(replace(TEA, gtin=None, sku=code))


def test_a_days_year_is_told_by_two_digits_within_a_hundred_years() -> None:
    days = (date(1977, 1, 1), date(2026, 2, 28), date(2076, 12, 31))
    assert [elements_of(replace(TEA, expires_on=day), YEAR)[1].value for day in days] == ["770101", "260228", "761231"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Assam 100 g", "^FH\\^FDAssam 100 g^FS"),
        ("^XA~JA", "^FH\\^FD\\5EXA\\7EJA^FS"),
        ("a_5E\\5E", "^FH\\^FDa\\5F5E\\5C5E^FS"),
        ("Größe", "^FH\\^FDGr\\C3\\B6\\C3\\9Fe^FS"),
        ("a\r\n^XZ", "^FH\\^FDa\\5EXZ^FS"),
    ],
)
def test_nothing_in_a_text_is_a_command_to_the_printer(text: str, expected: str) -> None:
    assert zpl_field(text) == expected


def test_fnc1_is_in_the_first_place_and_between_in_zpl() -> None:
    label = replace(TEA, lot_number="A_B", expires_on=date(2027, 4, 30), quantity=24)
    data = zpl_code(label, elements_of(label, YEAR))
    assert data == "@101040063813339311727043010A_B@13024"
    assert zpl_field(data) == "^FH\\^FD@101040063813339311727043010A\\5FB@13024^FS"


def gtins() -> st.SearchStrategy[str]:
    """GTINs of every length."""
    digits = st.sampled_from([7, 11, 12, 13]).flatmap(
        lambda length: st.text("0123456789", min_size=length, max_size=length)
    )
    return digits.filter(lambda each: bool(each.strip("0"))).map(lambda each: each + check_digit(each))


texts = st.none() | st.text(SET_82, min_size=1, max_size=20) | st.text("01237L", min_size=1, max_size=20)
days = st.none() | st.dates(date(1977, 1, 1), date(2076, 12, 31))
labels = st.builds(
    Label,
    sku=st.just("TEA"),
    name=st.just("Assam"),
    gtin=gtins(),
    lot_number=texts,
    serial=texts,
    expires_on=days,
    best_before=days,
    quantity=st.none() | st.integers(1, 999_999),
    unit=st.sampled_from(["each", "g", "ml", "mm", "case"]),
)


@given(labels)
def test_whatever_goes_in_reads_back(label: Label) -> None:
    elements = elements_of(label, YEAR)
    assert read_back(element_string(elements)) == elements
    assert symbol(printed(zpl_field(zpl_code(label, elements)))) == "\x1d" + element_string(elements)
    values = {each.identifier: each.value for each in elements}
    assert values.pop("01") == require_gtin(label.gtin or "")
    assert values.pop("10", None) == label.lot_number
    assert values.pop("21", None) == label.serial
    assert values.pop("17", None) == (label.expires_on and f"{label.expires_on:%y%m%d}")
    assert values.pop("15", None) == (label.best_before and f"{label.best_before:%y%m%d}")
    assert [int(value) for value in values.values()] == [label.quantity] * (label.quantity is not None)


sensible = st.none() | st.dates(date(2010, 1, 1), date(2070, 12, 31))


@given(labels, sensible, sensible)
def test_a_scan_of_a_label_means_what_it_says(label: Label, expires_on: date | None, best_before: date | None) -> None:
    label = replace(label, expires_on=expires_on, best_before=best_before)
    elements = elements_of(label, YEAR)
    scanned = scan("]d2" + element_string(elements), date(YEAR, 11, 30))
    said = [
        (each.gtin, each.lot_number, each.serial, each.expires_on)
        for each in scanned.readings
        if (each.packs, each.measure and each.measure.quantity) in ((label.quantity, None), (1, label.quantity))
    ]
    meant = (require_gtin(label.gtin or ""), label.lot_number, label.serial, label.expires_on)
    assert meant in said
    # A GTIN with one element of variable length and nothing else has no separator.
    assert scanned.certain or [each.is_fixed for each in elements] == [True, False]


@given(st.text())
def test_any_text_reads_back_from_its_field_without_its_control_characters(text: str) -> None:
    shown = "".join(letter for letter in text if letter.isprintable())
    assert printed(zpl_field(text)) == shown


@given(st.text("@1ab~^_\\", min_size=1))
def test_any_plain_code_reads_back_from_its_symbol(code: str) -> None:
    label = Label(sku=code, name="")
    assert symbol(printed(zpl_field(zpl_code(label, [])))) == code


def test_a_symbol_is_as_wide_as_its_simplest_encoding_needs() -> None:
    full = replace(TEA, lot_number="ABCDEFGHIJKLMNOPQRST", expires_on=date(2027, 4, 30), quantity=24)
    assert [modules_across(each, elements_of(each, YEAR)) for each in (TEA, replace(TEA, lot_number="L-7"), full)] == [
        16,
        18,
        26,
    ]
    plain = replace(TEA, gtin=None)
    sizes = [modules_across(replace(plain, sku=sku), []) for sku in ("123456", "TEA-100", "Größe-1", "茶", "x" * 456)]
    assert sizes == [10, 14, 18, 14, 80]
    with pytest.raises(InvalidRequest, match="the code has 457 letters, which is more than a label's symbol takes"):
        modules_across(replace(plain, sku="x" * 457), [])


EACH, CASE = PackCode("04006381333931", "each", 1), PackCode("14006381333938", "case", 24)
SHELF, BOX = PackCode("SHELF-TEA", "each", 1), PackCode("BOX-TEA", "box", 6)
OTHER = PackCode("00000096385074", "each", 1)
WHICH = "say which by --unit or --gtin, or use --plain"


@pytest.mark.parametrize(
    ("codes", "unit", "is_counted", "expected"),
    [
        ([], None, True, (None, None)),
        ([EACH, CASE, SHELF], None, True, ("04006381333931", None)),
        ([EACH, CASE, SHELF], "case", True, ("14006381333938", None)),
        ([CASE], None, False, ("14006381333938", None)),
        ([SHELF, BOX], None, True, (None, "SHELF-TEA")),
        ([SHELF, BOX], "box", True, (None, "BOX-TEA")),
        ([SHELF, BOX], "pallet", True, (None, None)),
        ([SHELF, SHELF._replace(barcode="S2")], None, True, (None, None)),
    ],
)
def test_a_label_has_the_gtin_of_its_pack_or_else_the_only_own_code(
    codes: list[PackCode], unit: str | None, is_counted: bool, expected: tuple[str | None, str | None]
) -> None:
    assert code_for("TEA", codes, unit, is_counted=is_counted) == expected


@pytest.mark.parametrize(
    ("codes", "unit", "is_counted", "message"),
    [
        ([CASE], None, True, f"TEA has the GTINs 14006381333938 (case of 24): {WHICH}"),
        ([CASE, SHELF], "each", False, f"TEA has the GTINs 14006381333938 (case of 24): {WHICH}"),
        (
            [EACH, OTHER],
            None,
            False,
            f"TEA has the GTINs 04006381333931 (each of 1), 00000096385074 (each of 1): {WHICH}",
        ),
    ],
)
def test_a_gtin_is_never_guessed(codes: list[PackCode], unit: str | None, is_counted: bool, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        code_for("TEA", codes, unit, is_counted=is_counted)
    assert str(refused.value) == message


def test_the_days_of_a_known_lot_are_those_with_which_it_was_received() -> None:
    label = replace(TEA, lot_number="L-7")
    day, other = date(2027, 4, 30), date(2027, 1, 31)
    assert of_known_lot(label, day, other) == replace(label, expires_on=day, best_before=other)
    assert of_known_lot(replace(label, expires_on=day), day, None) == replace(label, expires_on=day)
    for asked, message in (
        (
            replace(label, expires_on=other),
            "L-7 of TEA-100 expires on 2027-04-30, as it was received, and not 2027-01-31",
        ),
        (
            replace(label, best_before=other),
            "L-7 of TEA-100 is best before no day, as it was received, and not 2027-01-31",
        ),
    ):
        with pytest.raises(InvalidRequest) as refused:
            of_known_lot(asked, day, None)
        assert str(refused.value) == message
