"""Every text that a page says is there in German; and numbers, days and instants as people write them there."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.pofile import read_po

from starter.console import texts
from starter.console.texts import LANGUAGES, Texts, chosen_language

CONSOLE = Path(texts.__file__).parent
_SAID = re.compile(r"""(?:\b_|\bsay|\bn_|\bcounted|\bSignInRefused)\(\s*(?:'((?:[^'\\]|\\.)+)'|"((?:[^"\\]|\\.)+)")""")


def _texts() -> Iterator[tuple[str, str]]:
    for path in sorted(
        [
            *CONSOLE.glob("pages/*.py"),
            *CONSOLE.glob("[!t]*.py"),
            *CONSOLE.glob("templates/**/*.html"),
            *CONSOLE.glob("static/[!h]*.js"),
        ]
    ):
        for one, other in _SAID.findall(path.read_text()):
            yield path.name, (one or other).replace("\\'", "'").replace('\\"', '"')


def test_every_text_is_there_in_german() -> None:
    found = set(_texts())
    assert len(found) > 20
    known = texts._catalogue("de")
    assert sorted({(name, said) for name, said in found if said not in known}) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_is_translated_in_one_way(language: str) -> None:
    said: dict[str, set[str]] = {}
    for path in sorted((texts.LOCALES / language).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file):
                key = message.id if isinstance(message.id, str) else message.id[0]
                said.setdefault(key, set()).add(str(message.string))
    assert {key: ways for key, ways in said.items() if key and len(ways) > 1} == {}


def test_translations_have_the_values_of_their_text() -> None:
    for language in LANGUAGES:
        for text, said in texts._catalogue(language).items():
            names = set(re.findall(r"\{(\w+)\}", text))
            for form in said:
                assert set(re.findall(r"\{(\w+)\}", form)) <= names, text


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        (None, "de-AT,de;q=0.9,en;q=0.8", "de"),
        (None, "fr,en-US;q=0.9", "en"),
        (None, "en;q=0.5,de;q=0.9", "de"),
        (None, "", "en"),
        (None, "de;q=x", "en"),
        ("de", "en", "de"),
        ("xx", "en", "en"),
    ],
)
def test_the_language_is_the_chosen_one_or_else_the_browsers(chosen: str | None, accepted: str, language: str) -> None:
    assert chosen_language(chosen, accepted) == language


def test_numbers_and_times_are_written_as_in_that_language() -> None:
    english, german = Texts("en"), Texts("de")
    assert (english.number(1234567), german.number(1234567)) == ("1,234,567", "1.234.567")
    assert (english.money(Decimal("1234.5")), german.money(Decimal("1234.5"))) == ("1,234.50", "1.234,50")
    most = Decimal("12345678901234567890123456.123456")
    assert german.money(most) == "12.345.678.901.234.567.890.123.456,123456"
    assert (english.day(date(2026, 12, 1)), german.day(date(2026, 12, 1))) == ("1 Dec 2026", "01.12.2026")
    at, berlin = datetime(2026, 12, 1, 14, 5, tzinfo=UTC), ZoneInfo("Europe/Berlin")
    assert english.instant(at, berlin) == "1 Dec 2026, 15:05 CET"
    assert german.instant(at, berlin) == "01.12.2026, 15:05 CET"
    packs = {"case": 24, "pallet": 960, "each": 1}
    assert (english.packs(1_010, packs), german.packs(960, packs), english.packs(23, packs)) == (
        "1 x pallet of 960 + 2 x case of 24 + 2",
        "1 x pallet à 960",
        "",
    )
    assert english.counted("{number} unit", "{number} units", 1) == "1 unit"
    assert english.counted("{number} unit", "{number} units", 1200) == "1,200 units"
