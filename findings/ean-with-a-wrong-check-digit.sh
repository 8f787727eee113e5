#!/bin/sh
# python-barcode draws an EAN whose check digit is wrong with a corrected one, instead of refusing it.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check python-barcode==0.16.1
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import barcode

print("python-barcode", version("python-barcode"))
for kind, wrong, drawn in (
    ("ean13", "4006381333930", "4006381333931"),
    ("ean8", "96385070", "96385074"),
    ("upca", "036000291453", "036000291452"),
):
    got = barcode.get(kind, wrong).get_fullcode()
    print(f"{kind}: asked for {wrong}, draws {got}")
    assert got == drawn
PYTHON
