"""The words for an operation id, or a document's number, that comes back with other contents.

A write's operation id is the workflow's id, the step and, where the caller names the step, that name:
``purchase-order-PO-7/receive/LS-4711``. People read the document, the step and its name instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stockkeeper.domain.errors import InvalidRequest, OperationConflict
from stockkeeper.domain.transitions import titled

_DOCUMENTS = {
    "reservation-": "reservation",
    "purchase-order-": "purchase order",
    "transfer-": "transfer",
    "return-": "return",
    "adjustment-": "adjustment",
    "cycle-count-": "count",
    "recall-": "recall",
}
"""The documents by what their workflow ids begin with; the rest of the id is the document's number."""


@dataclass(frozen=True)
class _Step:
    """The words for a step of a document that has been carried out.

    Attributes:
        noun: The step: ``delivery``. It is named by the last part of the operation id, if there is one.
        done: The difference: ``was booked with other quantities``.
        another: The caller's name for a step of this kind: ``number``, ``id``.
    """

    noun: str
    done: str = "was recorded with other contents"
    another: str = "id"


_BOOKED = "was booked with other quantities"
_BY_STEP = {
    "approve": _Step("approval"),
    "approve_variance": _Step("approval"),
    "approve_difference": _Step("approval"),
    "reject": _Step("rejection"),
    "confirm": _Step("confirmation"),
    "amend": _Step("amendment", another="number"),
    "close_short": _Step("closing"),
    "cancel": _Step("cancellation"),
    "lapse": _Step("last deadline"),
    "dispatch": _Step("dispatch"),
    "write_off": _Step("write-off"),
    "give_way": _Step("ended hold"),
    "expire": _Step("deadline"),
    "extend": _Step("extension"),
    "hold_again": _Step("renewed hold"),
    "record": _Step("result"),
    "fulfill": _Step("shipment", _BOOKED, "number"),
    "release": _Step("release", _BOOKED, "number"),
    "scrap": _Step("scrapping", _BOOKED, "number"),
    "receive": _Step("delivery", _BOOKED, "number"),
    "correct_receipt": _Step("correction", _BOOKED, "number"),
    "return_goods": _Step("return", _BOOKED, "number"),
    "inspect": _Step("inspection", _BOOKED, "number"),
    "close": _Step("closing"),
}
"""The steps of documents after their start, by the second part of the operation id."""

STARTS = frozenset({"reserve", "draft", "hold", "register", "submit", "open", "block"})
"""The steps that store a document. Their conflict is about the document as a whole."""

_OF_RUNS: Mapping[str, str] = {
    "open_import": "this file was announced with other contents before",
    "stage_page": "page {last} of this file was sent with other rows before; send the whole file again",
    "apply_import": "this file was imported with other contents before",
    "discard_import": "the pages of this file were discarded before, for another reason",
    "draft_reorder": "this run has drafted other contents for this supplier and warehouse before",
    "roll_up_demand": "this run has brought the daily demand up to date with other contents before",
    "plan_page": "this run has planned other items on page {last} before",
    "set_planning": "this change of an item's planning was made with other contents before",
    "set_buffer": "this buffer was set to another number of units before",
    "rename_product": "this renaming was made with another SKU before",
    "find_count_days": "this run has asked for the day's counts with other contents before",
    "plan_count": "this run has planned count {last} with other contents before",
    "decide_finding": "this decision on a finding was recorded with other contents before",
    "pass_lots": "this run has looked at lots that expire with other contents before",
    "audit_items": "this audit has checked the items with other contents before",
    "audit_documents": "this audit has checked the documents with other contents before",
    "find_open_holds": "this audit has looked for open holds with other contents before",
    "check_holds": "this audit has checked the holds with other contents before",
    "check_runs": "this audit has checked the reservations with other contents before",
    "close_audit": "this audit was closed with other contents before",
    "forget_operations": "this audit has forgotten old operations with other contents before",
}
"""The steps that belong to no document, by the activity that carries them out."""


def already_exists(document: str, number: str, differences: Sequence[str] = ()) -> OperationConflict:
    """The error for a start whose number another document has.

    Args:
        document: The kind of document: ``transfer``.
        number: Its number.
        differences: In what the stored one differs, where that is known: ``it has 5 of TEA-100, not 3``.
    """
    what = f": {'; '.join(differences)}" if differences else ""
    return OperationConflict(f"{titled(document, number)} already exists with other contents{what}")


def done_differently(step: str, name: str, document: str, number: str) -> OperationConflict:
    """The error for a step of a document that was carried out with other contents.

    Args:
        step: The step: ``receive``.
        name: The caller's name for it, such as the delivery's number; empty: it has none.
        document: The kind of document: ``purchase order``.
        number: Its number.
    """
    words = _BY_STEP[step]
    of = titled(document, number)
    if not name:
        return OperationConflict(f"the {words.noun} of {of} {words.done}")
    another = f"another {words.noun} needs another {words.another}"
    return OperationConflict(f"{words.noun} {name} of {of} {words.done}; {another}")


def twin_of(kind: str, name: str, known: str, *, of: str = "") -> InvalidRequest:
    """The error for a new name that differs from a known one by upper and lower case alone.

    Args:
        kind: A kind of document or step: ``transfer``, ``delivery``.
        name: The new name.
        known: The known one.
        of: The document that a step belongs to: ``PO-7``.
    """
    there = f"{titled(kind, known)}{f' of {of}' if of else ''}"
    message = f"{titled(kind, name)} differs from {there} by upper and lower case alone"
    return InvalidRequest(f"{message}; send {known} if it is that one, or another name", {"known": known})


def of_operation(operation_id: str, kind: str) -> OperationConflict:
    """The error for an operation id that comes back with another payload.

    Args:
        operation_id: The id, its parts joined by slashes.
        kind: The activity that carried the operation out.
    """
    workflow_id, *rest = (part.replace("%2F", "/").replace("%25", "%") for part in operation_id.split("/"))
    if kind in _OF_RUNS:
        return OperationConflict(_OF_RUNS[kind].format(last=rest[-1] if rest else ""))
    for prefix, document in _DOCUMENTS.items():
        if rest and workflow_id.startswith(prefix):
            number, step = workflow_id.removeprefix(prefix), rest[0]
            if step in STARTS:
                return already_exists(document, number)
            if step in _BY_STEP:
                return done_differently(step, "/".join(rest[1:]), document, number)
    return OperationConflict(f"{kind.replace('_', ' ')} was carried out with other contents before ({operation_id})")
