"""The cost of products in the database, by which stock without a counterpart is valued: `stockkeeper.domain.worth`."""

from collections.abc import Collection, Mapping
from decimal import Decimal

from sqlalchemy import Connection, text

from stockkeeper.domain.worth import Worth, worth_of_units

# The catalogue's own, or what the preferred supplier has agreed to, or else the cheapest. A cost of zero counts as
# unknown: such goods have a value, too.
_UNIT_COSTS = text("""
    SELECT product_id, coalesce(nullif(products.unit_cost, 0), (
        SELECT agreed.unit_cost FROM product_suppliers AS agreed
        WHERE agreed.product_id = products.product_id AND agreed.unit_cost > 0
        ORDER BY is_preferred DESC, agreed.unit_cost LIMIT 1)) AS unit_cost
    FROM products WHERE product_id = ANY (:product_ids)
""")


def unit_costs(connection: Connection, product_ids: Collection[int]) -> dict[int, Decimal | None]:
    """The cost of a unit of each product; None where neither the catalogue nor a supplier says one. Locks nothing."""
    rows = connection.execute(_UNIT_COSTS, {"product_ids": sorted(set(product_ids))})
    return {row.product_id: row.unit_cost for row in rows}


def worth_of_products(connection: Connection, units: Mapping[int, int]) -> Worth:
    """The worth of units by product, in or out. Locks nothing."""
    costs = unit_costs(connection, units)
    return worth_of_units((quantity, costs[product_id]) for product_id, quantity in units.items())
