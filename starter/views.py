"""Views of the Temporal UI: searches for the runs that a person looks for, with links.

The UI keeps saved views in each browser and the server keeps none, so they can't be set up for everybody. A link that
names one saves it in the browser that opens it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from stockkeeper.contracts import (
    adjustment,
    cycle_count,
    inspection,
    purchase_order,
    recall,
    reservation,
    search_attributes,
    transfer,
)
from stockkeeper.contracts.adjustment import AdjustmentStatus
from stockkeeper.contracts.cycle_count import CountStatus
from stockkeeper.contracts.inspection import InspectionStatus
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.purchase_order_state import PurchaseOrderStatus
from stockkeeper.contracts.recall import RecallStatus
from stockkeeper.contracts.reservation import ReservationStatus
from stockkeeper.contracts.transfer_state import TransferStatus

ABOUT_TO_EXPIRE = timedelta(minutes=15)
"""The time left to a hold that is about to expire."""

_STATUS = search_attributes.STATUS.name
_DEADLINE = search_attributes.DEADLINE.name
_BEFORE = "{before}"


@dataclass(frozen=True)
class View:
    """A search for runs.

    Attributes:
        name: The name, as a saved view has it.
        shows: The runs that it finds, in a sentence for people.
        search: The search in the server's language; one with a time has ``{before}`` in its place.
        within: The time from now until then; None: the search has no time.
    """

    name: str
    shows: str
    search: str
    within: timedelta | None = None

    def query(self, now: datetime) -> str:
        """The search as it is right at this instant."""
        if self.within is None:
            return self.search
        before = (now + self.within).astimezone(UTC).replace(microsecond=0)
        return self.search.replace(_BEFORE, before.isoformat().replace("+00:00", "Z"))

    def url(self, ui_url: str | None, namespace: str, now: datetime, *, save: bool = False) -> str | None:
        """The view's address.

        Args:
            ui_url: The address of the Temporal UI; None: it is unknown.
            namespace: The namespace of the runs.
            now: This instant.
            save: Whether the browser that opens it keeps the view.

        Returns:
            The address; None: it is unknown, or the view can't be kept, because its time would be that of today.
        """
        if ui_url is None or (save and self.within is not None):
            return None
        asked = {"query": self.query(now)} | ({"savedQuery": self.name} if save else {})
        return f"{ui_url}/namespaces/{quote(namespace, safe='')}/workflows?{urlencode(asked, quote_via=quote)}"


def _open(process: ProcessSpec, *statuses: str, due: bool = False) -> str:
    """The search for a process's open runs in one of these statuses, and, if ``due``, with a deadline before a time."""
    listed = ", ".join(f'"{each}"' for each in statuses)
    is_one = f"={listed}" if len(statuses) == 1 else f" IN ({listed})"
    searched = f'WorkflowType="{process.workflow_type}" AND ExecutionStatus="Running" AND {_STATUS}{is_one}'
    return f'{searched} AND {_DEADLINE} < "{_BEFORE}"' if due else searched


_NOW = timedelta()
VIEWS: Sequence[View] = (
    View(
        "Procurement's inbox",
        "purchase orders that wait for approval",
        _open(purchase_order.PROCESS, PurchaseOrderStatus.DRAFT),
    ),
    View(
        "Adjustments to approve",
        "adjustments that wait for another person's approval",
        _open(adjustment.PROCESS, AdjustmentStatus.PENDING),
    ),
    View(
        "Counts in review",
        "counts with a line that another person has to count again or approve",
        _open(cycle_count.PROCESS, CountStatus.REVIEW),
    ),
    View(
        "Inspections to decide",
        "units that are set aside until another person releases or scraps them",
        _open(inspection.PROCESS, InspectionStatus.OPEN),
    ),
    View(
        "Recalls under way",
        "lots that are blocked, and whose units are followed",
        _open(recall.PROCESS, RecallStatus.BLOCKED),
    ),
    View(
        "Overdue deliveries",
        "purchase orders whose expected day has passed",
        _open(purchase_order.PROCESS, PurchaseOrderStatus.SUBMITTED, PurchaseOrderStatus.CONFIRMED, due=True),
        within=_NOW,
    ),
    View(
        "Overdue transfers",
        "transfers in transit for longer than expected",
        _open(transfer.PROCESS, TransferStatus.IN_TRANSIT, due=True),
        within=_NOW,
    ),
    View(
        "Holds about to expire",
        f"orders whose hold ends within {ABOUT_TO_EXPIRE.total_seconds() / 60:g} minutes",
        _open(reservation.PROCESS, ReservationStatus.ACTIVE, due=True),
        within=ABOUT_TO_EXPIRE,
    ),
    View(
        "Orders that wait for stock",
        "orders in a queue, the first of which is held when stock comes",
        _open(reservation.PROCESS, ReservationStatus.WAITING),
    ),
    View(
        "Refused requests",
        "starts that were wrong: nothing has changed, and whoever sent one has the reason",
        f'ExecutionStatus="Failed" AND {_STATUS}="{search_attributes.REFUSED}"',
    ),
    View(
        "Real failures",
        "runs that have failed by a fault",
        f'ExecutionStatus="Failed" AND ({_STATUS} != "{search_attributes.REFUSED}" OR {_STATUS} IS NULL)',
    ),
    View(
        "Runs that can't go on",
        "runs whose workflow task fails again and again, until a corrected worker comes",
        'ExecutionStatus="Running" AND TemporalReportedProblems IN ("category=WorkflowTaskFailed", '
        '"category=WorkflowTaskTimedOut")',
    ),
    View(
        "Runs that were ended",
        "runs that an operator or the server has terminated: their documents stay as they were",
        'ExecutionStatus IN ("Terminated", "TimedOut")',
    ),
)
"""What people look for, those who decide first."""
