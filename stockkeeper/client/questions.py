"""How a question is asked: one activity without a workflow around it, and page by page where the answer is long."""

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel
from temporalio.client import ActivityFailureError, Client

from stockkeeper.client.calls import answer
from stockkeeper.contracts.converter import as_domain_error
from stockkeeper.contracts.policies import READ


class Page(Protocol):
    """A part of a long answer."""

    @property
    def more(self) -> bool:
        """Whether there is more after the last row."""


Q = TypeVar("Q", bound=BaseModel)
A = TypeVar("A")
P = TypeVar("P", bound=Page)
R = TypeVar("R")


async def ask(
    client: Client, activity: Callable[[Any, Q], A], question: Q, task_queue: str, *, prefix: str = "question"
) -> A:
    """One activity without a workflow around it: a question, or a small change that has an operation id of its own.

    Raises:
        DomainError: The answer is no.
        Unreachable: No worker answers.
    """
    async with answer("stock"):
        try:
            return await client.execute_activity_method(  # its typing knows only asynchronous methods
                activity,  # type: ignore[arg-type]
                question,
                id=f"{prefix}-{uuid.uuid4()}",
                task_queue=task_queue,
                **READ,
            )
        except ActivityFailureError as error:
            raise as_domain_error(error) or error from None


async def page_by_page(
    client: Client,
    activity: Callable[[Any, Q], P],
    question: Q,
    task_queue: str,
    *,
    rows: Callable[[P], Sequence[R]],
    place: Callable[[R], object],
    goes_on: str = "after",
) -> AsyncIterator[R]:
    """All rows of an answer, read as far as somebody asks for them.

    Args:
        client: The namespace.
        activity: What answers.
        question: Where it begins.
        task_queue: Where it is answered.
        rows: The rows of a page.
        place: A row's place in the order of the rows.
        goes_on: The question's field for the place of the last row that was seen; ``before`` where the latest is first.

    Raises:
        DomainError, Unreachable: See `ask`.
    """
    while True:
        page = await ask(client, activity, question, task_queue)
        for row in rows(page):
            yield row
        if not page.more:
            return
        question = question.model_copy(update={goes_on: place(rows(page)[-1])})
