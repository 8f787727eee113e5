"""How a run leaves its end to another, so that Temporal keeps no answer to a start: see `Process.keep_no_answer`."""

import re
from typing import Any

from temporalio import workflow

from stockkeeper.contracts.messages import State
from stockkeeper.domain.errors import DomainError

_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
"""An update id as clients make one up for a single call."""


class Failure(State):
    """A refused start, as a run hands it to the one that fails with it."""

    code: str
    message: str
    details: Any


class LastWord(State):
    """The input, beside the start, of a run that only ends, as the one before it would have.

    Attributes:
        last_word: The state, as the result will be.
        failure: The error that the run fails with; None: it completes.
        details: The run in a few lines of Markdown.
        memo: The fields by which a list of runs describes it.
        signals: The number of signals that this chain of runs has received.
    """

    last_word: dict[str, Any]
    failure: Failure | None
    details: str
    memo: dict[str, Any]
    signals: int


def to_hand_on(failure: DomainError) -> Failure:
    """The error as it is handed on."""
    return Failure(code=failure.code, message=failure.message, details=failure.details)


def handed_on(failure: Failure) -> DomainError:
    """The error that was handed on."""
    return DomainError.codes[failure.code].from_details(failure.message, failure.details)


def is_fixed(update_id: str) -> bool:
    """Whether a caller may send this update id again: it isn't random, or is the document's own number."""
    return _RANDOM.fullmatch(update_id) is None or workflow.info().workflow_id.endswith(update_id)
