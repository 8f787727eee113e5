#!/bin/sh
# GS1 Digital Links are in QR Codes without GS1's function character, which scanners name ]Q1. biip looks for links behind
# ]Q3 and ]d2 only, which are the names for element strings, and finds none behind ]Q1 and ]d1: nor does it say so.
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

LINK = "https://id.example.org/01/04006381333931/10/AB-7"

print("biip", version("biip"), "zxing-cpp", version("zxing-cpp"))
# What a scanner sends: the symbol is drawn, and read back with its name.
drawn = zxingcpp.create_barcode(LINK, zxingcpp.BarcodeFormat.QRCode)
[read] = zxingcpp.read_barcodes(drawn.to_image(scale=4))
sent = read.symbology_identifier + read.text
print("a scanner sends:", sent)
assert sent == "]Q1" + LINK
seen = {}
for name in ("", "]Q1", "]d1", "]Q3", "]d2"):
    result = biip.parse(name + LINK)
    seen[name] = result.gs1_digital_link_uri is not None, result.gs1_digital_link_uri_error
    print(f"{name or 'no name':8}", "a link" if seen[name][0] else "no link", "- error:", seen[name][1])
assert seen == {
    "": (True, None), "]Q1": (False, None), "]d1": (False, None), "]Q3": (True, None), "]d2": (True, None)
}
PYTHON
