"""A finding: what can become of it, and what a person may repair."""

import itertools

import pytest

from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.stock_audit import FINDING, REPAIRABLE, Finding, FindingEvent, FindingKind, FindingStatus
from tests.support.refusals import refusal_of

ALLOWED = {
    ("OPEN", "vanish"): "GONE",
    ("OPEN", "repair"): "REPAIRED",
    ("OPEN", "accept"): "ACCEPTED",
    ("ACCEPTED", "vanish"): "GONE",
}
FORBIDDEN = [pair for pair in itertools.product(FindingStatus, FindingEvent) if pair not in ALLOWED]


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


@pytest.mark.parametrize(("pair", "after"), ALLOWED.items(), ids=lambda each: "-".join(each) if each else "")
def test_a_finding_goes_from_status_to_status(pair: tuple[str, str], after: str) -> None:
    status, event = FindingStatus(pair[0]), FindingEvent(pair[1])
    assert FINDING.next(status, event) == after
    assert FINDING.allows(status, event)
    assert finding(status=status).after(event) == after


def test_all_other_pairs_are_forbidden() -> None:
    assert len(FORBIDDEN) == 4 * 3 - 4


@pytest.mark.parametrize(("status", "event"), FORBIDDEN)
@pytest.mark.parametrize("kind", ["RESERVED_IS_NOT_THE_HOLDS", "BALANCES_DO_NOT_FOLLOW"])
def test_a_finding_cannot(kind: str, status: FindingStatus, event: FindingEvent) -> None:
    assert not FINDING.allows(status, event)
    with pytest.raises(InvalidState, match=f"^{refusal_of('finding', '7', status, event)}$") as caught:
        finding(kind, status).after(event)
    assert caught.value.details == {"status": status.value, "command": event.value}


def test_what_is_gone_or_repaired_stays_so() -> None:
    assert {status for status in FindingStatus if FINDING.is_final(status)} == {"GONE", "REPAIRED"}


def test_what_is_not_the_past_can_be_repaired() -> None:
    assert {"ON_HAND_IS_NOT_THE_LAST_BALANCE", "RESERVED_IS_NOT_THE_HOLDS", "HOLD_WITHOUT_RUN"} == REPAIRABLE


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
