"""A product's names: the SKU of today, and those that it had. Small changes and questions, without a workflow."""

from typing import Annotated, Protocol

from pydantic import AfterValidator, BaseModel
from temporalio import activity

from stockkeeper.contracts.import_rows import KeyOfMessage
from stockkeeper.contracts.messages import Actor, Asked, Message, Timestamp
from stockkeeper.contracts.stock import Name
from stockkeeper.domain.names import require_sku


class RenameProductStep(Asked):
    """Give a product another SKU. Its former one still leads to it, and no other product may have it."""

    performed_by: Actor
    product: Name
    sku: Annotated[KeyOfMessage, AfterValidator(require_sku)]


class ShowProduct(Message):
    """The SKU of a product, and those that it had."""

    product: Name


class FormerSku(BaseModel):
    """A SKU that a product had, until it was renamed."""

    sku: str
    renamed_at: Timestamp
    renamed_by: str


class ProductNames(BaseModel):
    """The SKU of a product, and those that it had, the latest first."""

    product_id: int
    sku: str
    name: str
    former_skus: list[FormerSku]


class ProductActivities(Protocol):
    """A product's names. Implemented in `activities.product`."""

    @activity.defn(name="rename_product")
    def rename_product(self, step: RenameProductStep) -> ProductNames:
        """Give a product another SKU."""
        ...

    @activity.defn(name="show_product")
    def show_product(self, question: ShowProduct) -> ProductNames:
        """The SKU of a product, and those that it had."""
        ...
