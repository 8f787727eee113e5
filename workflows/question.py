"""Answers one question: for servers that have standalone activities switched off, and for clients without them."""

from collections.abc import Sequence
from typing import Any

from temporalio import workflow

from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.identity import vouch_for_question
from stockkeeper.contracts.messages import parse
from stockkeeper.contracts.question import QUESTIONS, WORKFLOW_TYPE, QuestionRequest
from stockkeeper.domain.errors import DomainError, InvalidRequest
from stockkeeper.domain.permission import START
from workflows.details import details, refused
from workflows.identity import of_start, verdict
from workflows.patches import REFUSED
from workflows.steps import through_the_queue


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class QuestionWorkflow:
    """Asks the database one question and ends with the answer.

    Started by a client; no commands. A question that is wrong, or that has no answer, fails the run with the error
    that the standalone activity gives.
    """

    @workflow.run
    async def run(self, *payload: Any) -> Any:
        """Check the question, ask it, and end with the answer.

        Raises:
            InvalidRequest: No question has that name, or its fields are wrong.
            DomainError: The question's own refusal, such as `UnknownProduct`.
        """
        try:
            return await _answer(payload)
        except DomainError as failure:
            workflow.set_current_details(refused(failure))
            if workflow.patched(REFUSED):
                workflow.upsert_search_attributes([search_attributes.STATUS.value_set(search_attributes.REFUSED)])
            raise


async def _answer(payload: Sequence[Any]) -> Any:
    request = parse(QuestionRequest, payload)
    question = QUESTIONS.get(request.question)
    if question is None:
        raise InvalidRequest(f"question: none is named {request.question!r}; there are {', '.join(QUESTIONS)}")
    asked_for = request.payload
    found = await verdict(of_start(), START, "")
    if (identity := found.identity) is not None:
        asked_for = vouch_for_question(identity, question.name, asked_for)
    asked = parse(question.model, [asked_for])
    workflow.set_current_details(details("ASKED", f"`{question.name}`: the database has yet to answer.", [], []))
    own_queue = workflow.info().task_queue
    elsewhere = {"task_queue": queue} if (queue := question.queue(own_queue)) != own_queue else {}
    answer = await through_the_queue(
        question.activity, asked, f"answer {question.name}", {**question.policy, **elsewhere}
    )
    workflow.set_current_details(
        details("ANSWERED", f"`{question.name}`: the answer is the result of the run.", [], [])
    )
    return answer
