"""Somebody who recalls lots, as a foreign service: a Temporal client, the contract, and plain JSON."""

from stockkeeper.domain.stock import ItemKey
from tests.support import rows
from tests.support.wire import Caller, Json


def recalled(number: str, item: ItemKey, lot_number: str, **other: Json) -> dict[str, Json]:
    """A recall's start."""
    return {
        "recall_number": number,
        "product_id": item.product_id,
        "lot_number": lot_number,
        "reason": "glass in a jar",
        "performed_by": "quinn",
    } | other


def release(performed_by: str = "ann", reason: str = "the glass was ours") -> dict[str, Json]:
    """The lot may leave again."""
    return {"performed_by": performed_by, "reason": reason}


def closing(performed_by: str = "quinn", reason: str = "nothing more comes back") -> dict[str, Json]:
    """Nothing more is expected back."""
    return {"performed_by": performed_by, "reason": reason}


class Recalling(Caller):
    """Their side of recalls."""

    workflow_type = "RecallWorkflow"
    prefix = "recall-"
    answer_to_start = "blocked"

    async def block(self, number: str, item: ItemKey, lot_number: str, **other: Json) -> Json:
        """Start, and the state once the lot is blocked."""
        return await self.ask_raw(number, [recalled(number, item, lot_number, **other)])

    async def release(self, number: str, performed_by: str = "ann") -> Json:
        """Somebody says that it may leave again."""
        return await self.update(number, "release", release(performed_by))

    async def close(self, number: str) -> Json:
        """Somebody expects nothing more."""
        return await self.update(number, "close", closing())


_ROW = rows.DocumentRow("recalls", "recall_number")
stored = _ROW.stored
"""The recall's row."""
