"""Long answers in parts: the first rows of a question, and the address of the next ones."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError

from stockkeeper.client.questions import pages
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.messages import Page
from stockkeeper.contracts.question import PagedQuestion

Q = TypeVar("Q", bound=BaseModel)
P = TypeVar("P", bound=Page)
R = TypeVar("R")


async def first(found: AsyncIterator[R], most: int) -> tuple[list[R], bool]:
    """The first rows, and whether there are more."""
    rows: list[R] = []
    async for row in found:
        if len(rows) == most:
            return rows, True
        rows.append(row)
    return rows, False


async def part_of(
    stock: Stockkeeper, question: PagedQuestion[Q, P, R], asked: Q, most: int, cursor: str | None = None
) -> tuple[list[R], str | None]:
    """The rows of a question after a cursor, and the cursor of the next ones; None: there are no more.

    Args:
        stock: The client.
        question: The question; its model has a ``limit``.
        asked: Its fields.
        most: Rows at most.
        cursor: Where the last part ended, as this function has told it; None: at the beginning.

    Raises:
        InvalidRequest: The cursor isn't one of this question.
    """
    fields: dict[str, Any] = {**asked.model_dump(mode="json"), "limit": most + 1}
    if cursor is not None:
        fields[question.goes_on] = _read(cursor)
    try:
        checked = question.model.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        raise InvalidRequest(f"the address has no place in this list: {error.errors()[0]['msg']}") from None
    rows, more = await first(pages(stock.connection, question, checked), most)
    return rows, _written(question.place(rows[-1])) if more else None


def address(path: str, **fields: object) -> str:
    """A path with the fields that have a value."""
    given = {name: value for name, value in fields.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def _written(place: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(place, default=str).encode()).decode().rstrip("=")


def _read(cursor: str) -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        raise InvalidRequest("the address has no place in this list") from None
