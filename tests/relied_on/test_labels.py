"""zxing-cpp and Pillow, which labels are made with: what they take without a word, and what a reader then says."""

from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image, ImageFont, ImageOps

BRACKETS = "[01]04006381333931[17]270430[10]ABC-1[21]S1"
ELEMENTS = b"01040063813339311727043010ABC-1\x1d21S1"


def _read(text: str, **options: Any) -> tuple[bytes, str]:
    made = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.DataMatrix, **options)
    picture = Image.fromarray(made.to_image(scale=4, add_quiet_zones=False))
    [found] = zxingcpp.read_barcodes(ImageOps.expand(picture, 20, 255))
    return found.bytes, found.symbology_identifier


def test_only_elements_in_brackets_become_a_gs1_symbol_and_only_if_told_a_square() -> None:
    assert _read(BRACKETS, gs1=True, force_square=True) == (ELEMENTS, "]d2")
    assert _read(BRACKETS, gs1=True) == (ELEMENTS, "]d8")
    for options in ({}, {"gs1_mode": True}, {"options": "gs1"}):
        assert _read(ELEMENTS.decode(), **options) == (ELEMENTS, "]d1")
    with pytest.raises(ValueError, match="Control characters are not supported by GS1"):
        _read(ELEMENTS.decode(), gs1=True, force_square=True)


def test_a_wrong_check_digit_and_a_day_that_is_none_are_written_as_they_are() -> None:
    assert _read("[01]04006381333930[17]271331", gs1=True, force_square=True) == (b"010400638133393017271331", "]d2")


def test_the_font_that_pillow_brings_has_no_letters_beyond_ascii() -> None:
    font = ImageFont.load_default(24)
    assert isinstance(font, ImageFont.FreeTypeFont)

    def drawn(letter: str) -> bytes:
        return bytes(font.getmask(letter))

    nothing = drawn("\U0010ffff")
    assert [letter for letter in "Aa0ä€Ж" if drawn(letter) == nothing] == ["ä", "€", "Ж"]


def test_a_letter_that_a_font_has_not_is_drawn_as_what_is_no_letter() -> None:
    bundled = ImageFont.truetype(
        Path(__file__).parents[2] / "starter/cli/fonts/DejaVuSansCondensed-Bold-subset.ttf", 24
    )
    assert bytes(bundled.getmask("茶")) == bytes(bundled.getmask("\U0010ffff"))
    assert bytes(bundled.getmask("ß")) != bytes(bundled.getmask("\U0010ffff"))
