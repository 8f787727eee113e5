"""Units on the wire: a product's base unit and its packs, in answers. Messages have quantities in base units alone."""

from pydantic import BaseModel, Field

from stockkeeper.domain.unit import BaseUnit as BaseUnit  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.unit import KnownPack as KnownPack  # noqa: PLC0414
from stockkeeper.domain.unit import ProductUnits as ProductUnits  # noqa: PLC0414
from stockkeeper.domain.unit import is_quantity as is_quantity  # noqa: PLC0414
from stockkeeper.domain.unit import quantity_in as quantity_in  # noqa: PLC0414
from stockkeeper.domain.unit import units_for as units_for  # noqa: PLC0414


class PackFound(BaseModel):
    """A pack of a product: the house's, a supplier's, or what a barcode says."""

    name: str
    quantity: int = Field(description="Base units in one.")
    supplier_id: int | None = Field(default=None, description="The supplier whose pack it is; null: not a supplier's.")
    is_by_barcode: bool = Field(default=False, description="Whether only a barcode of the product says it.")
