"""Units: quantities are whole numbers of the base unit, and what people write is read exactly or refused."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.unit import (
    MEASURES,
    BaseUnit,
    KnownPack,
    Pack,
    ProductUnits,
    base_unit_called,
    decompose,
    is_quantity,
    pack_name,
    quantity_in,
    units_for,
)

OURS, THEIRS = 1, 2
TEA = units_for(
    BaseUnit.EACH,
    [
        *(KnownPack("case", 24), KnownPack("pallet", 960), KnownPack("box", 10)),
        *(KnownPack("case", 30, THEIRS), KnownPack("crate", 12, THEIRS)),
        *(KnownPack("tray", 6, is_by_barcode=True), KnownPack("case", 20, is_by_barcode=True)),
        *(KnownPack("layer", 8, is_by_barcode=True), KnownPack("layer", 9, is_by_barcode=True)),
    ],
)
FLOUR = units_for(BaseUnit.GRAM, [KnownPack("sack", 25_000)])


def refused(units: ProductUnits, text: str, *, signed: bool = False) -> str:
    with pytest.raises(InvalidRequest) as caught:
        units.parse(text, signed=signed)
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "units"),
    [
        *(("120", 120), ("0", 0), (" 7 ", 7), ("5 case", 120), ("5case", 120), ("5 cases", 120), ("5 CASES", 120)),
        *(("5 cases of 24", 120), ("1 pallet", 960), ("3 boxes", 30), ("1.5 cases", 36), ("2 trays", 12)),
        *(("2 pallets + 3 cases + 5", 1997), ("125 (5 cases of 24 + 5)", 125), ("12 pcs", 12), ("12 each", 12)),
    ],
)
def test_pieces_and_packs_are_read_in_base_units(text: str, units: int) -> None:
    assert TEA.parse(text) == units


@pytest.mark.parametrize(
    ("base_unit", "text", "units"),
    [
        *((BaseUnit.GRAM, "1.250 kg", 1250), (BaseUnit.GRAM, "1.25kg", 1250), (BaseUnit.GRAM, "0.1 kg", 100)),
        *((BaseUnit.GRAM, "2500 mg", None), (BaseUnit.GRAM, "2000 mg", 2), (BaseUnit.GRAM, "1.5 t", 1_500_000)),
        *(
            (BaseUnit.MILLILITRE, "0.75 L", 750),
            (BaseUnit.MILLILITRE, "70 cl", 700),
            (BaseUnit.MILLILITRE, "3 dl", 300),
        ),
        *((BaseUnit.MILLIMETRE, "1.2 m", 1200), (BaseUnit.MILLIMETRE, "2.5 cm", 25), (BaseUnit.MILLIMETRE, "9mm", 9)),
        *((BaseUnit.GRAM, "0.29 kg", 290), (BaseUnit.GRAM, "999999999.999 kg", 999_999_999_999)),
    ],
)
def test_metric_units_are_exact(base_unit: BaseUnit, text: str, units: int | None) -> None:
    product = ProductUnits(base_unit)
    if units is None:
        assert refused(product, text) == "2500 mg isn't whole in grams; the nearest are 2 g or 3 g"
    else:
        assert product.parse(text) == units


@pytest.mark.parametrize(
    ("units", "text", "message"),
    [
        (FLOUR, "1.2345 kg", "1.2345 kg isn't whole in grams; the nearest are 1234 g or 1235 g"),
        (TEA, "0.1 case", "0.1 case isn't whole in pieces; the nearest are 2 or 3"),
        (TEA, "1.000", "1.000 must be whole units, without dots or commas"),
        (FLOUR, "1.000 g", "1.000 must be whole units, without dots or commas"),
        (TEA, "1,5 case", "'1,5 case' is no quantity, such as 120, 5 cases or 1.25 kg"),
        (TEA, "", "'' is no quantity, such as 120, 5 cases or 1.25 kg"),
        (TEA, "5 +", "'5 +' is no quantity, such as 120, 5 cases or 1.25 kg"),
        (TEA, "case", "'case' is no quantity, such as 120, 5 cases or 1.25 kg"),
        (TEA, "٣", "'٣' is no quantity, such as 120, 5 cases or 1.25 kg"),
        (TEA, "-3", "'-3': must not be negative"),
        (TEA, "5 cases of 12", "'5 cases of 12': of cases it has 24 in each, not 12"),
        (TEA, "120 (5 cases of 24 + 5)", "'120 (5 cases of 24 + 5)' says 120 and 125"),
        (
            TEA,
            "5 kg",
            "kg is no unit of it: it is counted in pieces, and in tray (6), box (10), case (24), pallet (960)",
        ),
        (
            TEA,
            "5e5",
            "it has no unit 'e5': it is counted in pieces, and in tray (6), box (10), case (24), pallet (960)",
        ),
        (
            FLOUR,
            "5 bags",
            "it has no unit 'bags': it is counted in grams, and in sack (25000)",
        ),
        (ProductUnits(), "5 bags", "it has no unit 'bags': it is counted in pieces, and has no packs"),
        (TEA, "2 crates", "crates is a pack of its suppliers only, and they may differ; give pieces"),
        (TEA, "2 layers", "its barcodes say that a layer has 8 and 9; import its unit, or count them"),
    ],
)
def test_what_is_no_quantity_of_the_product_is_refused(units: ProductUnits, text: str, message: str) -> None:
    assert refused(units, text) == message


def test_an_adjustment_may_take_off_packs_but_not_a_sum() -> None:
    assert TEA.parse("-3 cases", signed=True) == -72
    assert TEA.parse("+2", signed=True) == 2
    assert TEA.parse("-72 (3 cases of 24)", signed=True) == -72
    assert refused(TEA, "-3 cases + 5", signed=True) == "'-3 cases + 5': give a sum without a sign"


def test_a_suppliers_own_case_comes_first_and_then_the_houses_and_then_a_barcodes() -> None:
    known = [KnownPack("case", 24), KnownPack("case", 30, THEIRS), KnownPack("case", 20, is_by_barcode=True)]
    assert units_for(BaseUnit.EACH, known).parse("1 case") == 24
    assert units_for(BaseUnit.EACH, known, OURS).parse("1 case") == 24
    assert units_for(BaseUnit.EACH, known, THEIRS).parse("1 case") == 30
    assert units_for(BaseUnit.EACH, known[2:]).parse("1 case") == 20


def test_a_plural_counts_unless_it_may_be_two_and_an_exact_name_comes_first() -> None:
    both = ProductUnits(packs={"box": 10, "boxe": 11})
    assert refused(both, "2 boxes") == "boxes may be box or boxe; write one of them"
    assert both.parse("2 box") == 20
    assert ProductUnits(packs={"case": 24, "cases": 48}).parse("2 cases") == 96
    assert ProductUnits(packs={"tray": 6, "gallon": 4}).parse("2 trays + 1 gallon") == 16
    assert ProductUnits(packs={"body": 6}).parse("2 bodies") == 12


@pytest.mark.parametrize(
    ("units", "shown"),
    [
        *((120, "120 (5 cases of 24)"), (125, "125 (5 cases of 24 + 5)"), (9, "9 (1 tray of 6 + 3)"), (5, "5")),
        *((1997, "1997 (2 pallets of 960 + 3 cases of 24 + 5)"), (0, "0"), (-24, "-24 (1 case of 24)")),
    ],
)
def test_units_are_shown_in_packs_the_largest_first(units: int, shown: str) -> None:
    assert TEA.shown(units) == shown


@pytest.mark.parametrize(
    ("units", "text", "explained"),
    [
        *((TEA, "5case", "5 cases of 24 = 120"), (TEA, "1 CASES", "1 case of 24 = 24"), (TEA, "3 pcs", "3 pcs = 3")),
        *((TEA, "2 pallets+3 case + 5", "2 pallets of 960 + 3 cases of 24 + 5 = 1997"), (TEA, "120", "120 = 120")),
        *((TEA, "-3 case", "-3 cases of 24 = -72"), (TEA, "24 (1 case)", "24 (1 case)")),
        (FLOUR, "1.250kg", "1.250 kg = 1250 g"),
    ],
)
def test_what_was_written_is_explained(units: ProductUnits, text: str, explained: str) -> None:
    assert units.explained(text, signed=True) == explained


def test_a_text_that_may_be_a_quantity_is_known_without_the_product() -> None:
    texts = [
        "5 cases",
        "1.25kg",
        "2 x + 3",
        "125 (5 cases + 5)",
        "3",
        "1.000",
        "ten",
        "",
        "-3 cases",
        "a case",
        "1,5 kg",
    ]
    assert [is_quantity(each) for each in texts] == [True] * 4 + [False] * 7
    assert [is_quantity(each, signed=True) for each in ["-3 cases", "+3kg", "--3 kg"]] == [True, True, False]


def test_a_base_unit_other_than_pieces_is_shown() -> None:
    assert ProductUnits(BaseUnit.MILLILITRE).shown(750) == "750 ml"
    assert FLOUR.shown(51_000) == "51000 g (2 sacks of 25000 + 1000)"
    assert [each.shown(5) for each in BaseUnit] == ["5", "5 g", "5 ml", "5 mm"]


_NAMES = st.sampled_from(
    ["case", "cases", "box", "boxe", "boxes", "tray", "inner-pack", "tray-2", "karton", "glass", "body", "bodie", "cas"]
)
_PACKS = st.dictionaries(_NAMES, st.integers(1, 10**6), max_size=6)


@given(base_unit=st.sampled_from(BaseUnit), packs=_PACKS, units=st.integers(0, 10**9))
def test_what_is_shown_is_read_as_the_same_number(base_unit: BaseUnit, packs: dict[str, int], units: int) -> None:
    product = ProductUnits(base_unit, packs)
    assert product.parse(product.shown(units)) == units
    if in_packs := product.in_packs(units):
        assert product.parse(in_packs) == units


@given(packs=_PACKS, units=st.integers(0, 10**9))
def test_a_decomposition_is_exact_and_takes_as_many_of_the_largest_as_there_are(
    packs: dict[str, int], units: int
) -> None:
    parts, rest = decompose(units, [Pack(*each) for each in packs.items()])
    assert sum(count * pack.quantity for count, pack in parts) + rest == units
    left = units
    for quantity in sorted({each for each in packs.values() if each > 1}, reverse=True):
        taken = sum(count for count, pack in parts if pack.quantity == quantity)
        assert taken == left // quantity
        left -= taken * quantity
    assert rest == left


@given(
    number=st.decimals(0, 10**6, places=6, allow_nan=False),
    unit=st.sampled_from(sorted(name for name, (base, _) in MEASURES.items() if base is BaseUnit.GRAM)),
)
def test_a_measure_is_whole_or_names_the_two_nearest(number: Decimal, unit: str) -> None:
    exact = Fraction(number) * MEASURES[unit][1]
    text = f"{number:f} {unit}"
    if MEASURES[unit][1] == 1 or exact.denominator != 1:
        message = refused(ProductUnits(BaseUnit.GRAM), text)
        below = exact.numerator // exact.denominator
        nearest = f"{number:f} {unit} isn't whole in grams; the nearest are {below} g or {below + 1} g"
        assert message in {nearest, f"{number:f} must be whole units, without dots or commas"}
    else:
        assert ProductUnits(BaseUnit.GRAM).parse(text) == exact


@pytest.mark.parametrize(
    ("text", "base_unit"),
    [
        *(("each", BaseUnit.EACH), ("EACH", BaseUnit.EACH), ("pcs", BaseUnit.EACH), ("GRAM", BaseUnit.GRAM)),
        *((" g ", BaseUnit.GRAM), ("grams", BaseUnit.GRAM), ("ml", BaseUnit.MILLILITRE)),
        *(("milliliter", BaseUnit.MILLILITRE), ("MILLIMETRE", BaseUnit.MILLIMETRE), ("mm", BaseUnit.MILLIMETRE)),
    ],
)
def test_a_base_unit_is_known_by_word_and_symbol(text: str, base_unit: BaseUnit) -> None:
    assert base_unit_called(text) is base_unit


@pytest.mark.parametrize("text", ["kg", "litre", "case", "", "cm"])
def test_other_units_are_no_base_units(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^must be each, gram, millilitre or millimetre$"):
        base_unit_called(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Case", "case"),
        ("Inner-Pack", "inner-pack"),
        ("TRAY-2", "tray-2"),
        ("ctn24", "ctn24"),
        ("Überkarton", "überkarton"),
    ],
)
def test_a_packs_name_is_kept_in_small_letters(text: str, name: str) -> None:
    assert pack_name(text) == name


@pytest.mark.parametrize("text", ["", "24", "2case", "case of 24", "case+box", "box (10)", "a=b", "a@b", "x" * 41])
def test_what_would_be_read_as_something_else_is_no_packs_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be one word of at most 40 letters, such as each, case or pallet$"):
        pack_name(text)


@pytest.mark.parametrize("text", ["KG", "each", "Litre", "m", "of"])
def test_a_built_in_unit_is_no_packs_name(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text.lower()} is built in, and can't be a pack's name$"):
        pack_name(text)


@pytest.mark.parametrize(
    ("quantity", "unit", "words"),
    [
        (1, "case", "1 case"),
        (5, "case", "5 cases"),
        (2, "box", "2 boxes"),
        (24, "each", "24 each"),
        (1250, "g", "1250 g"),
        (3, "tray", "3 trays"),
    ],
)
def test_a_quantity_of_a_unit_is_said_as_people_say_it(quantity: int, unit: str, words: str) -> None:
    assert quantity_in(quantity, unit) == words
