"""How biip reads barcodes, on which `activities/scanning.py` leans, or against which it guards."""

import biip
import pytest
from biip import ParseConfig, ParseError
from biip.gs1_application_identifiers import GS1ApplicationIdentifier
from biip.gs1_digital_link_uris import GS1DigitalLinkURI
from biip.gs1_messages import GS1Message
from biip.symbology import GS1Symbology, SymbologyIdentifier
from biip.upc import Upc

GTIN = "0104006381333931"
LINK = "https://id.example.org/01/04006381333931"


def _elements(text: str) -> dict[str, str]:
    message = biip.parse(text).gs1_message
    assert message is not None
    return {each.ai.ai: each.value for each in message.element_strings}


def test_a_lot_without_a_separator_swallows_what_follows_and_biip_says_nothing_of_it() -> None:
    assert _elements(f"]C1{GTIN}10ABC17261231") == {"01": GTIN[2:], "10": "ABC17261231"}


def test_a_bare_gtin_is_an_element_string_as_well() -> None:
    read = biip.parse("4006381333931")
    assert read.gtin is not None
    assert _elements("4006381333931") == {"400": "6381333931"}


def test_a_wrong_check_digit_leaves_the_element_without_a_gtin() -> None:
    read = biip.parse("0104006381333930")
    assert (read.gtin, _elements("0104006381333930")) == (None, {"01": "04006381333930"})


def test_a_date_that_is_none_refuses_the_whole_text() -> None:
    assert biip.parse(f"{GTIN}17260230").gs1_message is None
    assert biip.parse(f"{GTIN}17260230", config=ParseConfig(gs1_element_strings_verify_date=False)).gs1_message


def test_brackets_are_refused_or_cut_the_lot() -> None:
    assert biip.parse("(01)04006381333931(10)A(7)B").gs1_message is None
    read = GS1Message.parse_hri("(01)04006381333931(10)A(B")
    assert [each.value for each in read.element_strings] == ["04006381333931", "A"]


def test_a_link_is_looked_for_only_behind_names_of_symbols_that_have_element_strings() -> None:
    assert biip.parse(LINK).gs1_digital_link_uri is not None
    assert biip.parse(f"]Q1{LINK}").gs1_digital_link_uri is None
    assert biip.parse(LINK.replace("https", "HTTPS")).gs1_digital_link_uri is None
    assert GS1DigitalLinkURI.parse(LINK.replace("https", "HTTPS")).element_strings[0].value == GTIN[2:]


def test_of_an_element_that_a_link_has_twice_the_last_one_counts() -> None:
    link = GS1DigitalLinkURI.parse(f"{LINK}?17=261231&17=271231")
    assert [each.value for each in link.element_strings] == [GTIN[2:], "271231"]


def test_a_plus_in_a_links_query_is_a_space_and_refused() -> None:
    with pytest.raises(ParseError):
        GS1DigitalLinkURI.parse(f"{LINK}?10=A+B")


def test_dotcode_is_a_gs1_symbology_whose_name_is_refused() -> None:
    assert GS1Symbology("J1") is GS1Symbology.GS1_DOTCODE
    with pytest.raises(ParseError):
        SymbologyIdentifier.extract(f"]J1{GTIN}")


def test_an_elements_form_is_a_pattern_with_its_ai_in_front_and_dots_where_it_varies() -> None:
    found = {ai: GS1ApplicationIdentifier.extract(ai) for ai in ("01", "10", "17", "21", "30", "37", "3103")}
    assert {ai: each.pattern.startswith(f"^{ai}(") and each.pattern.endswith("$") for ai, each in found.items()} == (
        dict.fromkeys(found, True)
    )
    assert {ai for ai, each in found.items() if ".." in each.format} == {"10", "21", "30", "37"}


def test_upc_e_is_expanded() -> None:
    assert Upc.parse("04252614").as_upc_a() == "042100005264"


def test_python_takes_the_separator_for_a_space() -> None:
    assert "10AB\x1d".strip() == "10AB"
    assert biip.parse(f"{GTIN}10AB\x1d").value == f"{GTIN}10AB"
