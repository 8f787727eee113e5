#!/bin/sh
# temporalio says nothing for a minute of a worker whose polls are refused, as those with a key that may do everything else
# are: no log, no error. Then the worker fails, with the refusal behind "Activity worker failed". It takes two minutes.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check temporalio==1.35.0
cd "$venv"
"$venv/bin/python" - <<'PYTHON' 2>"$venv/said"
import asyncio
import gzip
import time
from importlib.metadata import version

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

QUEUE = "a-queue"


def header(name, value):
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def answered(stream, refused):
    """The end of a call of gRPC: permission denied, or done, with an empty message."""
    head = header(":status", "200") + header("content-type", "application/grpc")
    if refused:
        return frame(1, 5, stream, head + header("grpc-status", "7") + header("grpc-message", "Request unauthorized."))
    return frame(1, 4, stream, head) + frame(0, 0, stream, bytes(5)) + frame(1, 5, stream, header("grpc-status", "0"))


async def serve(reader, writer):
    """A server that refuses whatever names the task queue, which are polls and their like."""
    bodies = {}
    try:
        await reader.readexactly(24)
        writer.write(frame(4, 0, 0))
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind in (4, 6) and not flags & 1:
                writer.write(frame(kind, 1, 0, payload if kind == 6 else b""))
            if kind == 0:
                bodies[stream] = bodies.get(stream, b"") + payload
                if flags & 1:
                    body = bodies.pop(stream)
                    message = gzip.decompress(body[5:]) if body[0] else body[5:]
                    writer.write(answered(stream, QUEUE.encode() in message))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


@activity.defn
async def nothing():
    pass


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = await Client.connect(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    print("temporalio", version("temporalio"))
    began = time.monotonic()
    try:
        await asyncio.wait_for(Worker(client, task_queue=QUEUE, activities=[nothing]).run(), 110)
    except RuntimeError as error:
        seconds = time.monotonic() - began
        print(f"the worker failed after {seconds:.0f} s: {error}; behind it: {str(error.__cause__)[:120]}")
        assert "PermissionDenied" in str(error.__cause__)
        assert seconds > 30, "it is told earlier now"


asyncio.run(main())
PYTHON
echo "and what it had said until then, in $(wc -l <"$venv/said") lines:"
cut -c1-160 "$venv/said" | head -n 3
