"""Findings of audits, and the decisions of people about them."""

from typing import Annotated, Literal, Protocol

from pydantic import Field
from temporalio import activity

from stockkeeper.contracts.messages import MAX_ID, Actor, Asked, Id, Message, Page, Reason, Timestamp
from stockkeeper.contracts.stock_audit import FindingState
from stockkeeper.domain.stock_audit import FindingStatus

FINDINGS_A_PAGE = 500


class DecideFindingStep(Asked):
    """A person's decision about a finding: repair it, or accept it as it is."""

    performed_by: Actor
    finding_id: Id
    decision: Literal["repair", "accept"]
    reason: Reason


class ShowFindings(Message):
    """Findings of all audits; the latest first, page by page."""

    status: FindingStatus | None = None
    before: Annotated[int, Field(gt=0, le=MAX_ID)] | None = None


class FindingShown(FindingState):
    """A finding with all of its fields."""

    sku: str | None
    warehouse: str | None
    status: FindingStatus
    first_seen_at: Timestamp
    last_seen_at: Timestamp
    workflow_id: str
    run_id: str
    closed_at: Timestamp | None
    closed_by: str | None
    closed_reason: str | None


class FindingsShown(Page):
    """One page."""

    findings: list[FindingShown]


class AuditFindingActivities(Protocol):
    """Questions and decisions about findings. Implemented in `activities.audit_findings`."""

    @activity.defn(name="decide_finding")
    def decide_finding(self, step: DecideFindingStep) -> FindingShown:
        """Carry out a decision."""
        ...

    @activity.defn(name="show_findings")
    def show_findings(self, question: ShowFindings) -> FindingsShown:
        """One page of findings."""
        ...
