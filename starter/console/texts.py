"""The words of the pages in the visitor's language, with its numbers, days and instants.

English texts are their own keys, and codes such as ``DRAFT`` have an English catalogue as well. Catalogues are those of
gettext, one for each page, in `locales`; they are read as they are written. Instants are told in the timezone of the
warehouse that they are about.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, localcontext
from functools import cache
from pathlib import Path

from babel import Locale, negotiate_locale
from babel.dates import format_date, format_skeleton, format_time
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LOCALES = Path(__file__).parent / "locales"
STATIC = Path(__file__).parent / "static"
ENGLISH = "en"
LANGUAGES = {"en": "English", "de": "Deutsch"}
"""What can be chosen, each in its own words."""
_DIGITS = 100
_SAYS = re.compile(r'\bsay\("((?:[^"\\]|\\.)+)"')


@cache
def _catalogue(language: str) -> Mapping[str, tuple[str, ...]]:
    """The translations of each text: one, or one for each plural form."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted((LOCALES / language).glob("*.po")):
        with path.open("rb") as file:
            read = read_po(file, locale=language)
        for message in read:
            key = message.id if isinstance(message.id, str) else message.id[0]
            said = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
            if key and said and all(said):
                found[key] = said
    return found


@cache
def _said_by(script: str) -> tuple[str, ...]:
    """The texts that a script says: it asks for each by ``say("…")``."""
    said = _SAYS.findall((STATIC / script).read_text())
    return tuple(dict.fromkeys(str(json.loads(f'"{text}"')) for text in said))


def languages() -> list[str]:
    """The languages that there are catalogues for, English first."""
    return list(LANGUAGES)


def chosen_language(wanted: str | None, accept_language: str) -> str:
    """The language for a visitor.

    Args:
        wanted: What was chosen on a page; None: nothing yet.
        accept_language: The browser's ``Accept-Language``.
    """
    if wanted in LANGUAGES:
        return str(wanted)
    preferred: list[tuple[float, str]] = []
    for part in accept_language.split(",")[:20]:
        tag, _, weight = part.strip().partition(";q=")
        try:
            preferred.append((-float(weight or 1), tag.replace("-", "_")))
        except ValueError:
            continue
    tags = [tag for _, tag in sorted(preferred, key=lambda each: each[0])]
    return (negotiate_locale(tags, languages()) or ENGLISH)[:2]


def _written(value: Decimal, pattern: str | None, locale: Locale) -> str:
    """A number with all of its digits: Babel rounds by the present context, which has 28, and fails beyond them."""
    with localcontext(prec=_DIGITS):
        return format_decimal(value, format=pattern, locale=locale)


class Texts:
    """Words, numbers and times in one language.

    Args:
        language: One of `LANGUAGES`.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self.locale = Locale.parse("en_GB" if language == ENGLISH else language)
        self._said = _catalogue(language)
        self._between_thousands = format_decimal(1_000, locale=self.locale)[1]

    def say(self, text: str, **values: object) -> str:
        """A text with its values: ``say("{count} units", count=4)``."""
        said = self._said.get(text, (text,))[0]
        return said.format(**values) if values else said

    def counted(self, one: str, many: str, number: int, **values: object) -> str:
        """A text for a number of things, which both forms have as ``{number}``."""
        forms = self._said.get(one, (one, many))
        form = self.locale.plural_form(number)
        said = forms[0] if form == "one" else forms[-1]
        return said.format(number=self.number(number), **values)

    def of_script(self, script: str) -> dict[str, str]:
        """The texts that a script of ours says, for its page to give it."""
        return {text: self.say(text) for text in _said_by(script)}

    def number(self, value: int | Decimal | None) -> str:
        """A number; nothing for None."""
        if isinstance(value, int):
            # A page has hundreds, and Babel takes its time for each.
            return f"{value:,}".replace(",", self._between_thousands)
        return "" if value is None else _written(value, None, self.locale)

    def money(self, value: Decimal | None) -> str:
        """An amount with two digits, or as many as it has above that; nothing for None."""
        return "" if value is None else _written(value, "#,##0.00####", self.locale)

    def day(self, value: date | None) -> str:
        """A day; nothing for None."""
        return "" if value is None else format_date(value, "medium", locale=self.locale)

    def short_day(self, at: datetime, zone: tzinfo) -> str:
        """The day and month of an instant, for the axis of a chart."""
        return format_skeleton("MMMd", at.astimezone(zone), tzinfo=zone, locale=self.locale)

    def clock(self, at: datetime, zone: tzinfo) -> str:
        """The time of day of an instant, for the same."""
        return format_time(at.astimezone(zone), "short", tzinfo=zone, locale=self.locale)

    def instant(self, value: datetime | None, zone: tzinfo = UTC) -> str:
        """An instant to the minute in a timezone, with the zone's name; nothing for None."""
        if value is None:
            return ""
        there = value.astimezone(zone)
        at = f"{self.day(there.date())}, {format_time(there, 'HH:mm', tzinfo=zone, locale=self.locale)}"
        return f"{at} {there.tzname() or ''}".strip()

    def packs(self, units: int, packs: Mapping[str, int]) -> str:
        """A number of units in packs, the largest first; empty: it has none so large.

        Args:
            units: Base units.
            packs: Units of each pack, by its name.
        """
        said, rest = [], units
        for name, quantity in sorted(packs.items(), key=lambda pack: -pack[1]):
            count, left = divmod(rest, quantity)
            if quantity > 1 and count:
                said.append(
                    self.say("{count} x {pack} of {units}", count=self.number(count), pack=name, units=quantity)
                )
                rest = left
        return " + ".join([*said, *([self.number(rest)] if said and rest else [])])
