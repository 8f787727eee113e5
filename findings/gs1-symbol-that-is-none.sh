#!/bin/sh
# zxing-cpp takes any option without a word: a misspelt one makes a plain symbol of GS1's data. With the right one it
# makes a rectangle that isn't read as GS1 DataMatrix's ]d2, and takes a wrong check digit and a 13th month.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check zxing-cpp==3.1.1 pillow==13.0.0
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import zxingcpp
from PIL import Image, ImageOps

BRACKETS = "[01]04006381333931[17]270430[10]ABC-1[21]S1"
ELEMENTS = "010400638133393117270430" + "10ABC-1\x1d21S1"


def read(text, **options):
    made = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.DataMatrix, **options)
    picture = Image.fromarray(made.to_image(scale=4, add_quiet_zones=False))
    [found] = zxingcpp.read_barcodes(ImageOps.expand(picture, 20, 255))
    return found.symbology_identifier, picture.width == picture.height, found.bytes.decode("latin-1")


print("zxing-cpp", version("zxing-cpp"))
for options, text, expected in (
    ({"options": "gs1"}, ELEMENTS, ("]d1", True, ELEMENTS)),
    ({"gs1_mode": True}, ELEMENTS, ("]d1", True, ELEMENTS)),
    ({"gs1": True}, BRACKETS, ("]d8", False, ELEMENTS)),
    ({"gs1": True, "force_square": True}, BRACKETS, ("]d2", True, ELEMENTS)),
    ({"gs1": True, "force_square": True}, "[01]04006381333930[17]271331", ("]d2", True, "010400638133393017271331")),
):
    seen = read(text, **options)
    print(options, "reads as", seen)
    assert seen == expected, expected
PYTHON
