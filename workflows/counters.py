"""What a workflow counts, on its worker's metrics: once, where it happens, and not again when it is replayed.

Counting is no command: a history doesn't have it, and an older run counts as well.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio import workflow

from stockkeeper.contracts.converter import as_domain_error
from stockkeeper.contracts.metrics import (
    COMMANDS_REFUSED,
    COMMANDS_REFUSED_MEANING,
    NOTICES,
    NOTICES_MEANING,
    REORDER_DRAFTS,
    REORDER_DRAFTS_MEANING,
)
from stockkeeper.contracts.notice import NoticeOutcome
from stockkeeper.domain.errors import DomainError


def count_refusal(command: str, refusal: DomainError) -> None:
    """Count a refusal of a start or a command; the name must be one of ours, and not a caller's."""
    counter = workflow.metric_meter().create_counter(COMMANDS_REFUSED, COMMANDS_REFUSED_MEANING)
    counter.add(1, {"command": command, "error": refusal.code})


@contextmanager
def counting_refusals(command: str) -> Iterator[None]:
    """Count a refusal of what is done within; it is raised on."""
    try:
        yield
    except Exception as error:
        if (refusal := as_domain_error(error)) is not None:
            count_refusal(command, refusal)
        raise


def count_notice(outcome: NoticeOutcome) -> None:
    """Count a notice whose outcome is known."""
    workflow.metric_meter().create_counter(NOTICES, NOTICES_MEANING).add(1, {"outcome": outcome.lower()})


def count_reorder_draft() -> None:
    """Count a purchase order that a reorder run has drafted."""
    workflow.metric_meter().create_counter(REORDER_DRAFTS, REORDER_DRAFTS_MEANING).add(1)
