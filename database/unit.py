"""What products are counted in, and their packs. Nothing is locked."""

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, text

from database.document import read_rows
from stockkeeper.domain.unit import BaseUnit, KnownPack, ProductUnits, units_for

# A unit that is built in is no pack, whatever barcodes say of it.
_FIND = text("""
    SELECT product_id, base_unit, unit, quantity, supplier_id, is_by_barcode
    FROM products LEFT JOIN LATERAL (
        SELECT unit, quantity, supplier_id, false AS is_by_barcode FROM product_units
        WHERE product_units.product_id = products.product_id AND quantity IS NOT NULL
        UNION ALL
        SELECT DISTINCT unit, quantity, NULL::bigint, true FROM product_barcodes
        WHERE product_barcodes.product_id = products.product_id AND quantity > 1
    ) AS pack ON true
    WHERE product_id = ANY (:product_ids) AND (base_unit <> 'EACH' OR unit IS NOT NULL)
    ORDER BY product_id, unit, supplier_id NULLS FIRST, is_by_barcode, quantity
""").bindparams(bindparam("product_ids"))


class KnownUnits(NamedTuple):
    """The base units that aren't pieces, and the packs, by product id; products without either are left out."""

    base_units: dict[int, BaseUnit]
    packs: dict[int, list[KnownPack]]

    def of(self, product_id: int, supplier_id: int | None = None) -> ProductUnits:
        """The units of one product, for a supplier's orders or for the house."""
        base_unit = self.base_units.get(product_id, BaseUnit.EACH)
        return units_for(base_unit, self.packs.get(product_id, ()), supplier_id)


_PACKS = text("""
    SELECT product_unit_id, product_id, sku, unit, quantity, suppliers.name AS supplier
    FROM product_units JOIN products USING (product_id) LEFT JOIN suppliers USING (supplier_id)
    WHERE (product_unit_id, product_id) > (:product_unit_id, :product_id) AND quantity IS NOT NULL
    ORDER BY product_unit_id, product_id LIMIT :most
""")


def read_packs(connection: Connection, after: tuple[int, int], most: int) -> list[dict[str, Any]]:
    """Packs in the order in which they came, after the given place; ``after`` is the place of each."""
    found = read_rows(connection, _PACKS, {"product_unit_id": after[0], "product_id": after[1], "most": most})
    return [row | {"after": (row["product_unit_id"], row["product_id"])} for row in found]


def find_units(connection: Connection, product_ids: Collection[int]) -> KnownUnits:
    """What these products are counted in, and their packs."""
    found = KnownUnits({}, {})
    if not product_ids:
        return found
    for row in connection.execute(_FIND, {"product_ids": list(product_ids)}):
        if row.base_unit != BaseUnit.EACH:
            found.base_units[row.product_id] = BaseUnit(row.base_unit)
        if row.unit is not None:
            pack = KnownPack(row.unit, row.quantity, row.supplier_id, row.is_by_barcode)
            found.packs.setdefault(row.product_id, []).append(pack)
    return found
