"""Findings of audits: what was found, and what people decide about it."""

from typing import Annotated, Literal, Protocol

from pydantic import Field
from temporalio import activity

from stockkeeper.contracts.messages import MAX_ID, Actor, Id, Message, Page, Reason, Step, Timestamp
from stockkeeper.contracts.stock_audit import FindingState
from stockkeeper.domain.stock_audit import FindingStatus

FINDINGS_A_PAGE = 500


class DecideFindingStep(Step):
    """What a person decided about a finding: repair it, or accept that it is so."""

    performed_by: Actor
    finding_id: Id
    decision: Literal["repair", "accept"]
    reason: Reason


class ShowFindings(Message):
    """What audits have found; the latest first, page by page."""

    status: FindingStatus | None = None
    before: Annotated[int, Field(gt=0, le=MAX_ID)] | None = None


class FindingShown(FindingState):
    """A finding with everything that is known of it."""

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
    """One page of them."""

    findings: list[FindingShown]


class AuditFindingActivities(Protocol):
    """What can be asked and decided about findings. Implemented in `activities.audit_findings`."""

    @activity.defn(name="decide_finding")
    def decide_finding(self, step: DecideFindingStep) -> FindingShown:
        """Do what a person decided."""
        ...

    @activity.defn(name="show_findings")
    def show_findings(self, question: ShowFindings) -> FindingsShown:
        """What was found."""
        ...
