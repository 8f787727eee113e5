#!/bin/sh
# pydifact takes an EDIFACT message that says 99 segments and has 4: the count in UNT, which shows a cut message, isn't compared.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check pydifact==0.2.3
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")

from pydifact.segmentcollection import Interchange  # noqa: E402

ORDER = "UNA:+.? 'UNB+UNOC:3+A+B+261129:1200+1'UNH+1+ORDERS:D:96A:UN'BGM+220+PO-7+9'QTY+21:12.50'UNT+99+1'UNZ+1+1'"
print("pydifact", version("pydifact"))
[message] = Interchange.from_str(ORDER).get_messages()
[quantity] = message.get_segments("QTY")
print("read without an error:", message)
print("a quantity stays text:", quantity.elements)
assert str(message).endswith("UNT+4+1'")
assert quantity.elements == [["21", "12.50"]]
PYTHON
