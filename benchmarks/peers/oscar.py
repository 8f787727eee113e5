"""django-oscar 4.2.1: promise a unit as its checkout does.

Its checkout asks the availability policy whether the purchase is permitted
(`CheckoutSessionMixin.check_basket_is_valid`), and `OrderCreator.place_order` then calls `StockRecord.allocate` in a
transaction; shipping calls `consume_allocation` (the page "How to set up order processing", and the docstrings). There
is no other way to hold. With ``"check": "no"`` it is `allocate` alone, for the comparison of speed.
"""

import warnings
from typing import Any
from urllib.parse import urlsplit

warnings.simplefilter("ignore")
SETTINGS: dict[str, str] = {}
APPS = {
    "analytics": "Analytics",
    "checkout": "Checkout",
    "address": "Address",
    "shipping": "Shipping",
    "catalogue": "Catalogue",
    "catalogue.reviews": "CatalogueReviews",
    "communication": "Communication",
    "partner": "Partner",
    "basket": "Basket",
    "payment": "Payment",
    "offer": "Offer",
    "order": "Order",
    "customer": "Customer",
    "search": "Search",
    "voucher": "Voucher",
    "wishlists": "Wishlists",
    "dashboard": "Dashboard",
    "dashboard.reports": "ReportsDashboard",
    "dashboard.users": "UsersDashboard",
    "dashboard.orders": "OrdersDashboard",
    "dashboard.catalogue": "CatalogueDashboard",
    "dashboard.offers": "OffersDashboard",
    "dashboard.partners": "PartnersDashboard",
    "dashboard.pages": "PagesDashboard",
    "dashboard.ranges": "RangesDashboard",
    "dashboard.reviews": "ReviewsDashboard",
    "dashboard.vouchers": "VouchersDashboard",
    "dashboard.communications": "CommunicationsDashboard",
    "dashboard.shipping": "ShippingDashboard",
}


class OutOfStock(Exception):
    """The availability policy doesn't permit the purchase; its checkout shows the reason to the customer."""


REFUSALS = (OutOfStock,)


class _NoMigrations(dict[str, None]):
    """The tables are made as they are now, without their history."""

    def __contains__(self, _: object) -> bool:
        return True

    def __missing__(self, _: str) -> None:
        return None


def open(settings: dict[str, str]) -> None:  # noqa: A001 the name that all adapters have
    """Configure Django for this database, with a connection that each thread keeps."""
    import django
    from django.conf import settings as django_settings
    from oscar import defaults

    SETTINGS.update(settings)
    if django_settings.configured:
        return
    url = urlsplit(settings["url"])
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.lstrip("/"),
        "USER": url.username,
        "PASSWORD": url.password,
        "HOST": url.hostname,
        "PORT": url.port,
    }
    django_settings.configure(
        MIGRATION_MODULES=_NoMigrations(),
        SECRET_KEY="none",  # noqa: S106 nothing is signed
        USE_TZ=True,
        SITE_ID=1,
        ROOT_URLCONF="",
        DATABASES={"default": database},
        HAYSTACK_CONNECTIONS={"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=[
            *(f"django.contrib.{name}" for name in ("auth", "contenttypes", "sites", "flatpages", "sessions")),
            "oscar.config.Shop",
            *(f"oscar.apps.{name}.apps.{config}Config" for name, config in APPS.items()),
            *("widget_tweaks", "haystack", "treebeard", "django_tables2"),
        ],
        **{name: value for name, value in vars(defaults).items() if name.startswith("OSCAR_")},
    )
    django.setup()


def prepare(settings: dict[str, str]) -> None:
    """Make all of its tables."""
    open(settings)
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)


def _records() -> Any:
    from oscar.core.loading import get_model

    return get_model("partner", "StockRecord").objects


def stock(units: int) -> int:
    """A product with a stock record; its key."""
    from oscar.core.loading import get_model

    catalogue = {name: get_model("catalogue", name).objects for name in ("Product", "ProductClass")}
    kind, _ = catalogue["ProductClass"].get_or_create(name="Goods", defaults={"track_stock": True})
    product = catalogue["Product"].create(title="Kettle", product_class=kind, structure="standalone")
    partner, _ = get_model("partner", "Partner").objects.get_or_create(name="Partner")
    record = _records().create(product=product, partner=partner, partner_sku=str(product.pk), price=1)
    _records().filter(pk=record.pk).update(num_in_stock=units)
    return int(record.pk)


def hold(item: int) -> None:
    """Ask the availability policy, and allocate."""
    from django.db import transaction
    from oscar.apps.partner.strategy import Selector

    if SETTINGS.get("check") == "no":
        _records().select_related("product__product_class").get(pk=item).allocate(1)
        return
    record = _records().select_related("product__product_class").get(pk=item)
    permitted, reason = Selector().strategy().fetch_for_product(record.product).availability.is_purchase_permitted(1)
    if not permitted:
        raise OutOfStock(str(reason))
    with transaction.atomic():
        record.allocate(1)


def ship(item: int, held: None) -> None:
    """Consume the allocation, as a shipping event does."""
    del held
    _records().select_related("product__product_class").get(pk=item).consume_allocation(1)


def promised(item: int) -> int:
    """Units allocated."""
    return int(_records().get(pk=item).num_allocated or 0)
