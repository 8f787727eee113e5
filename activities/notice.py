"""Notices by Apprise: mail, chat, webhook, or any other service that the settings name by URL.

A URL may hold a password, and an address is personal data: neither is logged or sent to Temporal.
"""

import logging
import re
from dataclasses import dataclass
from urllib.parse import quote

import apprise
from sqlalchemy import select
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.writes import OnDatabase, database_errors
from database.sessions import Database
from database.tables import suppliers
from stockkeeper.contracts.notice import Audience, Notice, NoticeActivities, NoticeSent

_LOG = logging.getLogger("stockkeeper.notices")
ADDRESS = "{email}"
"""The placeholder in a supplier's URL for the address in the supplier's row."""


# Apprise's log of a failure may contain an address or a URL.
logging.getLogger("apprise").setLevel(logging.CRITICAL)
# A URL may have commas of its own: the next URL begins with a scheme.
_BETWEEN_URLS = re.compile(r"[\s,]+(?=[A-Za-z0-9]+://)")


def services_of(urls: str) -> apprise.Apprise:
    """The services behind Apprise URLs that are separated by spaces or commas.

    Raises:
        ValueError: One of them isn't such a URL. The message doesn't repeat it.
    """
    services = apprise.Apprise()
    if urls.strip() and not services.add(urls):
        raise ValueError("isn't a list of notice URLs as Apprise has them, such as mailto://user:password@example.com")
    return services


def _take(service: apprise.NotifyBase, notice: Notice) -> bool:
    # As plain text: otherwise a mail is sent as HTML, in which all lines run together.
    text = apprise.NotifyFormat.TEXT
    return bool(apprise.Apprise(service).notify(title=notice.title, body=notice.body, body_format=text))


# Without a repr: there may be passwords in it, which no message may show.
@dataclass(frozen=True, repr=False)
class NoticeWays:
    """How each audience is reached: Apprise URLs, separated by spaces or commas; empty: not at all.

    Attributes:
        procurement: The buyers: wanted approvals, outcomes, late deliveries.
        escalation: Recipients if procurement doesn't decide; empty: procurement again.
        supplier: With ``{email}`` where the supplier's address belongs.
        warehouse: The warehouse staff: overdue transfers, goods lost or damaged in transit; empty: procurement.
    """

    procurement: str = ""
    escalation: str = ""
    supplier: str = ""
    warehouse: str = ""


class NoticeSteps(OnDatabase, NoticeActivities):
    """`NoticeActivities` by Apprise."""

    def __init__(self, database: Database, ways: NoticeWays) -> None:
        super().__init__(database)
        self._ways = ways

    @activity.defn(name="send_notice", no_thread_cancel_exception=True)
    def send_notice(self, notice: Notice) -> NoticeSent:
        """Log a notice, and send it by every service of its audience.

        A service that took it isn't used again when another one fails and Temporal tries again. A worker that dies in
        between may send it twice: a mail server can't be asked whether it has a mail already.

        Raises:
            ApplicationError: A service didn't take it; Temporal tries again.
        """
        _LOG.info("notice to %s: %s", notice.audience.lower(), notice.title)
        services = list(services_of(self._urls(notice)))
        # Reported by an earlier attempt: the places, in that list, of the services that took it.
        taken = set(activity.info().heartbeat_details)
        for place, service in enumerate(services):
            if place not in taken and _take(service, notice):
                taken.add(place)
                activity.heartbeat(*sorted(taken))
        refusing = [str(service.service_name) for place, service in enumerate(services) if place not in taken]
        if refusing:
            _LOG.warning("notice to %s not taken by %s", notice.audience.lower(), ", ".join(refusing))
            raise ApplicationError(f"not taken by {', '.join(refusing)}", type="NoticeNotTaken")
        return NoticeSent(ways=len(services))

    def _urls(self, notice: Notice) -> str:
        match notice.audience:
            case Audience.PROCUREMENT:
                return self._ways.procurement
            case Audience.ESCALATION:
                return self._ways.escalation.strip() or self._ways.procurement
            case Audience.WAREHOUSE:
                return self._ways.warehouse.strip() or self._ways.procurement
            case Audience.SUPPLIER:
                return self._to_supplier(notice.supplier_id)

    def _to_supplier(self, supplier_id: int | None) -> str:
        urls = _BETWEEN_URLS.split(self._ways.supplier)
        if any(ADDRESS in url for url in urls):
            with database_errors(), self._database.snapshot() as connection:
                address = connection.execute(
                    select(suppliers.c.email).where(suppliers.c.supplier_id == supplier_id)
                ).scalar_one_or_none()
            if not address:
                urls = [url for url in urls if ADDRESS not in url]
            else:
                # Quoted, so that an address can't become a part of the URL that means something else.
                urls = [url.replace(ADDRESS, quote(address, safe="")) for url in urls]
        return " ".join(urls)
