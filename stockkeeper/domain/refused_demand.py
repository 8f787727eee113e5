"""What customers wanted and didn't get, as demand of the days on which they came.

The ledger has what was sold. A shop that is asked for a fill rate of 95 % refuses one unit in twenty, and planned from
its sales alone it has less stock for less demand from week to week. NumPy is needed here, as in
`stockkeeper.domain.lead_time_demand`.
"""

import numpy as np

from stockkeeper.domain.lead_time_demand import Floats


def with_refused(sold: Floats, refused: Floats) -> Floats:
    """Demand of each day: what was sold, and what was refused.

    What was refused in a day counts for no more than the item's busiest day has sold. Nothing bounds what a customer
    asks for: a mistyped order, or one that is sent again and again, would fill the shelves otherwise.

    Args:
        sold: Units by item and day.
        refused: Units by item and day.
    """
    busiest = sold.max(axis=1, keepdims=True, initial=0.0)
    demand: Floats = sold + np.minimum(refused, busiest)
    return demand
