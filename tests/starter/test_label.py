"""Labels, read back as a scanner sees them: from pictures, from pages of a PDF, and from the commands of ZPL."""

import itertools
import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import matplotlib as mpl
import pypdfium2
import pytest
import zxingcpp
from PIL import Image, ImageChops, features
from typer.testing import CliRunner, Result

from starter.cli.app import app
from starter.cli.label_fonts import Fonts
from starter.cli.label_layout import Layout, Size, lay_out, wrapped
from starter.cli.label_picture import draw, save_pdf, save_png, symbol_of
from starter.cli.label_sheet import Sheet
from starter.cli.label_zpl import printed_width, zpl_of
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.label import Label, elements_of

YEAR = 2026
LOT = Label(
    sku="TEA-100",
    name="Assam loose leaf 100 g, second flush",
    gtin="4006381333931",
    lot_number="L2041-B",
    expires_on=date(2027, 4, 30),
    quantity=24,
)
CODE = b"01040063813339311727043010L2041-B\x1d3024"
LONGEST = replace(
    LOT,
    lot_number="WWWWWWWWWWWWWWWWWWWW",
    serial="MMMMMMMMMMMMMMMMMMMM",
    best_before=date(2027, 1, 31),
    quantity=99_999_999,
)
LARGE, SMALL = (100, 50), (57, 32)
LETTERS = [Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"]
"""A font with Hebrew and Arabic letters."""


def laid_out(label: Label, size: Size, fonts: Fonts) -> Layout:
    return lay_out(label, elements_of(label, YEAR), size, fonts.width)


def picture_of(label: Label, size: Size) -> Image.Image:
    fonts = Fonts()
    return draw(laid_out(label, size, fonts), symbol_of(label, elements_of(label, YEAR)), fonts)


def read(picture: Image.Image) -> list[tuple[bytes, str]]:
    """What a scanner reports of each symbol in a picture, and how it names the kind."""
    return [(each.bytes, each.symbology_identifier) for each in zxingcpp.read_barcodes(picture)]


def pages_of(path: Path, dots_per_inch: int) -> list[Image.Image]:
    """The pages of a PDF as a printer draws them."""
    with pypdfium2.PdfDocument(path) as pdf:
        return [page.render(scale=dots_per_inch / 72).to_pil() for page in pdf]


@pytest.mark.parametrize("dots_per_inch", [203, 300, 600])
@pytest.mark.parametrize("sides", [LARGE, SMALL])
@pytest.mark.parametrize(
    ("label", "code", "kind"),
    [
        (LOT, CODE, "]d2"),
        (
            LONGEST,
            b"0104006381333931172704301527013110" + b"W" * 20 + b"\x1d21" + b"M" * 20 + b"\x1d3099999999",
            "]d2",
        ),
        (replace(LOT, gtin="96385074", lot_number=None, expires_on=None, quantity=None), b"0100000096385074", "]d2"),
        (
            replace(LOT, lot_number="(7)_%<!", quantity=1_250, unit="g"),
            b"010400638133393117270430310300125010(7)_%<!",
            "]d2",
        ),
        (replace(LOT, gtin=None), b"TEA-100", "]d1"),
        (replace(LOT, gtin=None, sku="Größe-1"), "Größe-1".encode(), "]d1"),
    ],
)
def test_a_picture_reads_back_to_the_letter(
    label: Label, code: bytes, kind: str, sides: tuple[int, int], dots_per_inch: int, tmp_path: Path
) -> None:
    size = Size(*sides, dots_per_inch)
    save_png(picture_of(label, size), tmp_path / "label.png", size)
    with Image.open(tmp_path / "label.png") as picture:
        assert read(picture) == [(code, kind)]
        assert picture.mode == "1"
        assert [round(dots) for dots in picture.info["dpi"]] == [dots_per_inch] * 2
        assert picture.size == (size.dots(sides[0]), size.dots(sides[1]))


def test_lot_and_expiry_are_the_largest_on_a_label() -> None:
    for sides, lot_mm, expiry_mm in ((LARGE, 11.0, 11.3), (SMALL, 7.0, 6.3), ((40, 60), 7.3, 5.5)):
        size = Size(*sides, 203)
        heights = {text.text: text.height for text in laid_out(LOT, size, Fonts()).texts}
        millimetres = {text: round(height * 25.4 / 203, 1) for text, height in heights.items()}
        assert (millimetres["L2041-B"], millimetres["2027-04-30"]) == (lot_mm, expiry_mm)
        assert sorted(heights, key=heights.__getitem__)[-2:] in (["2027-04-30", "L2041-B"], ["L2041-B", "2027-04-30"])


def boxes(layout: Layout, fonts: Fonts) -> list[tuple[int, int, int, int]]:
    """What is printed, from its left and upper to its right and lower edge; of letters, their capitals."""
    symbol = layout.symbol
    across = symbol.module * symbol.across
    found = [(symbol.x, symbol.y, symbol.x + across, symbol.y + across)]
    for text in layout.texts:
        right, baseline = text.x + fonts.width(text.text, text.height), text.y + int(0.78 * text.height)
        found.append((text.x, text.y + text.height // 20, int(right), baseline))
    return found


def test_nothing_covers_another_thing_or_leaves_the_label() -> None:
    fonts = Fonts()
    fitting = 0
    for label in (LOT, LONGEST, replace(LOT, gtin=None, quantity=None, expires_on=None), replace(LOT, lot_number=None)):
        for width, height in itertools.product((15, 20, 30, 40, 57, 100, 210), (15, 20, 32, 50, 60, 148)):
            try:
                layout = laid_out(replace(label, name="jÄgermeisterqp, " * 20), Size(width, height, 203), fonts)
            except InvalidRequest:
                continue
            fitting += 1
            printed = boxes(layout, fonts)
            assert all(
                0 < x < right < layout.width and 0 < y < bottom < layout.height for x, y, right, bottom in printed
            )
            for one, other in itertools.combinations(printed, 2):
                assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    assert fitting == 110


@pytest.mark.parametrize(
    ("label", "sides", "message"),
    [
        (LONGEST, (20, 15), "can't be read on a label of 20 x 15 mm at 203 dpi: take a larger one"),
        (replace(LOT, sku="S" * 200), LARGE, "SKU 'SSS"),
        (replace(LOT, gtin=None, lot_number="L" * 90), SMALL, "LOT 'LLL"),
        (replace(LOT, gtin=None, sku="S" * 60), (30, 15), "can't be read"),
    ],
)
def test_what_has_to_be_compared_is_never_cut(label: Label, sides: tuple[int, int], message: str) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(message)):
        laid_out(label, Size(*sides, 203), Fonts())


@pytest.mark.parametrize(
    ("text", "width", "lines", "expected"),
    [
        ("", 9, 2, []),
        ("loose tea", 9, 2, ["loose tea"]),
        ("loose leaf tea", 10, 2, ["loose leaf", "tea"]),
        ("loose\nleaf\ttea", 10, 2, ["loose leaf", "tea"]),
        ("loose leaf tea of Assam", 10, 2, ["loose leaf", "tea of As…"]),
        ("loose leaf tea of Assam", 10, 1, ["loose lea…"]),
        ("Donaudampfschiff", 6, 3, ["Donaud", "ampfsc", "hiff"]),
        ("日本茶日本茶", 4, 2, ["日本茶日", "本茶"]),
        ("wide", 0, 3, ["w", "i", "…"]),
    ],
)
def test_a_name_is_wrapped_between_words_and_cut_at_the_end(
    text: str, width: int, lines: int, expected: list[str]
) -> None:
    assert wrapped(text, width, 1, lines, lambda letters, _: len(letters)) == expected


def test_each_label_is_a_page_of_its_size(tmp_path: Path) -> None:
    size = Size(*LARGE, 300)
    save_pdf(picture_of(LOT, size), tmp_path / "labels.pdf", size, 3, None)
    pages = pages_of(tmp_path / "labels.pdf", 300)
    assert [read(page) for page in pages] == [[(CODE, "]d2")]] * 3
    with pypdfium2.PdfDocument(tmp_path / "labels.pdf") as pdf:
        assert {tuple(round(side * 25.4 / 72, 1) for side in page.get_size()) for page in pdf} == {(100.0, 50.0)}


def test_a_sheet_is_full_of_labels_and_the_last_one_has_the_rest(tmp_path: Path) -> None:
    size = Size(63.5, 38.1, 300)
    sheet = Sheet("a4", (7.2, 15.15), (2.5, 0))
    save_pdf(picture_of(LOT, size), tmp_path / "labels.pdf", size, 25, sheet)
    pages = pages_of(tmp_path / "labels.pdf", 300)
    assert [read(page) for page in pages] == [[(CODE, "]d2")] * 21, [(CODE, "]d2")] * 4]
    with pypdfium2.PdfDocument(tmp_path / "labels.pdf") as pdf:
        assert {tuple(round(side * 25.4 / 72) for side in page.get_size()) for page in pdf} == {(210, 297)}


def test_labels_are_in_the_middle_of_the_paper_unless_a_margin_is_given() -> None:
    size = Size(100, 50, 203)
    assert Sheet("a4", None, (2, 2)).places_mm(size)[:3] == [(4.0, 19.5), (106.0, 19.5), (4.0, 71.5)]
    assert len(Sheet("letter", (5.0, 10.0), (0, 0)).places_mm(size)) == 10
    with pytest.raises(InvalidRequest, match="--page a4: no label of 250 x 50 mm fits on it with this margin"):
        Sheet("a4", None, (2, 2)).places_mm(Size(250, 50, 203))


def test_a_script_that_no_font_has_is_drawn_as_boxes_and_said() -> None:
    fonts = Fonts(LETTERS)
    for text in ("Größe Ελλάδα Размер", "שלום", "مرحبا"):
        assert fonts.width(text, 40) > 40
    assert fonts.missing == set()
    picture, above = fonts.picture("\U00012000\U00012001", 40)
    assert (fonts.missing, picture.width > 20, above > 20) == ({"\U00012000", "\U00012001"}, True, True)


@pytest.mark.skipif(not features.check("fribidi"), reason="the system has no libfribidi")
def test_a_name_from_right_to_left_begins_at_the_right() -> None:
    fonts = Fonts(LETTERS)
    word, first = fonts.picture("אבגד", 40)[0], fonts.picture("א", 40)[0]
    ends = word.crop((word.width - first.width, 0, word.width, word.height))
    assert ImageChops.difference(ends.convert("L"), first.convert("L")).getbbox() is None


def test_a_font_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="must be a file with a TrueType or OpenType font"):
        Fonts([tmp_path / "none.ttf"])


ZPL = r"""^XA
^FX TEA-100, 799 x 399 dots^FS
^PW799^LL399^LH0,0^CI28
^FO22,133^BXN,7,200,,,,@^FH\^FD@101040063813339311727043010L2041-B@13024^FS
^FT545,54^A0N,22^FH\^FDGTIN 4006381333931^FS
^FT15,54^A0N,51^FH\^FDTEA-100^FS
^FT15,106^A0N,36^FH\^FDAssam \5EXA\7EJA \5F5E\2C 100\25^FS
"""


def zpl(label: Label, copies: int = 1, fonts: Fonts | None = None) -> str:
    elements, fonts = elements_of(label, YEAR), fonts or Fonts()
    layout = lay_out(label, elements, Size(*LARGE, 203), printed_width(fonts))
    return zpl_of(label, elements, layout, fonts, copies)


def test_zpl_is_text_in_which_nothing_of_a_product_is_a_command() -> None:
    written = zpl(replace(LOT, name="Assam ^XA~JA _5E, 100%"), copies=3)
    assert written.startswith(ZPL)
    assert "^FDL2041-B^FS\n" in written
    assert written.endswith("^FD24 each^FS\n^PQ3\n^XZ\n")
    evil = zpl(replace(LOT, gtin=None, sku="^XZ~JA^XA", lot_number="^FS^XZ", name="\n^XZ"))
    assert (evil.count("^XA"), evil.count("^XZ"), evil.count("~")) == (1, 1, 0)
    assert "^FX ?XZ?JA?XA, " in evil


def graphics(text: str) -> list[Image.Image]:
    """The graphic fields of ZPL as pictures."""
    found = []
    for total, _, across, data in re.findall(r"\^GFA,(\d+),(\d+),(\d+),([0-9A-F]+)\^FS", text):
        assert len(data) == 2 * int(total)
        size = (8 * int(across), int(total) // int(across))
        found.append(ImageChops.invert(Image.frombytes("1", size, bytes.fromhex(data)).convert("L")))
    return found


def test_letters_beyond_ascii_go_as_pictures_and_the_rest_as_text() -> None:
    fonts = Fonts(LETTERS)
    written = zpl(replace(LOT, gtin=None, sku="Größe-1", name="مرحبا"), fonts=fonts)
    assert written.isascii()
    symbol, sku, name = graphics(written)
    framed = Image.new("L", (symbol.width + 80, symbol.height + 80), 255)
    framed.paste(symbol, (40, 40))
    assert read(framed) == [("Größe-1".encode(), "]d1")]
    assert (sku.height, name.height > 20) == (fonts.picture("Größe-1", 51)[0].height, True)
    assert re.findall(r"\^FD(.*?)\^FS", written) == ["LOT", "L2041-B", "EXP", "2027-04-30", "QTY", "24 each"]


def test_a_printers_own_letters_are_measured_as_wide_as_its_widest() -> None:
    fonts = Fonts()
    measure = printed_width(fonts)
    assert [round(measure(text, 100)) for text in ("L2041", "-", "J", "é")] == [
        round(fonts.width(text, 100)) for text in ("L2041", "W", "0", "é")
    ]


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["label", *arguments])


def test_a_label_is_printed_as_text_or_into_a_file_and_told_in_json(tmp_path: Path) -> None:
    given = ("TEA-100", "--name", "Assam", "--gtin", "4006381333931", "--lot", "L-7", "--expires", "2027-04-30")
    printed = command(*given, "--copies", "2")
    assert (printed.exit_code, printed.stderr) == (0, "")
    assert "^FD@101040063813339311727043010L-7^FS\n" in printed.stdout
    assert printed.stdout.endswith("^PQ2\n^XZ\n")
    path = tmp_path / "label.png"
    told = json.loads(command(*given, "--out", str(path), "--size", "57x32", "--dpi", "203", "--json").stdout)
    assert told == {
        "sku": "TEA-100",
        "name": "Assam",
        "gtin": "4006381333931",
        "barcode": None,
        "lot_number": "L-7",
        "serial": None,
        "expires_on": "2027-04-30",
        "best_before": None,
        "quantity": None,
        "unit": "each",
        "code": "01040063813339311727043010L-7",
        "symbology": "]d2",
        "format": "png",
        "copies": 1,
        "file": str(path),
        "zpl": None,
    }
    with Image.open(path) as picture:
        assert read(picture) == [(b"01040063813339311727043010L-7", "]d2")]
    file = tmp_path / "labels.pdf"
    written = command(*given, "--plain", "--page", "letter", "--copies", "11", "--out", str(file))
    assert written.stdout == f"written: {file}, 11 labels, TEA-100\n"
    assert [len(read(page)) for page in pages_of(file, 300)] == [10, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "png"], "--format png: name the file, with --out"),
        (["--out", "label.bmp"], "--out 'label.bmp': must end in .zpl, .png or .pdf, or say --format"),
        (
            ["--out", "label.png", "--copies", "2"],
            "--copies: a picture is one label; print it as often, or write a PDF",
        ),
        (["--page", "a4"], "--page a4: only a PDF has pages"),
        (["--size", "10x10"], "a label's sides must be from 15 to 300 mm"),
        (["--size", "100"], "--size '100': must be millimetres across and down, such as 100x50"),
        (["--expires", "soon"], "--expires 'soon': must be a day, such as 2026-11-23"),
        (
            ["--lot", "\U00012000"],
            "no font here has the letters \U00012000: install one, or name its file with --font",
        ),
        (
            ["--gtin", "4006381333931", "--lot", "a lot"],
            "lot number 'a lot': a GS1 code can't have ' ' in it; use a plain code (--plain)",
        ),
    ],
)
def test_a_label_that_cannot_be_printed_is_refused_in_one_line_and_nothing_is_written(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = command("TEA-100", "--name", "Assam", *options)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert " ".join(refused.stderr.split()) == f"InvalidRequest: {message}"
    assert list(tmp_path.iterdir()) == []


def test_a_name_with_letters_that_no_font_has_is_printed_with_a_warning(tmp_path: Path) -> None:
    printed = command("TEA-100", "--name", "\U00012000", "--out", str(tmp_path / "label.png"))
    assert printed.exit_code == 0
    assert " ".join(printed.stderr.split()) == (
        "boxes in the name: no font here has the letters \U00012000: install one, or name its file with --font"
    )
