#!/bin/sh
# Makes Temporal's tables in its two databases, or brings them to this version's; again and again without harm.
# The databases are there already (roles.sql), and each step's failure ends this.
set -eu
SQL_PASSWORD=$(cat /run/secrets/temporal_password)
export SQL_PASSWORD
for database in temporal temporal_visibility; do
  part=${database#temporal_}
  tool="temporal-sql-tool --plugin $DB --endpoint $POSTGRES_SEEDS --port $DB_PORT --user $POSTGRES_USER --database $database"
  $tool setup-schema --version 0.0
  $tool update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$part/versioned"
done
