"""Notices by Apprise: mail, chat, webhook, or any other service that the settings name by URL.

A URL may hold a password, and an address is personal data: neither is logged or sent to Temporal.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeats import report
from activities.notice_links import LINKED, page_of
from activities.notice_ways import ADDRESS, AddressRefused, Taken, Way, urls_of, ways_of
from activities.writes import OnDatabase, database_errors
from database.sessions import Database
from database.tables import suppliers
from stockkeeper.contracts.notice import NO_ADDRESS, NOT_SET_UP, Audience, Notice, NoticeActivities, NoticeSent

NOT_TAKEN = "NoticeNotTaken"
"""Type of the failure of an attempt that a service didn't take; Temporal tries again."""
UNDELIVERABLE = "NoticeUndeliverable"
"""... whose address can't be written to; trying again is no use."""

_LOG = logging.getLogger("stockkeeper.notices")


# Without a repr: there may be passwords in it, which no message may show.
@dataclass(frozen=True, repr=False)
class NoticeWays:
    """How each audience is reached: Apprise URLs, separated by spaces or commas; empty: not at all.

    Attributes:
        procurement: The buyers: wanted approvals, outcomes, late deliveries.
        escalation: Recipients if procurement doesn't decide; empty: procurement again.
        supplier: With ``{email}`` where the supplier's address belongs.
        warehouse: The warehouse staff: overdue transfers, goods lost or damaged in transit; empty: procurement.
        operations: Who runs the workers: subscribers that were paused; empty: procurement.
    """

    procurement: str = ""
    escalation: str = ""
    supplier: str = ""
    warehouse: str = ""
    operations: str = ""


class NoticeSteps(OnDatabase, NoticeActivities):
    """`NoticeActivities` by Apprise.

    Args:
        database: Where suppliers' addresses are.
        ways: How each audience is reached.
        console_url: The console's address, for links; empty: notices have none.
    """

    def __init__(self, database: Database, ways: NoticeWays, console_url: str = "") -> None:
        super().__init__(database)
        self._ways = ways
        self._console_url = console_url

    @activity.defn(name="send_notice", no_thread_cancel_exception=True)
    def send_notice(self, notice: Notice) -> NoticeSent:
        """Log a notice, and send it to each recipient of its audience by itself.

        Who took it isn't written to again when another one's server refuses and Temporal tries again. A worker that
        dies in between may send it twice: a mail server can't be asked whether it has a mail already.

        Raises:
            ApplicationError: ``NoticeNotTaken``: a service didn't take it; Temporal tries again.
                ``NoticeUndeliverable``: the supplier's address can't be written to; trying again is no use.
        """
        _LOG.info("notice to %s: %s", notice.audience.lower(), notice.title)
        notice = self._with_link(notice)
        ways, undeliverable = self._to(notice)
        info = activity.info()
        taken = Taken(f"{info.workflow_run_id} {info.activity_id}", info.heartbeat_details, report)
        refusing = [told for way in ways if (told := _send(way, notice, taken))]
        if refusing:
            _LOG.warning("notice to %s not taken by %s", notice.audience.lower(), ", ".join(refusing))
            raise ApplicationError(f"not taken by {', '.join(refusing)}", type=NOT_TAKEN)
        if undeliverable:
            _LOG.warning("notice to %s not sent: %s", notice.audience.lower(), undeliverable)
            raise ApplicationError(undeliverable, type=UNDELIVERABLE, non_retryable=True)
        return NoticeSent(ways=len(ways), not_sent=None if ways else self._reason(notice))

    def _with_link(self, notice: Notice) -> Notice:
        """The notice with the console's page about it as its last line, for those who use the console."""
        info = activity.info()
        page = page_of(info.workflow_type, info.workflow_id) if notice.audience in LINKED else None
        if not self._console_url or page is None:
            return notice
        return notice.model_copy(update={"body": f"{notice.body}\n\n{self._console_url}{page}"})

    def _to(self, notice: Notice) -> tuple[Sequence[Way], str | None]:
        """The ways of its audience, and the rule that the supplier's address breaks."""
        urls = urls_of(self._urls(notice.audience))
        with_address = [url for url in urls if ADDRESS in url] if notice.audience is Audience.SUPPLIER else []
        ways = ways_of(" ".join(url for url in urls if url not in with_address))
        undeliverable = None
        if with_address and (address := self._address(notice.supplier_id)):
            for url in with_address:
                try:
                    ways += ways_of(url, address)
                except AddressRefused as refused:
                    undeliverable = str(refused)
        return ways, undeliverable

    def _urls(self, audience: Audience) -> str:
        match audience:
            case Audience.PROCUREMENT:
                return self._ways.procurement
            case Audience.ESCALATION:
                return self._ways.escalation.strip() or self._ways.procurement
            case Audience.WAREHOUSE:
                return self._ways.warehouse.strip() or self._ways.procurement
            case Audience.OPERATIONS:
                return self._ways.operations.strip() or self._ways.procurement
            case Audience.SUPPLIER:
                return self._ways.supplier

    def _reason(self, notice: Notice) -> str:
        return NO_ADDRESS if self._urls(notice.audience).strip() else NOT_SET_UP

    def _address(self, supplier_id: int | None) -> str | None:
        with database_errors(), self._database.snapshot() as connection:
            email: str | None = connection.execute(
                select(suppliers.c.email).where(suppliers.c.supplier_id == supplier_id)
            ).scalar_one_or_none()
        return email or None


def _send(way: Way, notice: Notice, taken: Taken) -> str | None:
    """Send it to every recipient of a way; the service's name, if it didn't reach all of them."""
    missed = [each for each in way.deliveries if not each.send(notice, taken)]
    if not missed:
        return None
    of_how_many = f" ({len(missed)} of {len(way.deliveries)} recipients)" if len(way.deliveries) > 1 else ""
    return f"{way.service}{of_how_many}"
