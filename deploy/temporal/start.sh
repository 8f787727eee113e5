#!/bin/sh
# Starts the server with the password from its file. The server writes it between double quotes into YAML, so quotes and
# backslashes in it are escaped.
set -eu
POSTGRES_PWD=$(sed 's/[\\"]/\\&/g' /run/secrets/temporal_password)
export POSTGRES_PWD
exec /etc/temporal/entrypoint.sh
