"""An order with lines in two databases, where identities are required and payloads are encrypted."""

import base64
import dataclasses
import json
import os
from pathlib import Path

import pytest
from sqlalchemy import text
from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior

from stockkeeper import Line, NotPermitted
from stockkeeper.client.encryption import EncryptionCodec, parse_keys
from stockkeeper.contracts.encryption import key_id_of
from stockkeeper.domain.reservation import ReservationStatus
from tests.support.books import level
from tests.support.encrypted import events_of, payloads_of
from tests.support.identity import Provider, carrying
from tests.support.rows import found
from tests.support.several_databases import Both
from tests.support.shop import new_reference

_WHO = text(
    "SELECT performed_by, quantity FROM stock_movements WHERE movement_type = 'SALE' AND reference_id = :number"
)


def encrypting(client: Client) -> Client:
    """The same client, with a key."""
    keys = parse_keys(f"parts:{base64.b64encode(os.urandom(32)).decode()}")
    converter = dataclasses.replace(client.data_converter, payload_codec=EncryptionCodec(keys))
    config = client.config()
    config["data_converter"], config["header_codec_behavior"] = converter, HeaderCodecBehavior.CODEC
    return Client(**config)


async def test_whoever_may_in_both_warehouses_holds_and_ships_and_nothing_is_in_the_clear(
    both: Both, tmp_path: Path
) -> None:
    north, south = await both.item(both.north, 10), await both.item(both.south, 10)
    provider, hidden = Provider(tmp_path / "keys.json"), encrypting(both.client)
    lines = [Line(each.product_id, each.warehouse_id, quantity=3) for each in (north, south)]
    ann = provider.token("ann", "sell", warehouses=[north.warehouse_id, south.warehouse_id])
    async with both.worked_by(hidden, **provider.settings):
        for token in (
            None,
            provider.token("ann", "look"),
            provider.token("ann", "sell", warehouses=[north.warehouse_id]),
            provider.token("ben", "sell"),
        ):
            stock = both.caller(client=hidden if token is None else carrying(hidden, token))
            with pytest.raises(NotPermitted):
                await stock.reserve(new_reference(), lines, performed_by="ann")
            assert (level(both.north.engine, north), level(both.south.engine, south)) == ((10, 0), (10, 0))
        stock, order = both.caller(client=carrying(hidden, ann)), new_reference()
        hold = await stock.reserve(order, lines, performed_by="ann")
        assert (level(both.north.engine, north), level(both.south.engine, south)) == ((10, 3), (10, 3))
        other = both.caller(client=carrying(hidden, provider.token("ben", "sell", warehouses=[north.warehouse_id])))
        with pytest.raises(NotPermitted):
            await other.cancel(order, performed_by="ben", reason="mine is elsewhere")
        with pytest.raises(NotPermitted):
            await hold.fulfill(performed_by="ben")
        assert (level(both.north.engine, north), level(both.south.engine, south)) == ((10, 3), (10, 3))
        assert (await hold.fulfill(performed_by="ann")).status is ReservationStatus.FULFILLED
    for one, item in ((both.north, north), (both.south, south)):
        assert (level(one.engine, item), found(one.engine, _WHO, order)) == ((7, 0), [("ann", -3)])
    payloads = [
        each for event in await events_of(both.client, f"reservation-{order}", runs=1) for each in payloads_of(event)
    ]
    clear = [json.loads(each.data) for each in payloads if key_id_of(each) != "parts"]
    assert len(payloads) > len(clear)
    # The SDK's own markers of local activities, which no codec reaches.
    assert {each["activity_type"] for each in clear} == {"identify"}
    assert not any("ann" in str(each) or order in str(each) for each in clear)
