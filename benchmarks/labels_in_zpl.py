"""Labels as another program draws them from their ZPL: what is read from them, and whether any text is too wide.

The program is zplkit, whose font 0 is from captures of a printer. It is installed into a folder of its own, because its
licence (OSL-3.0) isn't one that this project takes.

Run: ``python -m benchmarks.labels_in_zpl``
"""

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import zxingcpp
from PIL import Image

from starter.cli.label_fonts import Fonts
from starter.cli.label_layout import Size, lay_out
from starter.cli.label_zpl import printed_width, zpl_of
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.label import Label, element_string, elements_of, plain_code

RENDERER = "zplkit==0.3.2"
SIDES = ((100, 50), (57, 32), (40, 60))
DOTS_PER_INCH = (203, 300)
LOT = Label(
    sku="TEA-100",
    name="Assam loose leaf 100 g, second flush",
    gtin="4006381333931",
    lot_number="L2041-B",
    expires_on=date(2027, 4, 30),
    quantity=24,
)
LABELS = (
    LOT,
    replace(LOT, lot_number="W" * 20, serial="M" * 20, best_before=date(2027, 1, 31), quantity=99_999_999),
    replace(LOT, gtin=None),
    replace(LOT, lot_number="---___", name="~~~ @@@ <<<>>> --- === +++ %%% JJJ ||| \\\\\\ \"\"\" '''"),
    replace(LOT, gtin=None, sku="A@1_~^\\", serial="S=1", best_before=date(2027, 1, 31)),
)
DRAW = r"""
import json, sys
from pathlib import Path
from PIL import Image
from zplkit import Options, render

def draw(zpl, dpi):
    raster = render(zpl.encode(), Options(profile="specification", dpi=dpi)).labels[0].rasterize()
    return Image.frombytes("L", (raster.width, raster.height), raster.pixels)

for number, label in enumerate(json.loads(Path("labels.json").read_text())):
    draw(label["zpl"], label["dpi"]).save(f"{number}.png")
    widths = []
    for field, x in label["texts"]:
        alone = draw(f"^XA^PW4000^LL1500{field}^XZ", label["dpi"]).point(lambda value: 255 - value)
        widths.append(alone.getbbox()[2] - x)
    Path(f"{number}.json").write_text(json.dumps(widths))
"""


def labels(year: int) -> Iterator[dict[str, Any]]:
    """Every label in every size that it fits: its ZPL, its code, and its texts with their widths as measured."""
    for label, sides, dots in itertools.product(LABELS, SIDES, DOTS_PER_INCH):
        fonts, elements = Fonts(), elements_of(label, year)
        measure = printed_width(fonts)
        try:
            layout = lay_out(label, elements, Size(*sides, dots), measure)
        except InvalidRequest:
            continue
        written = zpl_of(label, elements, layout, fonts, 1)
        fields = [line for line in written.splitlines() if line.startswith("^FT")]
        starts = [int(field[3:].partition(",")[0]) for field in fields]
        yield {
            # It knows no ^PQ.
            "zpl": written.replace("^PQ1\n", ""),
            "dpi": dots,
            "code": element_string(elements) if elements else plain_code(label),
            "symbology": "]d2" if elements else "]d1",
            "texts": list(zip(fields, starts, strict=True)),
            "measured": [measure(text.text, text.height) for text in layout.texts if text.text.isascii()],
        }


def main() -> None:
    """Install the renderer, draw, read and compare."""
    made = list(labels(datetime.now(UTC).year))
    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        (folder / "labels.json").write_text(json.dumps(made))
        python = str(folder / "venv/bin/python")
        for command in (
            [sys.executable, "-m", "venv", "venv"],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", RENDERER, "pillow==13.0.0"],
            [python, "-c", DRAW],
        ):
            subprocess.run(command, check=True, cwd=folder)  # noqa: S603 - a pinned package, and our own program
        read, texts, wide = 0, 0, []
        for number, label in enumerate(made):
            with Image.open(folder / f"{number}.png") as picture:
                seen = [(each.bytes.decode(), each.symbology_identifier) for each in zxingcpp.read_barcodes(picture)]
            read += seen == [(label["code"], label["symbology"])]
            widths = json.loads((folder / f"{number}.json").read_text())
            texts += len(widths)
            compared = zip(label["texts"], label["measured"], widths, strict=True)
            wide += [field for (field, _), measured, width in compared if width > measured + 1]
    print(f"{RENDERER}: {read} of {len(made)} labels read back to the letter; {texts} texts, {len(wide)} too wide")
    for field in wide:
        print(f"too wide: {field}")
    if read < len(made) or wide:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
