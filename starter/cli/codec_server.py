"""`stockkeeper codec-server`: lets the Temporal UI show what is encrypted, to people who sign in."""

import logging
import os
import signal
from typing import Annotated

import typer

from starter.cli.context import UI_URL, fail, read_input, ui_url
from starter.cli.output import out
from starter.codec_server import SIGN_IN, CodecServer, SignIn, origin_of
from stockkeeper.client.encryption import EncryptionCodec, read_keys
from stockkeeper.contracts.encryption import KEYS_FILE
from stockkeeper.contracts.settings import require_known

TOKEN = "STOCKKEEPER_CODEC_TOKEN"  # noqa: S105 - a variable's name


def codec_server(
    *,
    host: Annotated[str, typer.Option(help="The IP address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port; 0: any that is free.")] = 8088,
    ui_origin: Annotated[
        str | None,
        typer.Option(metavar="URL", help=f"The Temporal UI's address, if it isn't {UI_URL} or this directory's stack."),
    ] = None,
) -> None:
    """Decrypt payloads for the Temporal UI and the `temporal` command, until Ctrl-C; docs/encryption.md says how.

    It has the keys of a worker, and asks for the token in STOCKKEEPER_CODEC_TOKEN or its file.
    """
    server = read_input(lambda: _server(host, port, ui_origin))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    listens_on = f"{host}:{server.server_port}" if ":" not in host else f"[{host}]:{server.server_port}"
    out.print(f"codec server on http://{listens_on}, for {server.sign_in.ui_origin}; sign in at {SIGN_IN}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def _server(host: str, port: int, ui_origin: str | None) -> CodecServer:
    require_known(os.environ)
    address = ui_origin or ui_url()
    if address is None:
        fail(f"say where the Temporal UI is: --ui-origin, or {UI_URL}")
    token, keys = os.environ.get(TOKEN, ""), read_keys(os.environ)
    if not token:
        fail(f"{TOKEN} or {TOKEN}_FILE has to be set: whoever knows it may read all payloads")
    if keys is None:
        fail(f"{KEYS_FILE} isn't set: there is nothing to decrypt with")
    return CodecServer((host, port), EncryptionCodec(keys), SignIn(token, origin_of(address)))
