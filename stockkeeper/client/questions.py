"""How a question is asked: as a standalone activity, or by a workflow where the server has those switched off.

A long answer comes page by page.
"""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel
from temporalio.service import RPCError, RPCStatusCode

from stockkeeper.client.calls import MAY_BE_DONE, answer
from stockkeeper.client.connection import Connection
from stockkeeper.client.tracing import span
from stockkeeper.contracts.messages import Page, Step
from stockkeeper.contracts.question import (
    FIND_ITEMS,
    WORKFLOW_TYPE,
    PagedQuestion,
    Question,
    QuestionRequest,
    workflow_id,
)
from stockkeeper.contracts.stock import FindItems

Q = TypeVar("Q", bound=BaseModel)
A = TypeVar("A", bound=BaseModel)
P = TypeVar("P", bound=Page)
R = TypeVar("R")


async def ask(
    connection: Connection,
    question: Question[Q, A],
    asked: Q,
    *,
    prefix: str = "question",
    within: timedelta | None = None,
) -> A:
    """Ask one question, or make a small change that has an operation id of its own.

    The connection remembers whether its server runs standalone activities; the first question finds out.

    Args:
        connection: Temporal client, task queue and patience.
        question: Which question.
        asked: Its fields, checked.
        prefix: How the standalone activity's id begins.
        within: How long to wait for the answer of one database; None: as long as for any.

    Raises:
        DomainError: The question was refused.
        Unreachable: No worker answered.
    """
    if connection.databases is not None:
        return await connection.databases.ask(question, asked, prefix)
    with span(question.name):
        return await _answer_to(connection, question, asked, prefix, within or connection.answer_within)


async def _answer_to(connection: Connection, question: Question[Q, A], asked: Q, prefix: str, within: timedelta) -> A:
    if_lost = None
    if issubclass(question.model, Step):
        # It changes something: if the database is away by now, nothing was sent, and that is certain.
        await require_database(connection)
        if_lost = MAY_BE_DONE
    async with answer("stock", within, if_lost=if_lost):
        if connection.standalone_activities is not False:
            try:
                found = await _ask_by_activity(connection, question, asked, prefix)
            except RPCError as error:
                if error.status is not RPCStatusCode.UNIMPLEMENTED:
                    raise
                connection.standalone_activities = False
            else:
                connection.standalone_activities = True
                return found
        return await _ask_by_workflow(connection, question, asked)


async def _ask_by_activity(connection: Connection, question: Question[Q, A], asked: Q, prefix: str) -> A:
    found: Any = await connection.client.execute_activity(
        question.name,
        asked,
        id=f"{prefix}-{uuid.uuid4()}",
        task_queue=question.queue(connection.task_queue),
        result_type=question.answer,
        **question.policy,
    )
    return question.answer.model_validate(found)


async def _ask_by_workflow(connection: Connection, question: Question[Q, A], asked: Q) -> A:
    found: Any = await connection.client.execute_workflow(
        WORKFLOW_TYPE,
        QuestionRequest(question=question.name, payload=asked.model_dump(mode="json")),
        id=workflow_id(str(uuid.uuid4())),
        task_queue=connection.task_queue,
        result_type=question.answer,
        execution_timeout=question.policy["schedule_to_close_timeout"] * 2,
        static_summary=question.name.replace("_", " "),
    )
    return question.answer.model_validate(found)


async def require_database(connection: Connection) -> None:
    """Return if a worker and its database answer, before something begins that would wait for them for long.

    Raises:
        Unreachable: They don't; nothing was begun.
    """
    await ask(connection, FIND_ITEMS, FindItems())


async def pages(connection: Connection, question: PagedQuestion[Q, P, R], asked: Q) -> AsyncIterator[R]:
    """All rows of an answer; a page is asked for when its first row is wanted. Those of several databases are merged.

    Raises:
        DomainError, Unreachable: See `ask`.
    """
    if connection.databases is not None:
        async for row in connection.databases.pages(question, asked):
            yield row
        return
    while True:
        page = await ask(connection, question, asked)
        rows = question.rows(page)
        for row in rows:
            yield row
        if not page.more:
            return
        asked = asked.model_copy(update={question.goes_on: question.place(rows[-1])})
