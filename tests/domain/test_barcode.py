"""Barcodes: check digits, the 14 digits in which GTINs are kept, and what isn't taken for one."""

import re

import pytest

from stockkeeper.domain.barcode import check_digit, gtin_of, require_barcode, require_unit


@pytest.mark.parametrize(
    ("digits", "gtin"),
    [
        ("96385074", "00000096385074"),
        ("036000291452", "00036000291452"),
        ("0036000291452", "00036000291452"),
        ("4006381333931", "04006381333931"),
        ("14006381333938", "14006381333938"),
        ("00036000291452", "00036000291452"),
    ],
)
def test_a_gtin_is_kept_with_fourteen_digits(digits: str, gtin: str) -> None:
    assert (gtin_of(digits), require_barcode(digits)) == (gtin, gtin)


@pytest.mark.parametrize(
    ("digits", "digit"),
    # The first is computed step by step in the GS1 General Specifications, 7.9.1.
    [("629104150021", "3"), ("37610425002123456", "9"), ("400638133393", "1"), ("9638507", "4"), ("0", "0")],
)
def test_the_check_digit_of_any_length(digits: str, digit: str) -> None:
    assert check_digit(digits) == digit


@pytest.mark.parametrize("digits", ["4006381333930", "96385070", "036000291453", "14006381333931", "123", "", "0" * 13])
def test_no_gtin(digits: str) -> None:
    assert gtin_of(digits) is None


@pytest.mark.parametrize(
    "code", ["SHELF-7", "12345", "a b", "4006381333931X", "36000291453", "123456789", "0" * 6 + "1"]
)
def test_an_own_code_stays_as_it_is(code: str) -> None:
    assert require_barcode(code) == code


@pytest.mark.parametrize("digit", range(10))
def test_nine_of_ten_check_digits_are_refused(digit: int) -> None:
    assert (gtin_of(f"400638133393{digit}") is not None) == (digit == 1)


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        (
            "4006381333930",
            (
                "has 13 digits as a GTIN, whose last one would be 1: read it again; an own code needs another length, "
                "or a letter"
            ),
        ),
        ("4.00638E+12", "a spreadsheet has shortened this number: give the column the format text, and type it again"),
        ("4,00638E+12", "a spreadsheet has shortened this number: give the column the format text, and type it again"),
        (
            "36000291452",
            (
                "may be the UPC 036000291452 without its first zero, which spreadsheets drop: write that; an own code "
                "needs another length, or a letter"
            ),
        ),
        ("]C1SHELF", "must not begin with ]C1, which a scanner puts in front to name the kind of symbol"),
        ("00000000", "must not be zeros alone"),
        ("X" * 91, "must have at most 90 letters"),
    ],
)
def test_what_no_scanner_sends_as_it_is_is_refused_with_what_to_do(code: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wrong)) as caught:
        require_barcode(code)
    assert str(caught.value) == wrong


@pytest.mark.parametrize(
    ("given", "unit"), [("each", "each"), ("Case", "case"), ("STÜCK", "stück"), ("half-box", "half-box")]
)
def test_a_unit_is_one_word_in_small_letters(given: str, unit: str) -> None:
    assert require_unit(given) == unit


@pytest.mark.parametrize("given", ["", "6er", "two words", "-", "case-", "x" * 41, "a=b"])
def test_no_unit(given: str) -> None:
    with pytest.raises(ValueError, match="must be one word of at most 40 letters, such as each, case or pallet"):
        require_unit(given)
