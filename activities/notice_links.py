"""The page of the console that a notice leads to: that of the document whose run sends it."""

from collections.abc import Mapping
from urllib.parse import quote

from stockkeeper.contracts import (
    adjustment,
    cycle_count,
    inspection,
    lot_expiry,
    purchase_order,
    recall,
    reorder,
    stock_audit,
    transfer,
)
from stockkeeper.contracts.notice import Audience

LINKED = frozenset({Audience.PROCUREMENT, Audience.ESCALATION, Audience.WAREHOUSE})
"""Who uses the console. Suppliers don't, and who runs the workers has the Temporal UI."""
_KINDS: Mapping[str, tuple[str, str]] = {
    process.workflow_type: (process.id_of(""), kind)
    for process, kind in (
        (purchase_order.PROCESS, "po"),
        (transfer.PROCESS, "transfer"),
        (adjustment.PROCESS, "adjust"),
        (cycle_count.PROCESS, "count"),
        (inspection.PROCESS, "inspection"),
        (recall.PROCESS, "recall"),
    )
}
"""The beginning of a run's id, and the kind of document as its page has it, by workflow type."""
_LISTS: Mapping[str, str] = {
    reorder.PROCESS.workflow_type: "/inbox?kind=po",
    stock_audit.PROCESS.workflow_type: "/inbox?kind=audit",
    lot_expiry.PROCESS.workflow_type: "/lots",
}


def page_of(workflow_type: str | None, workflow_id: str | None) -> str | None:
    """The path of the page about what a run does; None: there is none.

    Args:
        workflow_type: The type of the run that sends the notice.
        workflow_id: Its id, which has the document's number.
    """
    if workflow_type is None or workflow_id is None:
        return None
    if workflow_type not in _KINDS:
        return _LISTS.get(workflow_type)
    prefix, kind = _KINDS[workflow_type]
    return f"/inbox/{kind}/{quote(workflow_id.removeprefix(prefix), safe='')}"
