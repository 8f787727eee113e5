"""The names of all settings, so that a misspelt one stops a program instead of being passed over.

The worker's own settings, with their meaning, are `activities.settings`; a test compares the two.
"""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from urllib.parse import urlsplit

from stockkeeper.domain.errors import StockkeeperError
from stockkeeper.domain.names import nearest

PREFIX = "STOCKKEEPER_"


class LogFormat(StrEnum):
    """The form of a program's log: the setting ``LOG_FORMAT``."""

    TEXT = "text"
    JSON = "json"


WORKER_SETTINGS = frozenset(
    {
        "ADJUSTMENT",
        "APPROVAL",
        "BUILD_ID",
        "BULK_CONCURRENCY",
        "BULK_SHARE",
        "BULK_FACTOR",
        "CONCURRENCY",
        "CONSOLE_URL",
        "COUNTING",
        "DAMAGED_GOODS",
        "DATABASES",
        "DATABASE_ROLE",
        "DATABASE_URLS",
        "DEPLOYMENT_NAME",
        "ESCALATION_NOTICE_URLS",
        "EVENTS_KEPT_DAYS",
        "EXPIRY_NOTICE_DAYS",
        "FORECAST",
        "HEALTH_ADDRESS",
        "HOLDING_COST_RATE",
        "IDENTITY",
        "IDENTITY_AUDIENCE",
        "IDENTITY_ISSUER",
        "IDENTITY_KEYS",
        "IDENTITY_LIMIT_CLAIM",
        "IDENTITY_PERSON_CLAIM",
        "IDENTITY_ROLES_CLAIM",
        "IDENTITY_WAREHOUSES_CLAIM",
        "LOG_FORMAT",
        "METRICS_ADDRESS",
        "NEXUS_ENDPOINT",
        "NOTICE_URLS",
        "OPERATIONS_NOTICE_URLS",
        "ORDER_COST",
        "OVER_DELIVERY_PERCENT",
        "RETURNED_GOODS",
        "SERVES",
        "SHORT_DATED_RECEIPTS",
        "SUPPLIER_NOTICE_URLS",
        "TASK_QUEUE",
        "WAREHOUSE_NOTICE_URLS",
        "WEBHOOK_ALLOW_HTTP",
        "WEBHOOK_ALLOW_PRIVATE",
        "WEBHOOK_GIVE_UP_HOURS",
        "WEBHOOK_KEY",
        "WEBHOOK_NETWORKS",
    }
)
"""The worker's, without the prefix."""
SECRET_SETTINGS = frozenset(
    {
        "CATALOGUE_URL",
        "CONSOLE_CLIENT_SECRET",
        "DATABASE_URLS",
        "ESCALATION_NOTICE_URLS",
        "NOTICE_URLS",
        "OPERATIONS_NOTICE_URLS",
        "SUPPLIER_NOTICE_URLS",
        "WAREHOUSE_NOTICE_URLS",
        "WEBHOOK_KEY",
    }
)
"""Those that may hold a password or a key: with ``_FILE`` behind its name, a variable names a file with the value."""
OTHER_SETTINGS = frozenset(
    {
        "CATALOGUE_URL",
        "CODEC_TOKEN",
        "CODEC_TOKEN_FILE",
        "CONSOLE_CLIENT_ID",
        "CONSOLE_CLIENT_SECRET",
        "CONSOLE_ISSUER",
        "CONSOLE_PEOPLE",
        "CONSOLE_PROXY",
        "CONSOLE_PROXY_HEADER",
        "CONSOLE_PROXY_ROLES_HEADER",
        "CONSOLE_SCOPES",
        "CURRENCY",
        "DATE_FORMAT",
        "ENCRYPTION_KEYS",
        "ENCRYPTION_KEYS_FILE",
        "IDENTITY_TOKEN",
        "IDENTITY_TOKEN_FILE",
        "NATS_URL",
        "SECRETS",
        "UI_URL",
        "WORKERS",
        *(f"{name}_FILE" for name in sorted(SECRET_SETTINGS)),
    }
)
"""Those of docker-compose.yml, of connections and of the command line, and the names of files."""

# Kubernetes sets these for each Service beside a pod: ours may well be named stockkeeper, or stockkeeper-ui.
_OF_KUBERNETES = re.compile(r"(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT|PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)")


def address_of_site(url: str) -> str:
    """The address of a site, such as the console's, without a slash at the end.

    Raises:
        ValueError: It isn't one.
    """
    shorter = url.rstrip("/")
    parts = urlsplit(shorter)
    is_more = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not parts.netloc or is_more:
        raise ValueError("must be an address without a path, such as https://stock.example.com")
    return shorter


def queues_of(databases: str) -> list[str]:
    """The task queues of several databases in the setting ``DATABASES``, that of the catalogue's first.

    Returns:
        Empty: there is one database.

    Raises:
        ValueError: There is only one, or one is there twice.
    """
    queues = [each.strip() for each in databases.split(",") if each.strip()]
    if len(queues) == 1 or len(set(queues)) < len(queues):
        raise ValueError("the task queues of two databases at least, each once, separated by commas")
    return queues


def urls_of(text: str) -> dict[str, str]:
    """The URLs of several databases by their task queues, in the setting ``DATABASE_URLS``.

    Args:
        text: ``north=postgresql://... south=postgresql://...``, separated by spaces or line ends.

    Raises:
        ValueError: It has another form. The message repeats nothing of it.
    """
    found: dict[str, str] = {}
    for each in text.split():
        queue, equals, url = each.partition("=")
        if not queue or not equals or "://" not in url or queue in found:
            raise ValueError("task queues of databases, each once, with = and a URL, separated by spaces")
        found[queue] = url
    return found


def suffix_of(task_queue: str, queues: Sequence[str]) -> str:
    """The end of ids that each of several databases has once, such as its schedules'; empty in the first, or only."""
    return f"-{task_queue}" if task_queue in queues[1:] else ""


class UnknownSetting(StockkeeperError):
    """A variable begins like a setting of Stockkeeper, and isn't one."""


def require_known(variables: Iterable[str]) -> None:
    """Check the names of environment variables; their values aren't looked at.

    Args:
        variables: The names of all variables.

    Raises:
        UnknownSetting: One begins with ``STOCKKEEPER_`` and is no setting. The message suggests the nearest.
    """
    ours = {name: name.upper().removeprefix(PREFIX) for name in variables if name.upper().startswith(PREFIX)}
    strange = [
        _suggestion(name, short)
        for name, short in sorted(ours.items())
        if short not in WORKER_SETTINGS and short not in OTHER_SETTINGS and not _OF_KUBERNETES.fullmatch(short)
    ]
    if strange:
        raise UnknownSetting("; ".join(strange))


def _suggestion(name: str, short: str) -> str:
    full = {each: f"{PREFIX}{each}" for each in sorted({*WORKER_SETTINGS, *OTHER_SETTINGS})}
    full["DATABASE_URL"] = "DATABASE_URL"
    found = nearest(short, full)
    meant = f"; did you mean {full[found]}?" if found else " (docs/operations.md lists them)"
    return f"{name} isn't a setting of Stockkeeper{meant}"
