#!/bin/sh
# django-oscar's StockRecord.allocate() takes more than is in stock, and a negative quantity too, without an error: five units are promised eight times.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check django-oscar==4.2.1
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")

import django
from django.conf import settings
from oscar import defaults

APPS = {
    "analytics": "Analytics", "checkout": "Checkout", "address": "Address", "shipping": "Shipping",
    "catalogue": "Catalogue", "catalogue.reviews": "CatalogueReviews", "communication": "Communication",
    "partner": "Partner", "basket": "Basket", "payment": "Payment", "offer": "Offer", "order": "Order",
    "customer": "Customer", "search": "Search", "voucher": "Voucher", "wishlists": "Wishlists", "dashboard": "Dashboard",
    "dashboard.reports": "ReportsDashboard", "dashboard.users": "UsersDashboard", "dashboard.orders": "OrdersDashboard",
    "dashboard.catalogue": "CatalogueDashboard", "dashboard.offers": "OffersDashboard",
    "dashboard.partners": "PartnersDashboard", "dashboard.pages": "PagesDashboard",
    "dashboard.ranges": "RangesDashboard", "dashboard.reviews": "ReviewsDashboard",
    "dashboard.vouchers": "VouchersDashboard", "dashboard.communications": "CommunicationsDashboard",
    "dashboard.shipping": "ShippingDashboard",
}


class NoMigrations(dict):
    """The tables are made as they are now, without their history."""

    def __contains__(self, _):
        return True

    def __missing__(self, _):
        return None


settings.configure(
    MIGRATION_MODULES=NoMigrations(),
    SECRET_KEY="none",
    USE_TZ=True,
    SITE_ID=1,
    ROOT_URLCONF="",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
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

from django.core.management import call_command
from oscar.test.factories import create_product

call_command("migrate", run_syncdb=True, verbosity=0)
print("django-oscar", version("django-oscar"))
record = create_product(num_in_stock=5, price=1).stockrecords.get()
seen = []
for units in (4, 4, -20):
    record.allocate(units)
    record.refresh_from_db()
    seen.append((record.num_in_stock, record.num_allocated, record.net_stock_level))
    print(f"allocate({units}): in stock {seen[-1][0]}, allocated {seen[-1][1]}, net {seen[-1][2]}")
assert seen == [(5, 4, 1), (5, 8, -3), (5, -12, 17)]
PYTHON
