"""A label as ZPL II, which label printers read: text, in the printer's own letters.

Letters beyond ASCII go as pictures: which of them a printer has depends on its model and firmware. Settings of the
printer, such as its speed and darkness and what its paper is like, stay as they are.
"""

from collections.abc import Iterator, Sequence

from PIL import Image, ImageChops

from starter.cli.label_fonts import Fonts
from starter.cli.label_layout import BASELINE, Layout, Measure
from starter.cli.label_picture import enlarged, symbol_of
from stockkeeper.contracts.label import ZPL_ESCAPE, Element, Label, plain_code, zpl_code, zpl_field

_QUALITY = 200
_WIDER = str.maketrans({**dict.fromkeys("%+-<=>@~", "W"), **dict.fromkeys("J\\_|\"'", "0")})
"""Letters that are wider in a printer's own font than in the one that measures, and one that is as wide as they are."""


def printed_width(fonts: Fonts) -> Measure:
    """How wide a text is at most in a printer's font 0, which is narrower than ours but for some signs."""

    def width(text: str, height: int) -> float:
        return fonts.width(text.translate(_WIDER) if text.isascii() else text, height)

    return width


def zpl_of(label: Label, elements: Sequence[Element], layout: Layout, fonts: Fonts, copies: int) -> str:
    """The commands that print a label.

    Args:
        label: The label.
        elements: What its code has in it; empty: the code is plain.
        layout: Where everything stands.
        fonts: The letters of texts that are sent as pictures.
        copies: How many are printed.
    """
    lines = [
        "^XA",
        f"^FX {_remark(label.sku)}, {layout.width} x {layout.height} dots^FS",
        f"^PW{layout.width}^LL{layout.height}^LH0,0^CI28",
        *_fields(label, elements, layout, fonts),
        f"^PQ{copies}",
        "^XZ",
    ]
    return "\n".join(lines) + "\n"


def _remark(text: str) -> str:
    """A text for a remark, which knows no escapes: whatever could end it is left out."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in " -./") else "?" for letter in text)


def _fields(label: Label, elements: Sequence[Element], layout: Layout, fonts: Fonts) -> Iterator[str]:
    symbol = layout.symbol
    if elements or plain_code(label).isascii():
        # The escape sign is always named: firmware differs in the one that it takes without.
        command = f"^BXN,{symbol.module},{_QUALITY},,,,{ZPL_ESCAPE}"
        yield f"^FO{symbol.x},{symbol.y}{command}{zpl_field(zpl_code(label, elements))}"
    else:
        yield _picture(symbol.x, symbol.y, enlarged(symbol_of(label, elements), symbol.module))
    for text in layout.texts:
        baseline = text.y + int(BASELINE * text.height)
        if text.text.isascii():
            yield f"^FT{text.x},{baseline}^A0N,{text.height}{zpl_field(text.text)}"
        else:
            drawn, above = fonts.picture(text.text, text.height)
            yield _picture(text.x, max(baseline - above, 0), drawn)


def _picture(x: int, y: int, picture: Image.Image) -> str:
    """A picture in black and white as a graphic field, in hexadecimal: a bit for each dot, and 1 is black."""
    data = ImageChops.invert(picture.convert("L")).convert("1").tobytes()
    return f"^FO{x},{y}^GFA,{len(data)},{len(data)},{(picture.width + 7) // 8},{data.hex().upper()}^FS"
