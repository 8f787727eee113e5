"""Texts about an audit: in the Temporal UI, and in the notice about its findings."""

from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.notice import Audience, Notice
from stockkeeper.contracts.stock_audit import FindingState, StockAuditState
from stockkeeper.domain.stock_audit import AuditStatus
from workflows.details import details, notices, table
from workflows.notices import LINES_IN_A_NOTICE


def found(state: StockAuditState) -> Notice:
    """The audit has findings, which a person has to decide."""
    audit = "Audit, stopped early" if state.status is AuditStatus.STOPPED else "Audit"
    title = f"{audit}: {counted(state.findings_in_all, 'finding')}, {state.findings_new} new"
    shown = [_line(finding) for finding in state.findings[:LINES_IN_A_NOTICE]]
    more = state.findings_in_all - len(shown)
    body = [
        *shown,
        *([f"and {more} more"] if more else []),
        "",
        "`stockkeeper audit list` shows them; `audit repair` and `audit accept` decide.",
    ]
    return Notice(audience=Audience.WAREHOUSE, title=title, body="\n".join(body))


def details_of(state: StockAuditState) -> str:
    """The run in a few lines of Markdown: progress and findings."""
    looked_at = ", ".join(
        counted(number, what)
        for number, what in (
            (state.items_checked, "item"),
            (state.documents_checked, "document"),
            (state.holds_checked, "hold"),
            (state.runs_checked, "reservation"),
        )
    )
    agree = state.status is AuditStatus.DONE and not state.findings_in_all
    findings = f"{counted(state.findings_in_all, 'finding')}."
    if state.findings_in_all:
        findings += " Next: `stockkeeper audit list` names products and warehouses; `repair` or `accept` each."
    text = f"{looked_at} looked at. {'Everything agrees.' if agree else findings}"
    rows = table(
        ["finding", "what doesn't agree", "where", "#expected", "#is"],
        [
            (
                finding.finding_id,
                finding.kind.lower().replace("_", " "),
                ", ".join(_place(finding)),
                finding.expected,
                finding.actual,
            )
            for finding in state.findings
        ],
    )
    parts = [
        *rows,
        "",
        *([f"{counted(state.findings_gone, 'earlier finding')} gone."] if state.findings_gone else []),
        *notices(state.notices),
    ]
    return details(state.status, text, parts, state.notes)


def _line(finding: FindingState) -> str:
    place = ", ".join(_place(finding))
    return f"{finding.finding_id}: {finding.kind}, {place}: expected {finding.expected}, is {finding.actual}"


def _place(finding: FindingState) -> list[str]:
    """What a finding is about: an item, a document, or both. The panel is too narrow for a column of each."""
    return [
        *([f"product {finding.product_id}"] if finding.product_id else []),
        *([f"warehouse {finding.warehouse_id}"] if finding.warehouse_id else []),
        *([finding.document] if finding.document else []),
    ]
