"""What came of a payload, and what the contract says of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from temporalio.client import (
    ActivityFailureError,
    WorkflowFailureError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from tests.faults.fuzz.spoiled import FORMS, PLAIN, AsBytes
from tests.faults.fuzz.values import SCHEMA
from tests.support.wire import Json

INVALID = "InvalidRequest"
_LONGEST_MESSAGE = 2_000
_READERS_CHOICE = frozenset({"with a byte order mark", "with a field twice", "kept elsewhere by its mark"})
"""Forms that a reader of JSON may take or refuse."""


class Violation(AssertionError):
    """What must not come of any payload."""


@dataclass(frozen=True)
class Refused:
    """An error of the contract.

    Attributes:
        type: The error.
        message: Its sentence.
    """

    type: str
    message: str


@dataclass(frozen=True)
class Answered:
    """An answer, or an effect."""

    value: Json


@dataclass(frozen=True)
class Ended:
    """The run had ended before the payload came: Temporal says so."""


Outcome = Refused | Answered | Ended


def of_error(error: BaseException) -> Outcome:
    """What an error says that a call has raised.

    Raises:
        Violation: It isn't an error of the contract.
        TimeoutError: There was no answer.
    """
    if isinstance(error, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise TimeoutError from error
    if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
        return Ended()
    cause = error.__cause__
    ours = isinstance(error, WorkflowUpdateFailedError | WorkflowFailureError | ActivityFailureError)
    if not ours or not isinstance(cause, ApplicationError) or cause.type is None or cause.type not in SCHEMA["errors"]:
        raise Violation(f"an error that isn't ours: {error!r} {cause!r}"[:1_000]) from error
    detail = cause.details[0] if cause.details else None
    problem = _problem(json.dumps(SCHEMA["error_details"][cause.type]), detail)
    if problem:
        raise Violation(f"{cause.type} has other details than the contract says: {problem}")
    if len(cause.message) > _LONGEST_MESSAGE:
        raise Violation(f"{cause.type} has a message of {len(cause.message)} letters: {cause.message[:200]}")
    return Refused(cause.type, cause.message)


def require_fitting(reference: str, value: Json) -> None:
    """An answer has to be what the contract says.

    Raises:
        Violation: It isn't.
    """
    problem = _problem(json.dumps({"$ref": reference}), value)
    if problem:
        raise Violation(f"an answer that isn't {reference}: {problem}")


def may_be_right(reference: str, sent: Sequence[Any]) -> bool:
    """Whether what was sent may be a message of the contract: if not, it has to be refused as `INVALID`."""
    if len(sent) != 1:
        return False
    [value] = sent
    if isinstance(value, AsBytes):
        data, metadata = FORMS[value.form](json.dumps(value.message).encode())
        if value.form in _READERS_CHOICE:
            return True
        if metadata != PLAIN:
            return False
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return False
    return _problem(json.dumps({"$ref": reference}), value) is None


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(schema), "$defs": SCHEMA["$defs"]})


def _problem(schema: str, value: Json) -> str | None:
    """Why a value doesn't fit; None: it does."""
    for error in _validator(schema).iter_errors(value):
        return f"{error.json_path}: {error.message}"[:500]
    return None
