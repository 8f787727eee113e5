"""Where spans of statements and of shared transactions come in, if this process makes any (`database.spans`).

Nothing of OpenTelemetry is imported here, and where no spans are made, a statement costs a look at one variable.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeAlias

Sent: TypeAlias = tuple[str, Sequence[object]]
"""A statement's text, and its values."""


class Spans(Protocol):
    """Makes spans."""

    def of_pipeline(self, statements: Sequence[Sent], *, commits: bool) -> AbstractContextManager[object]:
        """Around statements that are sent together; whether they end with the commit."""

    def here(self) -> object:
        """The span that the caller is in."""

    def of_transaction(self, members: Sequence[object]) -> AbstractContextManager[object]:
        """Around a transaction that steps share, by the spans that they are in (`here`)."""


_NONE: AbstractContextManager[object] = nullcontext()
_spans: Spans | None = None


def make(spans: Spans | None) -> None:
    """Have spans made in this process from now on; None: no more."""
    global _spans  # noqa: PLW0603 - as OpenTelemetry itself, it is set up once for a process
    _spans = spans


def around_pipeline(statements: Sequence[Sent], *, commits: bool) -> AbstractContextManager[object]:
    """Around statements that are sent together."""
    return _NONE if _spans is None else _spans.of_pipeline(statements, commits=commits)


def here() -> object:
    """The span that the caller is in, for a transaction that another thread may carry out; None: no spans are made."""
    return None if _spans is None else _spans.here()


def around_transaction(members: Sequence[object]) -> AbstractContextManager[object]:
    """Around a transaction that steps share."""
    return _NONE if _spans is None else _spans.of_transaction(members)
