"""Questions about counts, for programs and the command line: what waits for a decision, how right the books were."""

from collections.abc import AsyncIterator
from datetime import date

from temporalio.client import Client

from stockkeeper.client.calls import checked
from stockkeeper.client.questions import page_by_page
from stockkeeper.contracts.count_questions import (
    Accuracy,
    CountQuestionActivities,
    ShowAccuracy,
    ShowVariances,
    Variance,
)


def variances(
    client: Client, *, warehouse: str | None = None, count_number: str | None = None, task_queue: str
) -> AsyncIterator[Variance]:
    """What is beyond tolerance and waits for a second count or an approval, with its numbers, read page by page.

    It comes in the order of count and SKU. For those who approve: whoever is to count shouldn't ask.

    Raises:
        UnknownWarehouse: Nothing is called that.
        Unreachable: No worker answers.
    """
    return page_by_page(
        client,
        CountQuestionActivities.show_variances,
        checked(ShowVariances, warehouse=warehouse, count_number=count_number),
        task_queue,
        rows=lambda page: page.variances,
        place=lambda variance: (variance.count_number, variance.sku),
    )


def accuracies(
    client: Client, *, warehouse: str | None = None, since: date | None = None, task_queue: str
) -> AsyncIterator[Accuracy]:
    """How right the books were, in the order of warehouse, month and class, read page by page.

    Raises:
        UnknownWarehouse: Nothing is called that.
        Unreachable: No worker answers.
    """
    return page_by_page(
        client,
        CountQuestionActivities.show_accuracy,
        checked(ShowAccuracy, warehouse=warehouse, since=since.isoformat() if since else None),
        task_queue,
        rows=lambda page: page.accuracies,
        place=lambda accuracy: (accuracy.warehouse, accuracy.month, accuracy.count_class),
    )
