"""The letters of labels: a font that comes with the command, and for other scripts those of this machine.

The font has the letters of Latin, Greek and Cyrillic, so that their labels are the same on every machine. Whatever it
lacks comes from a font that was named, or that is installed here.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from starter.cli.label_layout import BASELINE
from stockkeeper.contracts.errors import InvalidRequest

BUNDLED = Path(__file__).parent / "fonts" / "DejaVuSansCondensed-Bold-subset.ttf"
_FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path.home() / ".local/share/fonts",
    Path("/System/Library/Fonts"),
    Path("/Library/Fonts"),
    Path("C:/Windows/Fonts"),
)
_INSTALLED = (
    "DejaVuSansCondensed-Bold.ttf",
    "DejaVuSans-Bold.ttf",
    "NotoSansCJK-Bold.ttc",
    "NotoSansArabic-Bold.ttf",
    "NotoSansHebrew-Bold.ttf",
    "NotoSansThai-Bold.ttf",
    "NotoSansDevanagari-Bold.ttf",
    "NotoSansBengali-Bold.ttf",
    "NotoSansTamil-Bold.ttf",
    "wqy-zenhei.ttc",
    "Arial Unicode.ttf",
    "PingFang.ttc",
    "arialbd.ttf",
    "msyhbd.ttc",
    "YuGothB.ttc",
    "malgunbd.ttf",
    "Nirmala.ttc",
)
"""Fonts that systems bring, by the names of their files; the first one that has all letters of a text is taken."""
_NO_LETTER = "\U0010ffff"
_PROBED = 24
_NOT_DRAWN = frozenset({"Cf", "Mn", "Me", "Zs"})
"""Kinds of letters that have no picture of their own."""


class Fonts:
    """Chooses a font for each text, and measures and draws in it.

    Args:
        named: Files of fonts that are asked first.

    Raises:
        InvalidRequest: One of them is no font.
    """

    def __init__(self, named: Sequence[Path] = ()) -> None:
        for path in named:
            try:
                ImageFont.truetype(path, _PROBED)
            except OSError:
                raise InvalidRequest(f"--font {str(path)!r}: must be a file with a TrueType or OpenType font") from None
        self._named = tuple(named)
        self._chosen: dict[str, Path] = {}
        self.missing: set[str] = set()
        """Letters that no font has; they are drawn as boxes."""

    def width(self, text: str, height: int) -> float:
        """How wide a text is drawn, in dots."""
        return self._font(text, height).getlength(text)

    def draw(self, canvas: ImageDraw.ImageDraw, x: int, y: int, text: str, height: int) -> None:
        """Draw a text in black: its upper left corner, and the height of its letters."""
        canvas.text((x, y + int(BASELINE * height)), text, fill=0, font=self._font(text, height), anchor="ls")

    def picture(self, text: str, height: int) -> tuple[Image.Image, int]:
        """A text as a picture in black and white, and how far below its upper edge the letters stand."""
        font = self._font(text, height)
        left, top, right, bottom = font.getbbox(text, mode="1", anchor="ls")
        picture = Image.new("1", (max(int(right - left), 1), max(int(bottom - top), 1)), 1)
        canvas = ImageDraw.Draw(picture)
        canvas.fontmode = "1"
        canvas.text((-left, -top), text, fill=0, font=font, anchor="ls")
        return picture, -int(top)

    def _font(self, text: str, height: int) -> ImageFont.FreeTypeFont:
        if text not in self._chosen:
            self._chosen[text] = self._choose(text)
        return _loaded(self._chosen[text], height)

    def _choose(self, text: str) -> Path:
        """The first font that has every letter; without one, that which lacks the fewest."""
        fewest: tuple[set[str], Path] | None = None
        for path in self._candidates():
            lacking = {letter for letter in text if not _has(path, letter)}
            if not lacking:
                return path
            if fewest is None or len(lacking) < len(fewest[0]):
                fewest = (lacking, path)
        if fewest is None:  # pragma: no cover - the bundled font is always a candidate
            return BUNDLED
        self.missing |= fewest[0]
        return fewest[1]

    def _candidates(self) -> Iterator[Path]:
        yield from self._named
        yield BUNDLED
        yield from fonts_of_this_machine()


@cache
def fonts_of_this_machine() -> tuple[Path, ...]:
    """Those of the fonts named above that are here, in their order."""
    here: dict[str, Path] = {}
    for folder in _FOLDERS:
        # A folder that may not be listed has no fonts for us.
        for path in folder.rglob("*"):
            here.setdefault(path.name, path)
    return tuple(here[name] for name in _INSTALLED if name in here)


@cache
def _loaded(path: Path, height: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, height)


@cache
def _has(path: Path, letter: str) -> bool:
    """Whether a font has a letter: one that it hasn't is drawn as it draws what is no letter at all."""
    if unicodedata.category(letter) in _NOT_DRAWN:
        return True
    font = _loaded(path, _PROBED)
    drawn, nothing = font.getmask(letter, mode="L"), font.getmask(_NO_LETTER, mode="L")
    return (drawn.size, bytes(drawn)) != (nothing.size, bytes(nothing))
