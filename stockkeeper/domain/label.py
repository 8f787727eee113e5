"""What a label says, and what its code has in it: GS1 elements, FNC1 and the escapes of ZPL.

A product that has a GTIN gets a GS1 DataMatrix. Its elements come with those of fixed length first, and each other one
is ended by FNC1 unless it is the last (GS1 General Specifications, 7.8). One that could be read as two isn't the last.
FNC1 in the first place says that it is GS1's data at all; a reader reports that place as the symbology identifier
``]d2``, and every other FNC1 as the separator.
A product without a GTIN gets a plain DataMatrix with its own barcode or SKU: GS1 has no lot without a GTIN.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from stockkeeper.domain.barcode import check_digit, gtin_of
from stockkeeper.domain.errors import InvalidRequest

SEPARATOR = "\x1d"
"""What a reader reports for an FNC1 between two elements: GS."""
ZPL_ESCAPE = "@"
"""Begins an escape in the data of a ``^BX``. GS1's set 82 hasn't got it."""
SINGLE = "each"
"""The unit of a product that is counted, where no pack is named."""
MAX_LOT_LENGTH = 20
MAX_COUNT = 99_999_999
MAX_MEASURE = 999_999

_SET_82 = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]+")
_FIXED = re.compile(r"0[0-4]|1[1-9]|20|3[1-6]|41")
"""How the elements begin that need no separator behind them, because their length is known in advance."""
_MEASURES = {"g": "3103", "ml": "3153", "mm": "3113"}
"""The element of a quantity that isn't counted: kilograms, litres and metres, each with three decimals."""
_BEGINS_ANOTHER = re.compile(r".(?:0[0-2]|1[0-7]|2[01]|3[017])")
"""What in a value could be the beginning of another element."""
_HEX = "\\"
_YEARS_AHEAD, _YEARS_BACK = 50, 49
_PER_CODEWORD = 2


@dataclass(frozen=True, slots=True)
class Element:
    """An element of GS1's: its application identifier and value, such as ``10`` and ``L-7`` for lot L-7."""

    identifier: str
    value: str

    @property
    def is_fixed(self) -> bool:
        """Whether a reader knows where it ends without a separator."""
        return _FIXED.match(self.identifier) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What is printed on the label of a product, or of a lot of it.

    Attributes:
        sku: The product's SKU.
        name: Its name.
        gtin: Its GTIN, with 8, 12, 13 or 14 digits; None: it has none, and the code is plain.
        barcode: What the plain code has in it; None: the SKU.
        lot_number: The lot's number.
        serial: The serial number, of a single unit.
        expires_on: The last day on which it may be used.
        best_before: The day until which it is as good as new.
        quantity: How much is behind the label, in the unit.
        unit: The unit: ``each``, or another that is counted; or ``g``, ``ml`` or ``mm``.
    """

    sku: str
    name: str
    gtin: str | None = None
    barcode: str | None = None
    lot_number: str | None = None
    serial: str | None = None
    expires_on: date | None = None
    best_before: date | None = None
    quantity: int | None = None
    unit: str = SINGLE


def require_gtin(text: str) -> str:
    """A GTIN with its 14 digits.

    Raises:
        InvalidRequest: It is none. A label never has a number that nobody gave to the product.
    """
    known = gtin_of(text)
    if known is None:
        digits = text.isascii() and text.isdigit() and len(text) in (8, 12, 13, 14)
        last = f"; its last digit would be {check_digit(text[:-1])}" if digits and text.strip("0") else ""
        raise InvalidRequest(f"GTIN {text!r}: must have 8, 12, 13 or 14 digits, the last of them the check digit{last}")
    return known


class PackCode(NamedTuple):
    """A barcode of a product, and the pack that it is printed on."""

    barcode: str
    unit: str
    quantity: int


def code_for(
    sku: str, codes: Sequence[PackCode], unit: str | None, *, is_counted: bool
) -> tuple[str | None, str | None]:
    """Which of a product's barcodes its label has: a GTIN, or else an own code, or neither.

    Args:
        sku: The product, for a message.
        codes: Its barcodes.
        unit: The pack that the label is for; None: a single base unit, or the only pack that has a GTIN.
        is_counted: Whether the label says how many there are, so that it has to be clear of what.

    Returns:
        The GTIN and the own code, of which at most one is there.

    Raises:
        InvalidRequest: The GTIN would have to be guessed.
    """
    fitting = [each for each in codes if (each.quantity == 1 if unit is None else each.unit == unit)]
    gtins = [each for each in codes if gtin_of(each.barcode)]
    found = [each for each in gtins if each in fitting]
    if not found and unit is None and not is_counted and len(gtins) == 1:
        found = gtins
    if len(found) == 1:
        return found[0].barcode, None
    if gtins:
        known = ", ".join(f"{each.barcode} ({each.unit} of {each.quantity})" for each in gtins)
        raise InvalidRequest(f"{sku} has the GTINs {known}: say which by --unit or --gtin, or use --plain")
    own = [each.barcode for each in fitting]
    return None, own[0] if len(own) == 1 else None


def of_known_lot(label: Label, expires_on: date | None, best_before: date | None) -> Label:
    """The label with the days of its lot, as they were received.

    Raises:
        InvalidRequest: Another day was asked for: a label never contradicts what is known of its lot.
    """
    lot = f"{label.lot_number or label.serial} of {label.sku}"
    for of, asked, known in (
        ("expires on", label.expires_on, expires_on),
        ("is best before", label.best_before, best_before),
    ):
        if asked is not None and asked != known:
            raise InvalidRequest(f"{lot} {of} {known or 'no day'}, as it was received, and not {asked}")
    return replace(label, expires_on=expires_on, best_before=best_before)


def elements_of(label: Label, this_year: int) -> list[Element]:
    """What the code of a label has in it; empty: the product has no GTIN, and the code is plain.

    Args:
        label: The label.
        this_year: The year in which it is printed, by which a reader tells the century of a day.

    Raises:
        InvalidRequest: A value doesn't fit GS1's rules.
    """
    if label.gtin is None:
        return []
    fixed = [Element("01", require_gtin(label.gtin))]
    if label.expires_on is not None:
        fixed.append(Element("17", _day(label.expires_on, "expiry", this_year)))
    if label.best_before is not None:
        fixed.append(Element("15", _day(label.best_before, "best-before day", this_year)))
    variable = []
    if label.lot_number is not None:
        variable.append(Element("10", _short_text(label.lot_number, "lot number")))
    if label.serial is not None:
        variable.append(Element("21", _short_text(label.serial, "serial number")))
    if label.quantity is not None:
        quantity = _quantity(label.quantity, label.unit)
        (fixed if quantity.is_fixed else variable).append(quantity)
    if variable and len(fixed) > 1 and _BEGINS_ANOTHER.search(variable[-1].value):
        # A reader that allows for a forgotten separator would take L2110 for lot L with the serial number 10. Here it
        # has one: an element of fixed length comes behind it.
        return [*fixed[:-1], *variable, fixed[-1]]
    return fixed + variable


def _day(day: date, of: str, this_year: int) -> str:
    # Two digits of a year mean the one that is at most 49 years ago or 50 ahead (General Specifications, 7.12).
    if not this_year - _YEARS_BACK <= day.year <= this_year + _YEARS_AHEAD:
        raise InvalidRequest(
            f"{of} {day}: a GS1 code has two digits of the year, which readers take for one from "
            f"{this_year - _YEARS_BACK} to {this_year + _YEARS_AHEAD}; use a plain code (--plain)"
        )
    return f"{day:%y%m%d}"


def _short_text(text: str, of: str) -> str:
    if not 1 <= len(text) <= MAX_LOT_LENGTH:
        raise InvalidRequest(
            f"{of} {text!r}: has {len(text)} letters, and a GS1 code takes 1 to {MAX_LOT_LENGTH}; "
            "use a plain code (--plain)"
        )
    if not _SET_82.fullmatch(text):
        refused = "".join(sorted({letter for letter in text if not _SET_82.fullmatch(letter)}))
        raise InvalidRequest(f"{of} {text!r}: a GS1 code can't have {refused!r} in it; use a plain code (--plain)")
    return text


def _quantity(quantity: int, unit: str) -> Element:
    identifier = _MEASURES.get(unit)
    most = MAX_COUNT if identifier is None else MAX_MEASURE
    if not 1 <= quantity <= most:
        raise InvalidRequest(
            f"quantity {quantity} {unit}: a GS1 code takes 1 to {most}; leave it out, or use a plain code (--plain)"
        )
    return Element("30", str(quantity)) if identifier is None else Element(identifier, f"{quantity:06d}")


def element_string(elements: Sequence[Element]) -> str:
    """What a reader reports of these elements, without the symbology identifier in front."""
    return _joined(elements, SEPARATOR)


def readable(elements: Sequence[Element]) -> str:
    """The same for people: ``(01)04006381333931(10)L-7``."""
    return "".join(f"({each.identifier}){each.value}" for each in elements)


def _joined(elements: Sequence[Element], separator: str) -> str:
    last = len(elements) - 1
    return "".join(
        f"{each.identifier}{each.value}{'' if each.is_fixed or place == last else separator}"
        for place, each in enumerate(elements)
    )


def plain_code(label: Label) -> str:
    """What a plain code has in it: the product's own barcode, or else its SKU.

    Raises:
        InvalidRequest: It is empty, or has control characters, which a scanner's user can't see.
    """
    code = label.barcode or label.sku
    if not (code and code.isprintable()):
        raise InvalidRequest(f"code {code!r}: must have a letter at least, and no control characters")
    return code


def zpl_code(label: Label, elements: Sequence[Element]) -> str:
    """The data of the label's ``^BX``, whose escape sign is `ZPL_ESCAPE`; what `zpl_field` makes of it is its ``^FD``.

    ``@1`` is FNC1, and ``@@`` the sign itself.
    """
    fnc1 = f"{ZPL_ESCAPE}1"
    if not elements:
        return plain_code(label).replace(ZPL_ESCAPE, ZPL_ESCAPE * 2)
    return fnc1 + _joined(elements, fnc1)


def zpl_field(text: str) -> str:
    r"""A ``^FH\^FD`` field in which nothing is a command: letters, digits and space stay, the rest is in hexadecimal.

    Control characters are left out: a line break in a name would be nothing that a printer shows.
    """
    data = "".join(
        letter if letter in "@ -./" or (letter.isascii() and letter.isalnum()) else _hex(letter)
        for letter in text
        if letter.isprintable()
    )
    return f"^FH{_HEX}^FD{data}^FS"


def _hex(letter: str) -> str:
    return "".join(f"{_HEX}{byte:02X}" for byte in letter.encode())


def modules_across(label: Label, elements: Sequence[Element]) -> int:
    """How many modules wide a square symbol is at most, without its quiet zone.

    It counts the simplest encoding, which every writer has: two digits in a codeword, or one letter. A writer that
    finds a shorter one may draw a smaller symbol.

    Raises:
        InvalidRequest: It doesn't fit into any.
    """
    text = SEPARATOR + element_string(elements) if elements else plain_code(label)
    needed = _codewords(text)
    for across, capacity in _CAPACITIES:
        if needed <= capacity:
            return across
    raise InvalidRequest(f"the code has {len(text)} letters, which is more than a label's symbol takes")


def _codewords(text: str) -> int:
    """Codewords of a text: a pair of digits is one, another ASCII letter too, and a byte beyond ASCII two."""
    pairs = len(re.findall(r"[0-9]{2}", text, re.ASCII))
    ascii_letters = sum(letter.isascii() for letter in text) - _PER_CODEWORD * pairs
    beyond = sum(len(letter.encode()) for letter in text if not letter.isascii())
    # The codeword that names the character set, and its number.
    return pairs + ascii_letters + _PER_CODEWORD * beyond + (_PER_CODEWORD if beyond else 0)


_CAPACITIES = (
    (10, 3),
    (12, 5),
    (14, 8),
    (16, 12),
    (18, 18),
    (20, 22),
    (22, 30),
    (24, 36),
    (26, 44),
    (32, 62),
    (36, 86),
    (40, 114),
    (44, 144),
    (48, 174),
    (52, 204),
    (64, 280),
    (72, 368),
    (80, 456),
)
"""Squares of Data Matrix ECC 200: modules across, and codewords of data (ISO/IEC 16022, table 7)."""
