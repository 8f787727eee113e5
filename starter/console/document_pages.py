"""The page of the document behind a number."""

from urllib.parse import quote

from starter.console.visit import Visit
from stockkeeper.contracts.permission import Role

_PAGES = {
    "purchase-order-": "/inbox/po/",
    "transfer-": "/inbox/transfer/",
    "cycle-count-": "/inbox/count/",
    "return-": "/inbox/return/",
    "adjustment-": "/inbox/adjust/",
    "inspection-": "/inbox/inspection/",
    "recall-": "/inbox/recall/",
}
"""By how the ids of workflows begin; the document's number follows."""


def page_behind(visit: Visit, workflow_id: str) -> str | None:
    """The page of the document that a workflow is for; None: it has none, or not for this person."""
    if workflow_id.startswith("reservation-"):
        number = workflow_id.removeprefix("reservation-")
        return f"/pick/{quote(number, safe='')}" if Role.SELL in visit.identity.roles else None
    for begins, page in _PAGES.items():
        if workflow_id.startswith(begins):
            return page + quote(workflow_id.removeprefix(begins), safe="")
    return None
