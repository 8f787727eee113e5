"""The approval of a difference, which transfers, returns and purchase orders share."""

from decimal import Decimal
from typing import Any, Protocol, TypeVar, cast

from stockkeeper.client.document import Document
from stockkeeper.contracts.adjustment import is_same_person
from stockkeeper.contracts.difference import APPROVE_DIFFERENCE, DifferenceApprovalState
from stockkeeper.contracts.messages import State, money

S = TypeVar("S", bound=State)


class _Approved(Protocol):
    difference_approvals: list[DifferenceApprovalState]


class WithDifference(Document[S]):
    """A document that may make or lose stock without a counterpart."""

    async def approve_difference(
        self, *, approver: str, value: Decimal, unvalued_units: int = 0, note: str | None = None
    ) -> S:
        """Approve that the document makes or loses stock without a counterpart, up to this worth in all.

        Such are units lost or damaged in transit, units restocked that were never sold, and units received beyond the
        order. Above the limit of adjustments they are refused (`NotPermitted`) until another person than the one who
        books them has approved it. A second approval of the same worth by the same person changes nothing.

        Args:
            approver: The person who approves.
            value: The value of all such units of the document together.
            unvalued_units: Those of unknown cost.
            note: A remark to keep.

        Raises:
            InvalidState: The document takes no goods now.
            Unreachable: No answer in time.
        """

        def is_approved(last: Any) -> bool:
            return any(
                is_same_person(each.approver, approver) and (each.value, each.unvalued_units) == (value, unvalued_units)
                for each in cast("_Approved", last).difference_approvals
            )

        return await self._send(
            APPROVE_DIFFERENCE,
            is_approved,
            approver=approver,
            value=money(value),
            unvalued_units=unvalued_units,
            note=note,
        )
