#!/bin/sh
# Apprise 2.2.0 writes to another mailbox than the one in its URL.
#
# An apostrophe is legal in a mail address (RFC 5322, atext): o'brien@example.com. Apprise takes it for the end of a
# quoted name and sends the mail to brien@example.com, as a success. A legal address in quotation marks, or one in a
# domain beyond ASCII, loses its recipient without an error when the URL is read.
# Exits 0 as long as that is so.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check "apprise==${APPRISE_VERSION:-2.2.0}"
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
import logging
import socketserver
import sys
import threading
from urllib.parse import quote

import apprise

logging.disable()
envelopes = []


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"RCPT":
                envelopes.append(line.decode().strip())
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() != b".\r\n":
                    pass
            self.wfile.write(b"250 fine\r\n")
            if verb == b"QUIT":
                return


with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"mailto://robot@127.0.0.1:{server.server_address[1]}/?from=robot@shop.example&to="
    seen = []
    for address in ("o'brien@example.com", '"smith,john"@example.com', "info@m\u00fcller.example"):
        envelopes.clear()
        sent = bool(apprise.Apprise(url + quote(address, safe="")).notify(title="Order", body="5 mugs"))
        seen.append((address, sent, [line.partition("<")[2].partition(">")[0] for line in envelopes]))
    server.shutdown()
for address, sent, recipients in seen:
    print(f"apprise {apprise.__version__}: to {address}: {'sent' if sent else 'not sent'}, recipients {recipients}")
expected = [
    ("o'brien@example.com", True, ["brien@example.com"]),
    ('"smith,john"@example.com', False, []),
    ("info@m\u00fcller.example", False, []),
]
sys.exit(0 if seen == expected else 1)
PYTHON
