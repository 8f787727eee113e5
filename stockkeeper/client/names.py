"""Names in place of ids: SKUs and the names of warehouses and suppliers are resolved by one question per call."""

import dataclasses
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeVar

from pydantic import BaseModel

from stockkeeper.client.calls import checked
from stockkeeper.client.connection import Connection
from stockkeeper.client.questions import ask
from stockkeeper.contracts.errors import (
    DomainError,
    InsufficientStock,
    InvalidRequest,
    Shortage,
    UnknownProduct,
    UnknownWarehouse,
)
from stockkeeper.contracts.messages import MAX_ID, Message, Step
from stockkeeper.contracts.question import FIND_ITEMS, Question
from stockkeeper.contracts.stock import FindItems

M = TypeVar("M", bound=Message)
B = TypeVar("B", bound=BaseModel)
C = TypeVar("C", bound=Step)
A = TypeVar("A", bound=BaseModel)

_KIND_OF_ID = {
    "product_id": "product",
    "product_ids": "product",
    "warehouse_id": "warehouse",
    "from_warehouse_id": "warehouse",
    "to_warehouse_id": "warehouse",
    "supplier_id": "supplier",
}
_KIND_OF_NAME = {
    "product": "product",
    "warehouse": "warehouse",
    "from_warehouse": "warehouse",
    "to_warehouse": "warehouse",
}


@dataclass(frozen=True)
class Names:
    """The names that a call used, by kind and name, with their ids."""

    ids: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def of(self, kind: str, number: int | None) -> str:
        """The caller's name for a product or warehouse, or ``product 7`` if the caller used its id."""
        typed = (name for (of_kind, name), found in self.ids.items() if (of_kind, found) == (kind, number))
        return next(typed, f"{kind} {number}")

    def of_kind(self, kind: str) -> list[str]:
        """The caller's names of one kind, each once."""
        return [name for of_kind, name in self.ids if of_kind == kind]

    def in_words(self, error: DomainError) -> DomainError:
        """The same error, with the caller's names in place of ids."""
        if not self.ids:
            return error
        if isinstance(error, InsufficientStock) and error.shortages:
            short = (
                f"{self.of('product', each.product_id)} in {self._place(each)}: {each.numbers}"
                for each in error.shortages
            )
            return InsufficientStock("; ".join(short), error.shortages)
        message = re.sub(
            r"\b(product|warehouse) (\d+)\b", lambda named: self.of(named[1], int(named[2])), error.message
        )
        return type(error).from_details(message, error.details)

    def _place(self, short: Shortage) -> str:
        return "all warehouses" if short.warehouse_id is None else self.of("warehouse", short.warehouse_id)


async def with_ids(connection: Connection, model: type[M], **fields: object) -> tuple[M, Names]:
    """A message whose fields may have names in place of ids, checked, and the names that were used.

    Without names nothing is asked. With names the message is checked before the question as well, so that a request
    that is wrong anyway asks nothing.

    Raises:
        InvalidRequest: A field is wrong; the message names it.
        UnknownProduct, UnknownWarehouse, UnknownSupplier: Nothing has that name.
        Unreachable: No worker answered.
    """
    plain = {name: _plain(value) for name, value in fields.items()}
    placeholders: dict[tuple[str, str], int] = {}

    def placeholder(kind: str, name: str) -> int:
        return placeholders.setdefault((kind, name), MAX_ID - len(placeholders))

    tentative = _checked(model, **_replaced(plain, placeholder))
    if not placeholders:
        return tentative, Names()
    wanted = {kind: [name for of_kind, name in placeholders if of_kind == kind] for kind in _KIND_OF_ID.values()}
    # A product goes by its SKU alone: a spreadsheet makes 1 of 0001, and product no. 1 is another.
    question = checked(
        FindItems,
        products=wanted["product"],
        warehouses=wanted["warehouse"],
        suppliers=wanted["supplier"],
        exact=True,
    )
    found = await ask(connection, FIND_ITEMS, question)
    by_kind = {"product": found.products, "warehouse": found.warehouses, "supplier": found.suppliers}
    names = Names({(kind, name): by_kind[kind][name] for kind, name in placeholders})
    return _checked(model, **_replaced(plain, lambda kind, name: names.ids[kind, name])), names


async def with_names(connection: Connection, model: type[B], **fields: object) -> B:
    """A question that goes by SKU and names, and whose fields may have ids in place of them, checked.

    Raises:
        InvalidRequest: A field is wrong; the message names it.
        UnknownProduct, UnknownWarehouse: Nothing has that id.
        Unreachable: No worker answered.
    """
    plain = {name: _plain(value) for name, value in fields.items()}
    ids = {name: value for name, value in fields.items() if name in _KIND_OF_NAME and type(value) is int}
    tentative = checked(model, **plain | {name: str(value) for name, value in ids.items()})
    if not ids:
        return tentative
    products = [value for name, value in ids.items() if _KIND_OF_NAME[name] == "product"]
    places = [value for name, value in ids.items() if _KIND_OF_NAME[name] == "warehouse"]
    found = await ask(connection, FIND_ITEMS, checked(FindItems, product_ids=products, warehouse_ids=places))
    if unknown := set(products) - found.skus.keys():
        raise UnknownProduct.of(unknown)
    if unknown := set(places) - found.warehouse_names.keys():
        raise UnknownWarehouse.of(unknown)
    named = {"product": found.skus, "warehouse": found.warehouse_names}
    return checked(model, **plain | {name: named[_KIND_OF_NAME[name]][value] for name, value in ids.items()})


def _checked(model: type[M], **fields: object) -> M:
    try:
        return checked(model, **fields)
    except InvalidRequest as error:
        # By the parameter's name in the client, which is the same for all documents.
        raise InvalidRequest(error.message.replace("line_items", "lines"), error.details) from None


def _replaced(value: dict[str, object], id_of: Callable[[str, str], int]) -> dict[str, object]:
    """The fields with ids in place of names, also within lines."""
    return {name: _replaced_in(_KIND_OF_ID.get(name), each, id_of) for name, each in value.items()}


def _replaced_in(kind: str | None, value: object, id_of: Callable[[str, str], int]) -> object:
    if isinstance(value, dict):
        return _replaced(value, id_of)
    if isinstance(value, list):
        return [_replaced_in(kind, each, id_of) for each in value]
    if kind and isinstance(value, str) and value:
        return id_of(kind, value)
    return value


def _plain(value: object) -> object:
    """A value as JSON has it. One that JSON doesn't have becomes ``{}``, which no field takes for a number or name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(each) for name, each in vars(value).items() if each is not None}
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [_plain(each) for each in value]
    return {}


async def change(connection: Connection, question: Question[C, A], kind: str, **fields: object) -> A:
    """Make a small change that needs no workflow, once: under an operation id of its own.

    Args:
        connection: Temporal client, task queue and patience.
        question: The change.
        kind: How the operation id begins.
        fields: Its fields, with names or ids.

    Raises:
        DomainError: It was refused.
        Unreachable: No worker answered.
    """
    own = {"operation_id": f"{kind}/{uuid.uuid4()}", "as_of": datetime.now(UTC)}
    return await ask(connection, question, await with_names(connection, question.model, **fields, **own), prefix=kind)
