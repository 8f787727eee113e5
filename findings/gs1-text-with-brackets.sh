#!/bin/sh
# zxing-cpp gives the text of a GS1 symbol with brackets around its application identifiers. biip refuses that text, and its
# reader of such text ends a lot at the first bracket in it: brackets are letters that GS1 allows in a lot.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check biip==5.2.0 zxing-cpp==3.1.1 numpy
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import biip
import zxingcpp
from biip.gs1_messages import GS1Message

GTIN, LOT = "04006381333931", "A(B"

print("biip", version("biip"), "zxing-cpp", version("zxing-cpp"))
drawn = zxingcpp.create_barcode(
    f"(01){GTIN}(10)AB", zxingcpp.BarcodeFormat.DataMatrix, gs1=True, force_square=True
)
[read] = zxingcpp.read_barcodes(drawn.to_image(scale=4))
print("zxing-cpp reads:", read.text, "named", read.symbology_identifier)
assert (read.text, read.symbology_identifier) == (f"(01){GTIN}(10)AB", "]d2")
for text in (read.text, read.symbology_identifier + read.text):
    print("biip.parse of", text, "->", biip.parse(text).gs1_message)
    assert biip.parse(text).gs1_message is None

# The lot A(B, as a scanner sends it and as it is printed.
[_, sent] = biip.parse(f"01{GTIN}10{LOT}").gs1_message.element_strings
[_, printed] = GS1Message.parse_hri(f"(01){GTIN}(10){LOT}").element_strings
print("lot as sent:", sent.value, "- as printed:", printed.value)
assert (sent.value, printed.value) == (LOT, "A")
PYTHON
