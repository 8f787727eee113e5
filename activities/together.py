"""Steps that share a transaction, or else go alone: what steps on the stock and on documents have in common."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from database.operations import Operation, StoredOperation
from database.tracing import around_transaction, here
from stockkeeper.contracts.messages import InspectingAnswer
from stockkeeper.domain.errors import DomainError

Result = TypeVar("Result", bound=BaseModel)


@dataclass(slots=True)
class SharedStep(Generic[Result]):
    """A step, with a place for its outcome: its answer or its refusal; None as long as it has none.

    Attributes:
        is_repeat: Whether its operation was carried out before.
        span: The span that it was asked for in.
    """

    operation: Operation
    result: type[Result]
    outcome: Result | DomainError | None = field(default=None, init=False)
    is_repeat: bool = field(default=False, init=False)
    span: object = field(default_factory=here, init=False, repr=False, compare=False)

    def effects_before(self, stored: StoredOperation) -> InspectingAnswer | None:
        """The effects on others that it had the first time, whose answer may never have arrived."""
        before = None if stored.result is None else self.result.model_validate_json(stored.result)
        return before if isinstance(before, InspectingAnswer) else None


InOneTransaction = Callable[[Sequence[Any]], Sequence[Any]]
"""Carries out steps in one transaction, and returns the outcome of each; None: it needs a transaction of its own."""


def carry_out(steps: Sequence[SharedStep[Any]], in_one_transaction: InOneTransaction) -> None:
    """Carry out steps in one transaction. If that of several fails, they have no outcome: the error is one step's own.

    The same goes for a connection that is lost at the commit: whether it was committed, the attempt of each alone finds
    out, because it waits for the operation's lock and looks for the operation first.
    """
    if len(steps) == 1:
        steps[0].outcome = _carry_out_alone(steps[0], in_one_transaction)
        return
    with suppress(Exception), around_transaction([step.span for step in steps]):
        for step, outcome in zip(steps, in_one_transaction(steps), strict=True):
            step.outcome = outcome


def answer_of(step: SharedStep[Result], in_one_transaction: InOneTransaction) -> Result:
    """A step's answer; if those that it shared a transaction with have failed, or it shared none, it is tried alone.

    Raises:
        DomainError: It is refused, and nothing has changed.
    """
    if step.outcome is None:
        step.outcome = _carry_out_alone(step, in_one_transaction)
    if isinstance(step.outcome, DomainError):
        raise step.outcome
    return step.outcome


def _carry_out_alone(step: SharedStep[Result], in_one_transaction: InOneTransaction) -> Result | DomainError:
    outcome: Result | DomainError | None
    try:
        with around_transaction([step.span]):
            [outcome] = in_one_transaction([step])
    except DomainError as refusal:
        return refusal
    if outcome is None:
        raise RuntimeError(f"{step.operation.operation_id} wasn't carried out")
    return outcome
