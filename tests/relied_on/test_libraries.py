"""Python and libraries: values that pass or are refused where a guess would say otherwise."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import apprise
import pytest
from openpyxl import Workbook, load_workbook
from pydantic import BaseModel, ConfigDict, ValidationError
from standardwebhooks import Webhook, WebhookVerificationError
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter

from activities.webhook_guard import is_allowed
from stockkeeper.contracts.converter import DATA_CONVERTER, Undecodable


class _Lax(BaseModel):
    quantity: int


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    quantity: int


class _Money(BaseModel):
    amount: Decimal


def test_pydantic_takes_true_and_text_for_a_whole_number_unless_it_is_strict() -> None:
    assert [_Lax.model_validate({"quantity": value}).quantity for value in (True, "7", 7.0)] == [1, 7, 7]
    for value in (True, "7", 7.0):
        with pytest.raises(ValidationError):
            _Strict.model_validate({"quantity": value})


def test_pydantic_refuses_a_decimal_that_is_not_a_number() -> None:
    for value in ("NaN", "Infinity"):
        with pytest.raises(ValidationError, match="finite number"):
            _Money.model_validate({"amount": value})


def test_a_sheet_has_numbers_where_leading_zeros_were_shown_and_no_value_where_nothing_computed_one(
    tmp_path: Path,
) -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append([1, "0001", "=1+1"])
    sheet["A1"].number_format = "0000"
    book.save(tmp_path / "sheet.xlsx")
    read = load_workbook(tmp_path / "sheet.xlsx", read_only=True, data_only=True)
    [row] = read.worksheets[0].iter_rows()
    read.close()
    assert [cell.value for cell in row] == [1, "0001", None]
    assert row[0].number_format == "0000"


def test_python_reads_and_writes_json_that_no_standard_knows() -> None:
    assert json.loads("1e999") == float("inf")
    assert json.dumps(float("nan")) == "NaN"
    assert json.dumps("\ud800") == '"\\ud800"'


class _Mailbox(BaseHTTPRequestHandler):
    """Takes what is posted, except under /refused."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503 if self.path.startswith("/refused") else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base
        """Say nothing."""


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server's address."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Mailbox) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"json://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("places", [["taken"], ["taken", "refused"], ["refused"]])
def test_apprise_answers_with_an_object_that_is_truthy_only_if_every_service_took_the_notice(
    mailbox: str, places: list[str]
) -> None:
    answered: object = apprise.Apprise([f"{mailbox}/{place}" for place in places]).notify(body="body", title="title")

    assert answered is not True
    assert answered is not False
    assert bool(answered) is (places == ["taken"])


def test_apprise_reads_another_address_than_the_one_that_is_written() -> None:
    service: Any = apprise.Apprise.instantiate("mailto://robot@shop.example/?to=o'brien@example.com")
    assert [address for _, address in service.targets] == ["brien@example.com"]


def test_apprise_asks_a_service_who_has_a_notice_and_says_who_took_it(
    mailbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service: Any = apprise.Apprise.instantiate(f"{mailbox.replace('json', 'ntfy')}/dock/office")
    monkeypatch.setattr(type(service), "request_rate_per_sec", 0)
    marked: list[str] = []
    vars(service).update(is_delivered=lambda key: key == "dock", mark_delivered=marked.append)

    assert bool(apprise.Apprise(service).notify(body="body", title="title"))
    assert "office" in marked
    assert "dock" not in marked


async def test_the_sdk_raises_for_a_payload_that_says_that_it_is_kept_elsewhere() -> None:
    mark = {"encoding": b"json/plain", "__temporal_external_storage_reference": b"true"}
    kept_elsewhere = [
        Payload(metadata={"encoding": b"json/external-storage-reference"}, data=b"7"),
        Payload(metadata=mark, data=b"7"),
    ]
    for payload in kept_elsewhere:
        with pytest.raises(RuntimeError, match="external storage is not configured"):
            await DataConverter.default.decode([payload])
    assert await DATA_CONVERTER.decode(kept_elsewhere) == [Undecodable("the payload can't be read (KeyError)"), 7]


@pytest.mark.parametrize(
    "address", ["224.0.1.1", "ff0e::1", "fec0::1", "64:ff9b::a00:1", "2002:7f00:1::"], ids=lambda each: each
)
def test_an_address_that_python_calls_global_may_lead_inside(address: str) -> None:
    assert ip_address(address).is_global
    assert not is_allowed(address)


def test_a_webhook_signed_in_another_zone_is_refused_by_who_has_signed_it() -> None:
    webhook = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    now = datetime.now(UTC).replace(microsecond=0)

    def verify(signed_at: datetime) -> None:
        signature = webhook.sign("msg_1", signed_at, "{}")
        headers = {"webhook-id": "msg_1", "webhook-timestamp": f"{now.timestamp():.0f}", "webhook-signature": signature}
        webhook.verify("{}", headers)

    verify(now)
    with pytest.raises(WebhookVerificationError):
        verify(now.astimezone(timezone(timedelta(hours=2))))
