"""A finding: what can become of it, and what a person may repair."""

import pytest

from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.stock_audit import REPAIRABLE, Finding, FindingEvent, FindingKind, FindingStatus


def finding(kind: str = "RESERVED_IS_NOT_THE_HOLDS", status: str = "OPEN") -> Finding:
    """Three are promised, and one is reserved."""
    return Finding(
        finding_id=7,
        kind=FindingKind(kind),
        warehouse_id=1,
        product_id=2,
        document="",
        expected=3,
        actual=1,
        status=FindingStatus(status),
    )


def test_what_is_not_the_past_can_be_repaired() -> None:
    assert {
        "ON_HAND_IS_NOT_THE_LAST_BALANCE",
        "RESERVED_IS_NOT_THE_HOLDS",
        "LOT_IS_NOT_ITS_MOVEMENTS",
        "LOT_RESERVED_IS_NOT_THE_HOLDS",
        "HOLD_WITHOUT_RUN",
    } == REPAIRABLE


@pytest.mark.parametrize("kind", sorted(REPAIRABLE))
def test_what_is_repairable_is_repaired(kind: FindingKind) -> None:
    assert finding(kind).after(FindingEvent.REPAIR) is FindingStatus.REPAIRED


@pytest.mark.parametrize("kind", sorted(set(FindingKind) - REPAIRABLE))
def test_what_is_not_repairable_can_only_be_accepted(kind: FindingKind) -> None:
    why = (
        "the reservation itself is still running; cancel that"
        if kind is FindingKind.RUN_WITHOUT_HOLD
        else "the ledger's past is never changed; accept the finding instead"
    )
    with pytest.raises(InvalidState, match=f"^finding 7 can't be repaired: {why}$") as caught:
        finding(kind).after(FindingEvent.REPAIR)
    assert caught.value.details == {"status": kind.value, "command": "repair"}
    assert finding(kind).after(FindingEvent.ACCEPT) is FindingStatus.ACCEPTED
