"""What biip knows of barcodes, for `stockkeeper.domain.scan`: kinds of symbols, GS1's elements, links and UPC-E.

biip reads a text in one way, the greedy one, and so never says that there is another. It is asked for what there is,
and `stockkeeper.domain.scan_text` splits the text (ADR 0099).
"""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

from biip import ParseConfig, ParseError
from biip.gs1_application_identifiers import GS1ApplicationIdentifier
from biip.gs1_digital_link_uris import GS1DigitalLinkURI
from biip.symbology import GS1Symbology
from biip.upc import Upc

from stockkeeper.domain.barcode import GTIN_DIGITS, LENGTHS, gtin_of, has_check_digit
from stockkeeper.domain.scan import DATES, GTIN, PIECES, SSCC, Element, Reading, Scan, readings_of
from stockkeeper.domain.scan_text import Shape, chains_in

_AROUND = " \t\r\n"
"""What scanners and keyboards put around a text. Not the separator, which Python takes for a space as well."""
_SYMBOL = re.compile(r"\][A-Za-z][0-9A-Za-z]", re.ASCII)
_ADD_ONS = (2, 5)
_LINK = re.compile(r"https?://", re.IGNORECASE)
_UPC_E_DIGITS = 8
_SSCC_DIGITS = 18
_AI_LENGTH = 4
"""Digits of an application identifier at most."""
# The domain reads dates, and says what is wrong with one; biip would take the whole text for no chain.
_CONFIG = ParseConfig(gs1_element_strings_verify_date=False)
_DATA = dict.fromkeys(DATES, r"\d{6}") | {PIECES: r"\d{1,8}"}


def scan(text: str, today: date, is_own_code: Callable[[str], bool] = lambda _: False) -> Scan:
    """All that a scanned text may mean.

    Args:
        text: As the scanner sends it, with or without the name of the kind of symbol (``]C1``) in front.
        today: By which the centuries of dates are decided.
        is_own_code: Whether a text is a code of one's own.
    """
    data, symbol = text.strip(_AROUND), None
    if (named := _SYMBOL.match(data)) is not None:
        data = data[named.end() :]
        # biip has a reader of these names as well, which refuses DotCode's ]J1.
        with suppress(ValueError):
            symbol = GS1Symbology(named[0][1:])
    found = [Reading(own_code=data)] if data and is_own_code(data) else []
    found += _readings(data, symbol, today)
    # What breaks GS1's rules, or says nothing about goods, is no meaning beside one that does.
    for is_better in (lambda each: each.says_which_goods, lambda each: not each.problems):
        found = [each for each in found if is_better(each)] or found
    return Scan(text, tuple(dict.fromkeys(found)))


def _readings(data: str, symbol: GS1Symbology | None, today: date) -> list[Reading]:
    """What the data of a symbol may mean, beside an own code."""
    if symbol in GS1Symbology.with_gtin():
        if symbol is GS1Symbology.EAN_13_WITH_ADD_ON:
            data = next((data[:-length] for length in _ADD_ONS if len(data) - length in LENGTHS), data)
        return _gtin(data, today)
    if _LINK.match(data):
        return _linked(data, today)
    chains = [reading for chain in chains_in(data, _shape, today) for reading in readings_of(chain, today)]
    if symbol in GS1Symbology.with_gs1_messages():
        return chains
    bare = list(_bare(data))
    by_itself = [reading for element in bare for reading in readings_of([element], today)]
    said = [each for each in chains if each.says_which_goods]
    return [*by_itself, *chains] if by_itself or said else _gtin(data, today) or chains


def _bare(data: str) -> Iterable[Element]:
    """A number with a check digit and nothing that says what it is."""
    if (gtin := gtin_of(data)) is not None:
        yield Element(GTIN, gtin)
    if not (data.isascii() and data.isdigit()):
        return
    if len(data) == _UPC_E_DIGITS:
        with suppress(ParseError):
            yield Element(GTIN, Upc.parse(data).as_upc_a().zfill(GTIN_DIGITS))
    if len(data) == _SSCC_DIGITS and has_check_digit(data):
        yield Element(SSCC, data)


def _gtin(data: str, today: date) -> list[Reading]:
    """The GTIN that a number is, also with a wrong check digit, which its reading says."""
    if not (data.isascii() and data.isdigit() and len(data) in LENGTHS):
        return []
    return readings_of([Element(GTIN, data.zfill(GTIN_DIGITS))], today)


def _linked(uri: str, today: date) -> list[Reading]:
    """What a GS1 Digital Link says: of an AI that its query has with two values, biip takes the last one only."""
    # In a link a plus is a plus; Python takes it for a space, as forms write it.
    head, mark, query = uri.partition("?")
    plain = head + mark + query.replace("+", "%2B")
    try:
        link = GS1DigitalLinkURI.parse(plain, config=_CONFIG)
    except ParseError:
        return []
    elements = [Element(each.ai.ai, each.value) for each in link.element_strings]
    known = {ai for ai, _ in elements}
    elements += [Element(ai, value) for ai, value in parse_qsl(urlsplit(plain).query) if ai in known]
    return readings_of(elements, today)


def _shape(text: str) -> Shape | None:
    return _shape_of(text[:_AI_LENGTH])


@lru_cache(maxsize=10_000)
def _shape_of(begins: str) -> Shape | None:
    try:
        identifier = GS1ApplicationIdentifier.extract(begins)
    except ParseError:
        return None
    ai = identifier.ai
    pattern = _DATA.get(ai, identifier.pattern.removeprefix(f"^{ai}").removesuffix("$"))
    return Shape(ai, re.compile(pattern, re.ASCII), is_variable=".." in identifier.format)
