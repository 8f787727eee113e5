"""pretix 2026.8: put one ticket into a cart, which holds it until the cart expires.

The shop's own task (`pretix.base.services.cart.add_items_to_cart`), which locks the quota by PostgreSQL's advisory
locks (`pretix.base.services.locking`; developer documentation, "Resources and quotas", "Locking"). A cart expires after
the event's setting "Reservation period", 30 minutes by default.
"""

import os
import uuid
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

warnings.simplefilter("ignore")


class SoldOut(Exception):
    """The cart says that the ticket is no longer available."""


class Busy(Exception):
    """The cart says that the lock couldn't be had in time."""


REFUSALS = (SoldOut,)


class _NoMigrations(dict[str, None]):
    """The tables are made as they are now, without their history."""

    def __contains__(self, _: object) -> bool:
        return True

    def __missing__(self, _: str) -> None:
        return None


def open(settings: dict[str, str]) -> None:  # noqa: A001 the name that all adapters have
    """Configure it by its environment variables, without Redis and without Celery: tasks run in the caller's thread."""
    url = urlsplit(settings["url"])
    os.environ |= {
        "DATA_DIR": settings["folder"],
        "DJANGO_SETTINGS_MODULE": "pretix.settings",
        "PRETIX_DATABASE_BACKEND": "postgresql",
        "PRETIX_DATABASE_NAME": url.path.lstrip("/"),
        "PRETIX_DATABASE_USER": url.username or "",
        "PRETIX_DATABASE_PASSWORD": url.password or "",
        "PRETIX_DATABASE_HOST": url.hostname or "",
        "PRETIX_DATABASE_PORT": str(url.port),
        "PRETIX_PRETIX_DATADIR": settings["folder"],
    }
    import django
    from django.conf import settings as django_settings

    django_settings.MIGRATION_MODULES = _NoMigrations()
    django.setup()


def prepare(settings: dict[str, str]) -> None:
    """Make all of its tables, and an event."""
    open(settings)
    from django.core.management import call_command
    from django_scopes import scopes_disabled
    from pretix.base.models import Event, Organizer

    call_command("migrate", run_syncdb=True, verbosity=0)
    with scopes_disabled():
        organizer = Organizer.objects.create(name="Organizer", slug="organizer")
        begins = datetime.now(UTC) + timedelta(days=30)
        Event.objects.create(organizer=organizer, name="Event", slug="event", date_from=begins, live=True)


def _event() -> Any:
    from pretix.base.models import Event

    return Event.objects.get(slug="event")


def stock(units: int) -> list[int]:
    """A ticket and its quota; their keys."""
    from django_scopes import scopes_disabled

    with scopes_disabled():
        event = _event()
        item = event.items.create(name="Ticket", default_price=10)
        quota = event.quotas.create(name="Quota", size=units)
        quota.items.add(item)
        return [event.pk, item.pk, quota.pk]


def hold(item: list[int]) -> None:
    """A new cart with one ticket."""
    from pretix.base.services.cart import CartError, add_items_to_cart, error_messages

    wanted = {"item": item[1], "variation": None, "count": 1}
    try:
        add_items_to_cart.apply(args=(item[0], [wanted], uuid.uuid4().hex)).get()
    except CartError as error:
        raise (Busy if str(error) == str(error_messages["busy"]) else SoldOut)(str(error)) from None


def promised(item: list[int]) -> int:
    """Units in carts, as its quota counts them."""
    from django_scopes import scopes_disabled
    from pretix.base.models import Quota
    from pretix.base.services.quotas import QuotaAvailability

    with scopes_disabled():
        quota = Quota.objects.get(pk=item[2])
        counted = QuotaAvailability(full_results=True)
        counted.queue(quota)
        counted.compute()
        return int(counted.count_cart[quota])
