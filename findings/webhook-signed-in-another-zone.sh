#!/bin/sh
# Standard Webhooks' library signs an instant in another zone as another instant, and refuses what it has signed.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check standardwebhooks==1.1.0
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
from datetime import datetime, timedelta, timezone
from importlib.metadata import version

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def is_good(now):
    """Whether the library verifies its own signature, with the seconds of the same instant as the header."""
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign("msg_1", now, "{}"),
    }
    try:
        webhook.verify("{}", headers)
    except WebhookVerificationError as error:
        return str(error)
    return True


now = datetime.now(timezone.utc)
here = now.astimezone(timezone(timedelta(hours=2)))
assert here == now
print("standardwebhooks", version("standardwebhooks"))
seen = {"in UTC": is_good(now), "the same instant two hours east": is_good(here)}
print(seen)
assert seen == {"in UTC": True, "the same instant two hours east": "No matching signature found"}
PYTHON
