#!/bin/sh
# Apprise's notify() answers with an object: 'is True' is never true. One service of several that refuses makes the whole answer falsy.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check apprise==2.2.0
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import apprise


class Mailbox(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503 if self.path == "/refused" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


print("apprise", version("apprise"))
with ThreadingHTTPServer(("127.0.0.1", 0), Mailbox) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = f"json://127.0.0.1:{server.server_port}"
    for places, truthy in ((["taken"], True), (["taken", "refused"], False)):
        answer = apprise.Apprise([f"{where}/{place}" for place in places]).notify(body="body", title="title")
        print(places, type(answer).__name__, "is True:", answer is True, "truthy:", bool(answer))
        assert answer is not True
        assert bool(answer) is truthy
    server.shutdown()
PYTHON
