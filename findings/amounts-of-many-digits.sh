#!/bin/sh
# Babel writes an amount by the digits of Python's present decimal context, 28 unless told: one with more before and
# behind its point is an InvalidOperation, where formatting by Python itself keeps all digits.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check babel==2.19.0
cd "$venv"
"$venv/bin/python" - <<'PYTHON'
from decimal import Decimal, localcontext
from importlib.metadata import version

from babel.numbers import format_currency, format_decimal

# 23 digits before the point, and a pattern of six behind it: numeric(38, 6) of a database has room for them.
amount = Decimal("12345678901234567890123.5")
pattern = "#,##0.00####"


def told(write):
    try:
        return write()
    except Exception as error:
        return type(error).__name__


print("babel", version("babel"))
by_babel = told(lambda: format_decimal(amount, format=pattern, locale="de"))
not_quantized = told(lambda: format_decimal(amount, format=pattern, locale="de", decimal_quantization=False))
currency = told(lambda: format_currency(Decimal("123456789012345678901234567.50"), "EUR", locale="de"))
by_python = f"{amount:,f}"
with localcontext(prec=100):
    with_more = format_decimal(amount, format=pattern, locale="de")
print("babel:", by_babel)
print("babel, decimal_quantization=False:", not_quantized)
print("babel, as a currency, 27 digits:", currency)
print("python:", by_python)
print("babel, within a context of 100 digits:", with_more)
assert by_babel == "InvalidOperation", by_babel
assert currency == "InvalidOperation", currency
assert by_python == "12,345,678,901,234,567,890,123.5", by_python
assert with_more == "12.345.678.901.234.567.890.123,50", with_more
PYTHON
