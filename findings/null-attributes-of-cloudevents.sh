#!/bin/sh
# cloudevents 2 refuses a null subject and fails at a null time, which the JSON format says are to be read as left out;
# and an event that says no time gets that of its reading.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check cloudevents==2.2.0 python-dateutil==2.9.0.post0
cd "$venv"
"$venv/bin/python" - <<'PYTHON'
import json
from importlib.metadata import version

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

# "Unset attributes MAY be encoded to the JSON value of null. When decoding attributes and a null value is encountered,
# it MUST be treated as the equivalent of unset or omitted": CloudEvents 1.0.2, JSON event format.
needed = {"specversion": "1.0", "id": "1042", "source": "/stock", "type": "level.changed.v1"}


def read(**unset):
    try:
        found = JSONFormat().read(CloudEvent, json.dumps(needed | unset))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return [name for name in sorted(json.loads(JSONFormat().write(found))) if name not in needed]


print("cloudevents", version("cloudevents"))
left_out, no_subject, no_time, no_extension = read(), read(subject=None), read(time=None), read(reason=None)
print("left out:", left_out)
print("null subject:", no_subject)
print("null time:", no_time)
print("null extension:", no_extension)
# Read twice, one event has two times.
assert left_out == ["time"], left_out
assert no_subject.startswith("CloudEventValidationError")
assert no_time == "TypeError: object of type 'NoneType' has no len()", no_time
# It comes out again as an attribute that is there.
assert no_extension == ["reason", "time"], no_extension
PYTHON
