"""What a scanned text says: which product, lot, expiry, serial number and how many. All that it may mean, and no guess.

The text is a chain of GS1 element strings (an application identifier, AI, and its data), a GTIN by itself, or a code of
one's own. `stockkeeper.domain.scan_text` splits it; here the elements of one way to split it become readings. There are
several where a year may be of two centuries. Elements and their rules are those of the GS1 General Specifications,
chapter 3; a date without a day is the last of its month, and the century follows 7.12 where sense agrees.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import product
from typing import NamedTuple

from stockkeeper.domain.barcode import check_digit, gtin_of, has_check_digit
from stockkeeper.domain.unit import BaseUnit

GTIN, CONTENT, SSCC = "01", "02", "00"
LOT, SERIAL = "10", "21"
MADE_ON, PACKED_ON, BEST_BEFORE, SELL_BY, EXPIRES_ON = "11", "13", "15", "16", "17"
PIECES, CONTENT_COUNT = "30", "37"

TITLES: Mapping[str, str] = {
    SSCC: "logistic unit",
    GTIN: "GTIN",
    CONTENT: "GTIN of the content",
    LOT: "lot",
    MADE_ON: "made on",
    PACKED_ON: "packed on",
    BEST_BEFORE: "best before",
    SELL_BY: "sell by",
    EXPIRES_ON: "expires on",
    SERIAL: "serial number",
    PIECES: "pieces",
    CONTENT_COUNT: "count of the content",
}
"""What is read, by its AI, in words; beside these the measures (`measure_of`)."""

DATES = frozenset({MADE_ON, PACKED_ON, BEST_BEFORE, SELL_BY, EXPIRES_ON})
_OF_THE_PAST = frozenset({MADE_ON, PACKED_ON})
_MEASURES = {"310": BaseUnit.GRAM, "311": BaseUnit.MILLIMETRE, "315": BaseUnit.MILLILITRE}
_DECIMALS_OF_A_BASE_UNIT = 3
"""A kilogram, a metre and a litre are a thousand of their base unit."""
_MEASURE_LENGTH = 4
_VARIABLE_MEASURE = "9"
"""The first digit of the GTIN of an item that comes in any weight, length or number of pieces."""

_YEARS_AHEAD, _YEARS_BACK = 50, 49
"""GS1's window for a year of two digits: so many years after this one, and before it."""
_PAST_EXPIRY_YEARS = 19
"""How many years ago goods that are still scanned may have expired: decades ago is a misread century."""
_YEARS_BEFORE_MADE = 1
"""How many years ahead a day of production may be, such as tomorrow's on bread at the end of a year."""


class Element(NamedTuple):
    """An element string: the application identifier, and its data without it."""

    ai: str
    value: str


class Measure(NamedTuple):
    """What an item weighs, how long it is or how much it holds, in whole base units."""

    unit: BaseUnit
    quantity: int


@dataclass(frozen=True)
class ReadElement:
    """An element, and what it says.

    Attributes:
        ai: The application identifier.
        value: Its data, as in the text.
        day: The day of a date.
        problem: Why nothing follows from it, in words for the person who scans; None: there is no problem.
    """

    ai: str
    value: str
    day: date | None = None
    problem: str | None = None

    @property
    def title(self) -> str:
        """What it is, in words; empty where it isn't read."""
        measured = _MEASURES.get(self.ai[:3]) if len(self.ai) == _MEASURE_LENGTH else None
        return TITLES.get(self.ai, "" if measured is None else f"net measure in {measured.symbol}")


@dataclass(frozen=True)
class Reading:
    """One thing that a text may mean.

    Attributes:
        elements: Its elements; of a GTIN by itself the GTIN, of an own code none.
        own_code: The code of one's own, as it was scanned.
        problems: Why it isn't certain, even if it is the only reading.
    """

    elements: tuple[ReadElement, ...] = ()
    own_code: str | None = None
    problems: tuple[str, ...] = field(default=(), compare=False)

    @property
    def gtin(self) -> str | None:
        """The GTIN with 14 digits: of what was scanned, or of what the logistic unit contains; None: there is none."""
        return self._good(GTIN) or self._good(CONTENT)

    @property
    def sscc(self) -> str | None:
        """The number of a logistic unit."""
        return self._good(SSCC)

    @property
    def lot_number(self) -> str | None:
        """The lot."""
        return self._good(LOT)

    @property
    def serial(self) -> str | None:
        """The serial number."""
        return self._good(SERIAL)

    @property
    def expires_on(self) -> date | None:
        """The last day on which it may be used."""
        return next((each.day for each in self.elements if each.ai == EXPIRES_ON), None)

    @property
    def packs(self) -> int | None:
        """How many of the GTIN's packs it is; None: of a logistic unit that doesn't say how many it contains."""
        of_content = self._good(GTIN) is None and self._good(CONTENT) is not None
        counted = self._good(CONTENT_COUNT if of_content else PIECES)
        if counted is not None:
            return int(counted)
        return None if of_content else 1

    @property
    def measure(self) -> Measure | None:
        """What it measures."""
        found = (measure_of(each.ai, each.value) for each in self.elements if each.problem is None)
        return next((each for each in found if isinstance(each, Measure)), None)

    def units(self, base_unit: BaseUnit, quantity: int) -> int | None:
        """Base units in all; None: it isn't known.

        Args:
            base_unit: What the product is counted in: a measure counts where it is of that.
            quantity: Base units in the pack of its barcode.
        """
        if (measure := self.measure) is not None and measure.unit is base_unit:
            return measure.quantity
        if any(each.problem for each in self.elements if each.ai in (PIECES, CONTENT_COUNT)) or self.packs is None:
            return None
        return self.packs * quantity

    @property
    def says_which_goods(self) -> bool:
        """Whether it says anything about goods: an order number alone, say, doesn't."""
        return self.own_code is not None or any(each.title for each in self.elements)

    def _good(self, ai: str) -> str | None:
        return next((each.value for each in self.elements if each.ai == ai and each.problem is None), None)


@dataclass(frozen=True)
class Scan:
    """A scanned text, and all that it may mean.

    Attributes:
        text: The text.
        readings: What it may mean; empty: nothing that is understood.
    """

    text: str
    readings: tuple[Reading, ...]

    @property
    def certain(self) -> bool:
        """Whether it means exactly one thing, and nothing is wrong with that."""
        return len(self.readings) == 1 and not self.readings[0].problems and self.readings[0].says_which_goods


def readings_of(elements: Sequence[Element], today: date) -> list[Reading]:
    """What a chain of elements may mean: one reading, or one for each day that its dates may be.

    Args:
        elements: The elements, in their order; the same one twice counts once.
        today: By which the century of a year is decided.
    """
    once = list(dict.fromkeys(elements))
    values: dict[str, list[str]] = {}
    for ai, value in once:
        values.setdefault(ai, []).append(value)
    choices = [_read(each, today) if len(values[each.ai]) == 1 else [_at_once(each, values[each.ai])] for each in once]
    problems = tuple(_problems_together(once))
    return [
        Reading(chosen, problems=(*dict.fromkeys(each.problem for each in chosen if each.problem), *problems))
        for chosen in product(*choices)
    ]


def days_of(ai: str, digits: str, today: date) -> list[date]:
    """The days that a date of six digits may be; empty: it is none.

    There is one where GS1's rule and sense agree. Otherwise it is not known, and all are given: the rule's day, and
    those of other centuries that make sense, or the nearest to today if none does.
    """
    by_century = {year: day for year in _years(digits[:2], today) if (day := _day(year, digits)) is not None}
    if not by_century:
        return []
    ruled = [year for year in by_century if -_YEARS_BACK <= year - today.year <= _YEARS_AHEAD]
    sensible = [year for year in by_century if is_sensible_year(ai, year, today)]
    if not sensible:
        sensible = sorted(by_century, key=lambda year: abs(year - today.year))[:2]
    return [by_century[year] for year in sorted({*ruled, *sensible})]


def is_sensible_year(ai: str, year: int, today: date) -> bool:
    """Whether goods that are scanned today may have that year on them.

    Nothing expires a hundred years from now, or is still handled decades after it has expired; and nothing was made in
    the future.
    """
    ahead = year - today.year
    if ai in _OF_THE_PAST:
        return -_YEARS_BACK - 1 <= ahead <= _YEARS_BEFORE_MADE
    return -_PAST_EXPIRY_YEARS <= ahead <= _YEARS_AHEAD


def measure_of(ai: str, digits: str) -> Measure | str | None:
    """What a net measure says, exactly, in whole base units; or why it can't; None: it is no measure that is read.

    Args:
        ai: The application identifier; its last digit is the number of decimal places.
        digits: Kilograms, metres or litres in six digits.
    """
    unit = _MEASURES.get(ai[:3]) if len(ai) == _MEASURE_LENGTH else None
    if unit is None:
        return None
    places = int(ai[3])
    scaled = int(digits) * 10**_DECIMALS_OF_A_BASE_UNIT
    whole, rest = divmod(scaled, 10**places)
    if rest:
        return f"({ai}) {digits} is a part of a {unit.symbol}, and quantities are whole {unit.symbol}"
    return Measure(unit, whole) if whole else f"({ai}) {digits} is nothing"


def fits_behind(elements: Sequence[Element], place: int, today: date) -> bool:
    """Whether an element may stand where no separator ends the data before it, and so be swallowed by that.

    Only what makes sense there is looked for: a number with its check digit, a year that goods may have, a count with
    what it counts. Anything else is data.

    Args:
        elements: The chain.
        place: The element's place in it.
        today: By which years make sense.
    """
    ai, value = elements[place]
    if any(each.ai == ai for each in elements[:place]):
        return False
    if ai in (GTIN, CONTENT):
        return gtin_of(value) is not None
    if ai == SSCC:
        return has_check_digit(value)
    if ai in DATES:
        return any(is_sensible_year(ai, day.year, today) for day in days_of(ai, value, today))
    if ai == PIECES:
        return any(each.ai == GTIN and each.value.startswith(_VARIABLE_MEASURE) for each in elements)
    if ai == CONTENT_COUNT:
        return any(each.ai == CONTENT for each in elements)
    return ai in (LOT, SERIAL) or isinstance(measure_of(ai, value), Measure)


def _years(digits: str, today: date) -> Iterable[int]:
    century = today.year - today.year % 100
    return (first + int(digits) for first in (century - 100, century, century + 100))


def _day(year: int, digits: str) -> date | None:
    month, day = int(digits[2:4]), int(digits[4:6])
    if not 1 <= month <= 12:
        return None
    last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month, day or last) if day <= last else None


def _read(element: Element, today: date) -> list[ReadElement]:
    ai, value = element
    if ai in DATES:
        days = days_of(ai, value, today)
        if days:
            return [ReadElement(ai, value, day) for day in days]
        return [ReadElement(ai, value, problem=f"({ai}) {value} is no day: month {value[2:4]}, day {value[4:6]}")]
    return [ReadElement(ai, value, problem=_problem(ai, value))]


def _at_once(element: Element, values: Sequence[str]) -> ReadElement:
    return ReadElement(*element, problem=f"({element.ai}) is {' and '.join(values)} at once")


def _problem(ai: str, value: str) -> str | None:
    if (ai in (GTIN, CONTENT) and gtin_of(value) is None) or (ai == SSCC and not has_check_digit(value)):
        return f"the last digit of ({ai}) {value} would be {check_digit(value[:-1])}"
    if ai in (PIECES, CONTENT_COUNT) and (not value.isdigit() or not int(value)):
        return f"({ai}) {value or 'without digits'} counts nothing"
    measured = measure_of(ai, value)
    return measured if isinstance(measured, str) else None


def _problems_together(elements: Sequence[Element]) -> Iterable[str]:
    """What is wrong with elements that are right by themselves."""
    by_ai = dict(elements)
    if GTIN in by_ai and CONTENT in by_ai:
        yield "it has a GTIN of its own (01) and one of its content (02)"
    elif CONTENT in by_ai and CONTENT_COUNT not in by_ai:
        yield "it names its content (02), but not how many (37)"
    elif CONTENT_COUNT in by_ai and CONTENT not in by_ai:
        yield "it counts its content (37), but doesn't name it (02)"
