"""Audits: run one now, list its findings, and decide about them."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Literal

from stockkeeper.client.by_hand import run_now
from stockkeeper.client.document import Part
from stockkeeper.client.inbox import InboxItem
from stockkeeper.client.lines import Named
from stockkeeper.client.names import with_ids, with_names
from stockkeeper.client.questions import ask, pages
from stockkeeper.contracts.audit_findings import DecideFindingStep, FindingShown, ShowFindings
from stockkeeper.contracts.question import DECIDE_FINDING, SHOW_FINDINGS
from stockkeeper.contracts.stock_audit import PROCESS, FindingStatus, StockAuditRequest, StockAuditState


class StockAudits(Part):
    """Proof that stock, ledger and documents agree."""

    async def run_audit(self, *, warehouse_id: Named | None = None) -> StockAuditState:
        """Audit now, and wait until that is done.

        Raises:
            InvalidRequest, UnknownWarehouse: The request is wrong.
            Unreachable: Temporal doesn't answer.
        """
        request, _ = await with_ids(self.connection, StockAuditRequest, warehouse_id=warehouse_id)
        return await run_now(self.connection, PROCESS, request, state=StockAuditState)

    async def findings(self, *, status: FindingStatus | None = FindingStatus.OPEN) -> AsyncIterator[FindingShown]:
        """Findings of audits, the latest first, read page by page.

        Args:
            status: Only findings in this status; None: all.

        Raises:
            Unreachable: No worker answers.
        """
        asked = await with_names(self.connection, ShowFindings, status=status)
        async for finding in pages(self.connection, SHOW_FINDINGS, asked):
            yield finding

    async def waiting(self, now: datetime) -> list[InboxItem]:
        """Findings that are open."""
        del now
        return [
            InboxItem(
                kind="audit",
                number=str(each.finding_id),
                waits_for="a repair, or its acceptance",
                about=" ".join(part for part in (each.kind.lower().replace("_", " "), each.sku, each.document) if part),
                where=(each.warehouse,) if each.warehouse else (),
                requested_by=None,
                since=each.first_seen_at,
                due_at=None,
                task="decide",
                facts={"kind": each.kind, "expected": each.expected, "actual": each.actual, "sku": each.sku},
            )
            async for each in self.findings()
        ]

    async def decide(
        self, finding_id: int, decision: Literal["repair", "accept"], *, performed_by: str, reason: str
    ) -> FindingShown:
        """Repair a finding's item, or accept that it differs.

        Raises:
            InvalidRequest: There is no such finding, or the reason is missing.
            InvalidState: The finding is closed, or can't be repaired.
            Unreachable: No worker answers.
        """
        step = await with_names(
            self.connection,
            DecideFindingStep,
            operation_id=f"audit/{uuid.uuid4()}",
            as_of=datetime.now(UTC),
            performed_by=performed_by,
            finding_id=finding_id,
            decision=decision,
            reason=reason,
        )
        return await ask(self.connection, DECIDE_FINDING, step, prefix="audit")
