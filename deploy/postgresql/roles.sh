#!/bin/sh
# Makes the roles and databases, or brings them to this version's; again and again without harm.
# PGHOST and PGPORT say where, and SECRETS the directory of the passwords.
set -eu
export SECRETS
for name in owner worker reader exporter temporal; do
  password=$(cat "$SECRETS/${name}_password")
  case $password in
    '' | *[[:space:]]*)
      echo "$SECRETS/${name}_password: a password is one line without spaces" >&2
      exit 1
      ;;
  esac
done
export PGUSER="${PGUSER:-postgres}" PGDATABASE=postgres PGAPPNAME=roles
if [ -z "${PGPASSWORD:-}" ]; then
  PGPASSWORD=$(cat "$SECRETS/postgres_password")
  export PGPASSWORD
fi
psql --no-psqlrc --quiet --file "$(dirname "$0")/roles.sql"
echo "roles and databases: all there"
