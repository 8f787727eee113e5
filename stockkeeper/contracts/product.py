"""A product's names: its SKU, those that it had, its barcodes. Small changes and questions, without a workflow."""

from typing import Annotated, Protocol

from pydantic import AfterValidator, BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.import_rows import KeyOfMessage
from stockkeeper.contracts.messages import Actor, Asked, Message, Page, Timestamp
from stockkeeper.contracts.stock import Name
from stockkeeper.domain.lot import Tracking as Tracking  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.names import require_sku
from stockkeeper.domain.unit import BaseUnit as BaseUnit  # noqa: PLC0414

PRODUCTS_FOUND_AT_ONCE = 200


class RenameProductStep(Asked):
    """Give a product another SKU. Its former one still leads to it, and no other product may have it."""

    performed_by: Actor
    product: Name
    sku: Annotated[KeyOfMessage, AfterValidator(require_sku)]


class ShowProduct(Message):
    """The SKU of a product, and those that it had."""

    product: Name


class SearchProducts(Message):
    """Products by part of what people know of them: each word of the text begins a word of the SKU or the name.

    A whole SKU finds its product as well, also a former one, and a whole barcode its own.
    """

    text: Annotated[str, Field(min_length=1, max_length=200, description="Words, in any order and in any case.")]
    limit: Annotated[int, Field(gt=0, le=PRODUCTS_FOUND_AT_ONCE, description="Products at most.")] = 25


class ProductFound(BaseModel):
    """A product that was found."""

    product_id: int
    sku: str
    name: str
    is_active: bool = Field(description="False: no new order may have it.")


class ProductsFound(Page):
    """Those whose SKU is the text come first, then those whose SKU begins with it, each in the order of SKUs."""

    products: list[ProductFound]


class FormerSku(BaseModel):
    """A SKU that a product had, until it was renamed."""

    sku: str
    renamed_at: Timestamp
    renamed_by: str


class ProductBarcode(BaseModel):
    """A barcode of a product, and the pack that it is printed on."""

    barcode: str = Field(description="A GTIN with its 14 digits, or an own code as it is printed.")
    unit: str = Field(description="The pack, such as each or case.")
    quantity: int = Field(description="Base units in one.")


class ProductNames(BaseModel):
    """The SKU of a product, those that it had, the latest first, and what else a label says of it."""

    product_id: int
    sku: str
    name: str
    former_skus: list[FormerSku]
    tracking: Tracking = Tracking.NONE
    base_unit: BaseUnit = BaseUnit.EACH
    barcodes: list[ProductBarcode] = Field(default_factory=list, description="The smallest packs first.")


class ProductActivities(Protocol):
    """A product's names. Implemented in `activities.product`."""

    @activity.defn(name="rename_product")
    def rename_product(self, step: RenameProductStep) -> ProductNames:
        """Give a product another SKU."""
        ...

    @activity.defn(name="show_product")
    def show_product(self, question: ShowProduct) -> ProductNames:
        """The SKU of a product, those that it had, and its barcodes."""
        ...

    @activity.defn(name="search_products")
    def search_products(self, question: SearchProducts) -> ProductsFound:
        """Products by part of their SKU or name."""
        ...
