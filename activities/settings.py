"""What a worker can be told: its settings, what they mean, and what follows from them."""

import re
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, Field, PositiveInt, SecretStr
from temporalio.common import WorkerDeploymentVersion

from activities.event_subscriber import WebhookSettings
from activities.health_server import host_and_port
from activities.identity import IdentitySettings
from activities.notice import NoticeWays
from activities.notice_ways import ADDRESS, ways_of
from activities.webhook_guard import PRIVATE, Guard, networks_of
from stockkeeper.contracts.adjustment import DEFAULT_ADJUSTMENT, AdjustmentPolicy
from stockkeeper.contracts.cycle_count import DEFAULT_COUNTING, CountPolicy
from stockkeeper.contracts.lot_expiry import NOTICE_DAYS
from stockkeeper.contracts.lot_questions import DaysAhead
from stockkeeper.contracts.policies import TASK_QUEUE, bulk_queue
from stockkeeper.contracts.purchase_order_state import DEFAULT_APPROVAL, ApprovalPolicy
from stockkeeper.contracts.replenishment_plan import DEFAULT_HOLDING_COST_RATE, DEFAULT_ORDER_COST, BulkFactor
from stockkeeper.contracts.settings import LogFormat, address_of_site, queues_of, suffix_of, urls_of
from stockkeeper.contracts.webhook import SHORTEST_KEY
from stockkeeper.domain.inspection import DamagedGoods, GoodsPolicy, ReturnedGoods
from stockkeeper.domain.short_dated import ShortDatedReceipts


def _notice_urls(urls: SecretStr) -> SecretStr:
    ways_of(urls.get_secret_value())
    return urls


def _without_address(urls: SecretStr) -> SecretStr:
    if ADDRESS in urls.get_secret_value():
        raise ValueError(f"has {ADDRESS}, which stands for a supplier's address: it belongs in supplier_notice_urls")
    return urls


def _build_id(text: str) -> str:
    if not 0 < len(text) <= _NAME_LENGTH or text.startswith("__"):
        raise ValueError(f"has 1 to {_NAME_LENGTH} characters and doesn't begin with two underscores")
    return text


def _deployment_name(text: str) -> str:
    if {".", ":"} & {*text}:
        raise ValueError("has neither . nor :")
    return _build_id(text)


def _address(text: str) -> str:
    if text:
        host_and_port(text)
    return text


def _endpoint(name: str) -> str:
    if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9-]*[a-zA-Z0-9]", name) or len(name) > _NAME_LENGTH:
        raise ValueError("has letters, digits and hyphens; the first is a letter, and the last is no hyphen")
    return name


_NAME_LENGTH = 200
Address = Annotated[str, AfterValidator(_address)]


def _database_queues(databases: str) -> str:
    return ",".join(queues_of(databases))


def _database_urls(urls: SecretStr) -> SecretStr:
    urls_of(urls.get_secret_value())
    return urls


DatabaseUrls = Annotated[SecretStr, AfterValidator(_database_urls)]
DatabaseQueues = Annotated[str, AfterValidator(_database_queues)]


def _webhook_networks(networks: str) -> str:
    networks_of(networks)
    return networks


def _webhook_key(key: SecretStr) -> SecretStr:
    if 0 < len(key.get_secret_value()) < SHORTEST_KEY:
        raise ValueError(f"has at least {SHORTEST_KEY} characters, such as by `openssl rand -base64 32`")
    return key


def _console_url(url: str) -> str:
    return address_of_site(url) if url else ""


ConsoleUrl = Annotated[str, AfterValidator(_console_url)]
WebhookNetworks = Annotated[str, AfterValidator(_webhook_networks)]
WebhookKey = Annotated[SecretStr, AfterValidator(_webhook_key)]
BuildId = Annotated[str, AfterValidator(_build_id)]
DeploymentName = Annotated[str, AfterValidator(_deployment_name)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
SupplierNoticeUrls = Annotated[SecretStr, AfterValidator(_notice_urls)]
NoticeUrls = Annotated[SecretStr, AfterValidator(_without_address), AfterValidator(_notice_urls)]


class Serves(StrEnum):
    """Which task queues a worker's process serves (ADR 0076)."""

    ALL = "all"
    ORDERS = "orders"
    """All but bulk work: workflows, and the steps that a person or an order waits for."""
    BULK = "bulk"
    """The steps of plans, reorder runs, audits and files alone; the process gives way to others on its machine."""


class WorkerSettings(IdentitySettings):
    """The settings of a worker, wherever they come from: `worker.Settings` reads them from its environment."""

    database_url: SecretStr = Field(SecretStr(""), validation_alias="DATABASE_URL")
    database_role: str | None = None
    """Act as this role, such as ``stockkeeper_worker``, which can't change the ledger's past."""
    task_queue: str = TASK_QUEUE
    databases: DatabaseQueues = ""
    """Task queues of all databases, if there are several, that of the catalogue's first (ADR 0080)."""
    database_urls: DatabaseUrls = SecretStr("")
    """URLs of the other databases, by task queue, for documents that have moved there: ``south=postgresql://...``."""
    concurrency: PositiveInt = 10
    """Activities through the task queue at once; three times as many local ones, twice as many connections."""
    serves: Serves = Serves.ALL
    """Which task queues this process serves: all, those of orders, or that of bulk work."""
    bulk_concurrency: PositiveInt = 2
    """Steps of plans, audits and files at once; each takes a database connection."""
    bulk_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The part of the time that each of them is busy; 1: all of it (ADR 0086)."""
    build_id: BuildId | None = Field(
        None, validation_alias=AliasChoices("STOCKKEEPER_BUILD_ID", "TEMPORAL_WORKER_BUILD_ID")
    )
    """This worker's version, such as a release or a commit; None: workers have no versions (ADR 0051)."""
    deployment_name: DeploymentName = Field(
        "stockkeeper", validation_alias=AliasChoices("STOCKKEEPER_DEPLOYMENT_NAME", "TEMPORAL_DEPLOYMENT_NAME")
    )
    """The deployment whose versions they are."""
    log_format: LogFormat = LogFormat.TEXT
    """The form of the log: a line of text, or a JSON object in a line."""
    metrics_address: str | None = None
    """Serve Prometheus metrics here, such as ``0.0.0.0:9464``."""
    health_address: Address | None = None
    """Answer ``GET /livez`` and ``GET /readyz`` here, such as ``0.0.0.0:8086`` (ADR 0055)."""
    nexus_endpoint: Endpoint | None = None
    """Answer other teams' workflows, which call this Nexus endpoint; None: there is no endpoint (ADR 0077)."""
    approval: ApprovalPolicy = DEFAULT_APPROVAL
    """Approval policy of purchase orders that bring none, as JSON; for orders drafted from now on."""
    over_delivery_percent: Annotated[Decimal, Field(ge=0, le=1_000, decimal_places=3)] = Decimal(0)
    """Over-delivery accepted, in percent of each line's quantity; for orders drafted from now on."""
    short_dated_receipts: ShortDatedReceipts = ShortDatedReceipts.QUARANTINE
    """What becomes of a receipt with a lot that has expired or has too few days left: ``quarantine`` or ``refuse``."""
    damaged_goods: DamagedGoods = DamagedGoods.WRITE_OFF
    """What becomes of damaged units of transfers, and of unfit ones of returns: ``write_off`` or ``inspect``."""
    returned_goods: ReturnedGoods = ReturnedGoods.RESTOCK
    """What becomes of fit units of returns: ``restock``, ``quarantine`` or ``quality_control``."""
    order_cost: Annotated[Decimal, Field(ge=0)] = DEFAULT_ORDER_COST
    """Cost of one order, in money, whatever its quantity; for planning."""
    holding_cost_rate: Annotated[float, Field(ge=0, le=100)] = DEFAULT_HOLDING_COST_RATE
    """Holding cost of a unit per year, as a fraction of its unit cost; for planning."""
    bulk_factor: BulkFactor | None = None
    """Times the median of the days with demand above which a day is left out of planning; None: no day is."""
    forecast: bool = False
    """Plan by trend and season where an item's past carries them (ADR 0067)."""
    counting: CountPolicy = DEFAULT_COUNTING
    """Tolerances, intervals by class and number per day of counts, as JSON; a field left out has its default."""
    adjustment: AdjustmentPolicy = DEFAULT_ADJUSTMENT
    """Limit above which an adjustment needs a second person's approval, as JSON; for those submitted from now on."""
    expiry_notice_days: DaysAhead = NOTICE_DAYS
    """Days left at which lots are told ahead, once in each warehouse; 0: on their last day."""
    events_kept_days: Annotated[float, Field(gt=0, le=36_500)] = 30
    """How long events are kept, in days; whoever follows them may be away for less than that (ADR 0095)."""
    notice_urls: NoticeUrls = SecretStr("")
    """Notices to procurement: Apprise URLs, separated by spaces or commas."""
    escalation_notice_urls: NoticeUrls = SecretStr("")
    """Notices about decisions that are overdue; empty: sent to procurement."""
    supplier_notice_urls: SupplierNoticeUrls = SecretStr("")
    """Notices to suppliers, with ``{email}`` for the address: ``mailto://user:password@host?to={email}``."""
    warehouse_notice_urls: NoticeUrls = SecretStr("")
    """Notices to the warehouse; empty: sent to procurement."""
    operations_notice_urls: NoticeUrls = SecretStr("")
    """Notices to who runs the workers; empty: sent to procurement."""
    console_url: ConsoleUrl = ""
    """The console's address: notices end with the link to what they are about; empty: they have no link."""
    webhook_key: WebhookKey = SecretStr("")
    """Key of which the signing secrets of all subscribers to events are derived; empty: there are no webhooks."""
    webhook_allow_http: bool = False
    """Whether webhooks may go without TLS."""
    webhook_allow_private: bool = False
    """Whether they may go to loopback addresses and to private networks (RFC 1918, RFC 4193)."""
    webhook_networks: WebhookNetworks = ""
    """Other networks that aren't public, and where they may go: ``10.1.0.0/16, fd00:1::/32``."""
    webhook_give_up_hours: Annotated[float, Field(gt=0, le=24 * 366)] = 72
    """How long a subscriber's receiver may fail before it is paused."""

    @property
    def notice_ways(self) -> NoticeWays:
        """The URLs of each audience."""
        return NoticeWays(
            procurement=self.notice_urls.get_secret_value(),
            escalation=self.escalation_notice_urls.get_secret_value(),
            supplier=self.supplier_notice_urls.get_secret_value(),
            warehouse=self.warehouse_notice_urls.get_secret_value(),
            operations=self.operations_notice_urls.get_secret_value(),
        )

    @property
    def goods(self) -> GoodsPolicy:
        """What becomes of goods that come and may not be promised at once."""
        return GoodsPolicy(self.damaged_goods, self.returned_goods)

    @property
    def webhooks(self) -> WebhookSettings:
        """The settings of webhooks."""
        private = PRIVATE if self.webhook_allow_private else ()
        networks = (*networks_of(self.webhook_networks), *private)
        guard = Guard(self.webhook_allow_http, networks, plain=private)
        return WebhookSettings(self.webhook_key.get_secret_value(), guard, self.webhook_give_up_hours)

    @property
    def events_kept(self) -> timedelta:
        """How long events are kept."""
        return timedelta(days=self.events_kept_days)

    @property
    def urls(self) -> dict[str, SecretStr]:
        """The URLs of other databases by their task queues."""
        return {queue: SecretStr(url) for queue, url in urls_of(self.database_urls.get_secret_value()).items()}

    @property
    def own_suffix(self) -> str:
        """The end of ids that each of several databases has once."""
        return suffix_of(self.task_queue, queues_of(self.databases))

    @property
    def other_queues(self) -> list[str]:
        """The task queues of the other ones of several databases; empty: there is one database."""
        return [each for each in queues_of(self.databases) if each != self.task_queue]

    @property
    def version(self) -> WorkerDeploymentVersion | None:
        """This worker's version, if it has one."""
        return None if self.build_id is None else WorkerDeploymentVersion(self.deployment_name, self.build_id)

    @property
    def local_slots(self) -> int:
        """Local activities at once: a workflow task, and the caller who waits for its answer, waits for a free one.

        The more there are, the more steps share a transaction, where they wait on no connection (ADR 0042, 0044).
        """
        return 3 * self.concurrency

    @property
    def threads(self) -> int:
        """Threads: one for each activity that may run at once."""
        return self.concurrency + self.local_slots

    @property
    def connections(self) -> int:
        """Database connections: one for each activity through the queue, and as many for the local ones.

        Bulk work takes no more of them than it has slots.
        """
        return self.bulk_concurrency if self.serves is Serves.BULK else 2 * self.concurrency

    @property
    def queue(self) -> str:
        """The task queue that this process is asked about."""
        return bulk_queue(self.task_queue) if self.serves is Serves.BULK else self.task_queue
