"""Texts about a recall: in the Temporal UI, and in notices."""

from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import StockAnswer, counted, utc
from stockkeeper.contracts.notice import Audience, Notice
from stockkeeper.contracts.recall import LotFiguresState, RecallState, RecallStatus, StoredRecall
from workflows.details import details, notices, table
from workflows.giving_way import named
from workflows.notices import cut


def blocked(state: RecallState, recall: StoredRecall) -> Notice:
    """The lot is blocked: what was stopped, and where."""
    body = [
        f"Blocked by {recall.requested_by}: {recall.reason}",
        "Nothing of it can be held or shipped. Keep its units apart until the recall ends.",
        "",
        *cut([f"{each.warehouse}: {_stopped(each.quantity_on_hand, each.quantity_held)}" for each in state.stopped]),
        *cut(
            [
                f"on its way by transfer {each.transfer_number}: {counted(each.quantity, 'unit')}"
                for each in state.in_transit
            ]
        ),
    ]
    return _notice(f"Recall: {_lot(recall)} is blocked everywhere", body)


def gave_way(state: RecallState, answer: StockAnswer) -> Notice:
    """Orders and transfers have lost their units, and no other lot was free."""
    holds = answer.gave_way
    title = f"{counted(len(holds), 'hold')} gave way to recall {state.recall_number}"
    body = ["No other lot was free for these orders and transfers, and all that they hold is released:"]
    return _notice(title, [*body, *cut([named(hold) for hold in holds], what="")])


def orders_have_got_it(state: RecallState) -> Notice:
    """Orders have got units of the lot."""
    title = f"Recall {state.recall_number}: {counted(state.orders_total, 'order')} got units of lot {state.lot_number}"
    more = state.orders_total - len(state.orders)
    body = [
        "Each has an event of its own, `order.recalled`. Tell the customers, and book what comes back as a return:",
        "",
        *(f"order {each.reference_id}: {counted(each.quantity, 'unit')}" for each in state.orders),
        *([f"and {more} more: `stockkeeper lot trace` has all of them"] if more > 0 else []),
    ]
    return _notice(title, body)


def ended(state: RecallState, recall: StoredRecall) -> Notice:
    """The recall has ended, by a release or with its report."""
    if recall.status is RecallStatus.RELEASED:
        body = [f"Released by {recall.released_by}: {recall.closed_reason}"]
        return _notice(f"{_lot(recall)} may leave again: recall {state.recall_number} is over", body)
    title = f"Recall {state.recall_number} is closed: {_lot(recall)} stays blocked"
    report = [] if recall.figures is None else _report(recall.figures)
    return _notice(title, [f"Closed: {recall.closed_reason}", "", *(f"{what}: {units}" for what, units in report)])


def does_not_add_up(figures: LotFiguresState) -> str:
    """The report has units that are nowhere, or that came from nowhere."""
    units = counted(abs(figures.difference), "unit")
    where = f"{units} should be somewhere and aren't" if figures.difference > 0 else f"{units} more than came"
    return f"the report does NOT add up: {where}. The audit keeps it as a finding"


def details_of(state: RecallState, recall: StoredRecall) -> str:
    """The run in a few lines of Markdown: the lot, what was stopped where, who has got units, and the next step."""
    by, why = plain(recall.requested_by), plain(recall.reason)
    parts = [f"Blocked by {by} at {utc(recall.requested_at)}: {why}", ""]
    parts += table(
        ["warehouse", "#on hand", "#held"],
        [(plain(each.warehouse), each.quantity_on_hand, each.quantity_held) for each in state.stopped],
    )
    parts += [
        "",
        *table(
            ["in transit", "#units"],
            [(f"transfer {each.transfer_number}", each.quantity) for each in state.in_transit],
        ),
        *table(
            ["gave way", "#units"],
            [(_hold(each.reference_type, each.reference_id), each.quantity) for each in state.gave_way],
        ),
        *table(["order that has got it", "#units"], [(each.reference_id, each.quantity) for each in state.orders]),
    ]
    if (figures := recall.figures) is not None and recall.looked_at is not None:
        parts += ["", f"Its units at {utc(recall.looked_at)}:", "", *table(["units", "#"], _report(figures))]
        if figures.difference:
            parts += ["", plain(does_not_add_up(figures))]
    return details(
        state.status,
        f"{plain(_lot(recall))}. {_next(state, recall)}",
        [*parts, "", *notices(state.notices)],
        state.notes,
    )


def _next(state: RecallState, recall: StoredRecall) -> str:
    match state.status:
        case RecallStatus.BLOCKED:
            outside = "" if recall.figures is None else f" {_outside(recall.figures)}"
            return (
                f"Blocked in all warehouses.{outside} Next: book what comes back as a return; then `close`, or "
                f"`release` by another person than {plain(recall.requested_by)}."
            )
        case RecallStatus.RELEASED:
            return f"May leave again, says {plain(recall.released_by or '')}: {plain(recall.closed_reason or '')}."
        case _:
            return f"Closed, and stays blocked: {plain(recall.closed_reason or '')}."


def _outside(figures: LotFiguresState) -> str:
    came_back = figures.returned + figures.returned_unfit
    return f"{counted(figures.as_figures.outside, 'unit')} with customers, {came_back} came back."


def _report(figures: LotFiguresState) -> list[tuple[str, int]]:
    """What came and what became of it; what doesn't occur is left out."""
    rows = [
        ("received", figures.received),
        ("found by adjustments and counts", figures.found),
        ("came back from customers", figures.returned),
        ("came back and was scrapped", figures.returned_unfit),
        ("sold", -figures.sold),
        ("sent back to the supplier", -figures.sent_back),
        ("taken off by adjustments and counts", -figures.lost),
        ("on hand", figures.on_hand),
        ("in transit", figures.in_transit),
        ("damaged on the way", figures.damaged),
        ("written off on the way", figures.written_off),
    ]
    return [*(row for row in rows if row[1]), ("unaccounted for", figures.difference)]


def _stopped(on_hand: int, held: int) -> str:
    return f"{counted(on_hand, 'unit')} on hand" + (f", {held} of them were held" if held else "")


def _hold(kind: str, reference_id: str) -> str:
    return f"{kind.lower()} {reference_id}"


def _lot(recall: StoredRecall) -> str:
    return f"lot {recall.lot.lot_number} of {recall.lot.sku}"


def _notice(title: str, body: list[str]) -> Notice:
    return Notice(audience=Audience.WAREHOUSE, title=title, body="\n".join(body))
