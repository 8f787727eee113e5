"""Audits for programs and the command line: run one now, see what was found, and decide about it."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Literal

from temporalio.client import Client

from stockkeeper.client.calls import checked, run_now
from stockkeeper.client.questions import ask, page_by_page
from stockkeeper.contracts import stock_audit
from stockkeeper.contracts.audit_findings import (
    AuditFindingActivities,
    DecideFindingStep,
    FindingShown,
    ShowFindings,
)
from stockkeeper.contracts.messages import parse
from stockkeeper.contracts.stock_audit import FindingStatus, StockAuditRequest, StockAuditState


async def run_audit(client: Client, *, warehouse_id: int | None = None, task_queue: str) -> StockAuditState:
    """Audit now, and wait until that is done.

    Raises:
        InvalidRequest, UnknownWarehouse: The request is wrong.
        Unreachable: Nobody answers.
    """
    request = checked(StockAuditRequest, warehouse_id=warehouse_id)
    return await run_now(
        client,
        stock_audit.WORKFLOW_TYPE,
        request,
        what="stock-audit",
        task_queue=task_queue,
        summary="an audit, asked for by hand",
        state=StockAuditState,
    )


async def findings(
    client: Client, *, status: FindingStatus | None = FindingStatus.OPEN, task_queue: str
) -> AsyncIterator[FindingShown]:
    """What audits have found, the latest first, read page by page.

    Raises:
        Unreachable: No worker answers.
    """
    question = checked(ShowFindings, status=status)
    async for finding in page_by_page(
        client,
        AuditFindingActivities.show_findings,
        question,
        task_queue,
        rows=lambda page: page.findings,
        place=lambda finding: finding.finding_id,
        goes_on="before",
    ):
        yield finding


async def decide(
    client: Client,
    finding_id: int,
    decision: Literal["repair", "accept"],
    *,
    performed_by: str,
    reason: str,
    task_queue: str,
) -> FindingShown:
    """Repair what a finding is about, or accept that it is so.

    Raises:
        InvalidRequest: There is no such finding, or the reason isn't one.
        InvalidState: It is closed, or it can't be repaired.
        Unreachable: No worker answers.
    """
    fields = {
        "operation_id": f"audit/{uuid.uuid4()}",
        "as_of": datetime.now(UTC),
        "performed_by": performed_by,
        "finding_id": finding_id,
        "decision": decision,
        "reason": reason,
    }
    step = parse(DecideFindingStep, [fields])
    return await ask(client, AuditFindingActivities.decide_finding, step, task_queue, prefix="audit")
