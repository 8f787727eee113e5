#!/bin/sh
# A GS1 expiry date may have day 00: biip takes the month's last day. Two libraries put the same year 76 into two centuries.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check biip==5.2.0 python-stdnum==2.2
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import biip
from stdnum import gs1_128

GTIN = "0104006381333931"


def by_biip(digits):
    [expiry] = [part for part in biip.parse(GTIN + "17" + digits).gs1_message.element_strings if part.ai.ai == "17"]
    return expiry.date.isoformat()


print("biip", version("biip"), "python-stdnum", version("python-stdnum"))
seen = {digits: by_biip(digits) for digits in ("301100", "300200", "761231")}
print("biip:", seen)
assert seen == {"301100": "2030-11-30", "300200": "2030-02-28", "761231": "2076-12-31"}
other = gs1_128.info("17761231")["17"].isoformat()
print("python-stdnum: 761231 is", other)
assert other == "1976-12-31"
PYTHON
