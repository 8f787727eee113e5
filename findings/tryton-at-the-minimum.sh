#!/bin/sh
# Tryton asks for no purchase at exactly an order point's minimum, only below it; at 9 of 10 to 30 it asks for 21.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check trytond==8.2.1 trytond_stock_supply==8.2.0 trytond_stock==8.2.1 trytond_account==8.2.1 proteus==8.2.0
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
import datetime as dt
import os
import warnings
from decimal import Decimal
from importlib.metadata import version

warnings.simplefilter("ignore")
os.environ["DB_NAME"] = ":memory:"
os.environ["TRYTOND_DATABASE_URI"] = "sqlite://"

from proteus import Model, Wizard
from trytond.modules.account.tests.tools import create_chart, get_accounts
from trytond.modules.company.tests.tools import create_company
from trytond.tests.tools import activate_modules

activate_modules("stock_supply", create_company, create_chart)
print("trytond_stock_supply", version("trytond_stock_supply"))
today = dt.date.today()

supplier = Model.get("party.party")(name="Supplier")
supplier.save()
configuration = Model.get("purchase.configuration")(1)
configuration.supply_period = dt.timedelta(days=30)
configuration.save()
category = Model.get("product.category")(name="Category", accounting=True)
category.account_expense = get_accounts()["expense"]
category.save()
[unit] = Model.get("product.uom").find([("name", "=", "Unit")])
template = Model.get("product.template")(name="Tea", default_uom=unit, type="goods", list_price=Decimal(20))
template.purchasable = True
template.account_category = category
template.save()
[product] = template.products
terms = Model.get("purchase.product_supplier")(template=template)
terms.party = supplier
terms.lead_time = dt.timedelta(days=1)
terms.save()
Location = Model.get("stock.location")
warehouse, storage = (Location.find([("code", "=", code)])[0] for code in ("WH", "STO"))
point = Model.get("stock.order_point")()
point.type, point.product, point.location = "purchase", product, warehouse
point.min_quantity, point.target_quantity = 10, 30
point.save()


def count(units):
    inventory = Model.get("stock.inventory")(location=storage, empty_quantity="keep")
    inventory.date = today
    line = inventory.lines.new()
    line.product, line.quantity = product, units
    inventory.click("confirm")


def asked_for():
    Wizard("stock.supply").execute("create_")
    return [request.quantity for request in Model.get("purchase.request").find([("state", "=", "draft")])]


count(10)
at_the_minimum = asked_for()
count(9)
below = asked_for()
print("order point 10 to 30; with 10 on hand it asks for", at_the_minimum, "and with 9 for", below)
assert at_the_minimum == []
assert below == [21.0]
PYTHON
