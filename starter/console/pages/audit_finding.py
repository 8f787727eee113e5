"""A finding of the audit: the two numbers that don't agree, and what is done about it."""

from starlette.responses import Response

from starter.console.paging import first
from starter.console.routes import Routes
from starter.console.told import kind_of_finding
from starter.console.visit import Visit
from stockkeeper.client.questions import pages
from stockkeeper.contracts.audit_findings import FindingShown, ShowFindings
from stockkeeper.contracts.errors import InvalidRequest, NotFound
from stockkeeper.contracts.permission import QUESTIONS, Role, require_role
from stockkeeper.contracts.question import SHOW_FINDINGS
from stockkeeper.contracts.stock_audit import FindingStatus

routes = Routes()

_NEEDS = QUESTIONS["decide_finding"]


@routes.get("/inbox/audit/{finding}")
async def show_finding(visit: Visit) -> Response:
    """One finding, with the buttons that this person may press."""
    found = await _finding(visit)
    return visit.show(
        "audit_finding.html",
        its=found,
        kind=kind_of_finding(visit.texts, found.kind),
        may_decide=found.status is FindingStatus.OPEN and visit.may(_NEEDS, found),
    )


@routes.post("/inbox/audit/{finding}/repair", Role.ADMINISTER)
async def repair_finding(visit: Visit) -> Response:
    """Let the item be as its movements and holds say."""
    found, reason = await _decided(visit)
    await visit.stock.decide(found.finding_id, "repair", performed_by=visit.person, reason=reason)
    return visit.go_to("/inbox", visit.texts.say("The books agree again."))


@routes.post("/inbox/audit/{finding}/accept", Role.ADMINISTER)
async def accept_finding(visit: Visit) -> Response:
    """Leave it as it is."""
    found, reason = await _decided(visit)
    await visit.stock.decide(found.finding_id, "accept", performed_by=visit.person, reason=reason)
    return visit.go_to("/inbox", visit.texts.say("The difference is accepted, with your reason."))


async def _decided(visit: Visit) -> tuple[FindingShown, str]:
    require_role(visit.identity, _NEEDS, "decide_finding")
    reason = await visit.field("reason")
    if reason is None:
        raise InvalidRequest(visit.texts.say("Say why: it is kept with the finding."))
    return await _finding(visit), reason


async def _finding(visit: Visit) -> FindingShown:
    """The finding of the number in the path.

    Raises:
        NotFound: There is none.
    """
    typed = visit.path("finding")
    if typed.isascii() and typed.isdecimal() and len(typed) < 18:
        asked = ShowFindings(before=int(typed) + 1)
        found, _ = await first(pages(visit.stock.connection, SHOW_FINDINGS, asked), 1)
        if found and found[0].finding_id == int(typed):
            return found[0]
    raise NotFound(visit.texts.say("There is no finding {number}.", number=typed))
