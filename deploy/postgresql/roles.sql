-- Roles by least privilege, and the databases they own. Run by roles.sh as a superuser, who isn't needed afterwards.
--
--   stockkeeper_owner   owns the database `stockkeeper`; `stockkeeper setup` migrates as this role, and nobody else
--   stockkeeper_worker  logs in by itself; the migrations grant it what activities need, and no more
--   temporal            owns Temporal's two databases, and can't connect to ours
\set ON_ERROR_STOP on
-- A statement that fails isn't logged: it has a password.
SET log_min_error_statement = 'panic';
SET log_statement = 'none';
SET client_min_messages = 'warning';

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['stockkeeper_owner', 'stockkeeper_worker', 'temporal']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

\set owner_password `cat "$SECRETS/owner_password"`
\set worker_password `cat "$SECRETS/worker_password"`
\set temporal_password `cat "$SECRETS/temporal_password"`
ALTER ROLE stockkeeper_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'owner_password';
ALTER ROLE stockkeeper_worker LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'worker_password';
ALTER ROLE temporal LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'temporal_password';

SELECT format('CREATE DATABASE %I', name)
FROM unnest(ARRAY['stockkeeper', 'temporal', 'temporal_visibility']) AS name
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name)
\gexec
ALTER DATABASE stockkeeper OWNER TO stockkeeper_owner;
ALTER DATABASE temporal OWNER TO temporal;
ALTER DATABASE temporal_visibility OWNER TO temporal;

-- Everybody may connect to a new database, and make temporary tables in it, unless told otherwise.
REVOKE ALL ON DATABASE stockkeeper, temporal, temporal_visibility, postgres, template1 FROM PUBLIC;
-- A file that is imported passes through a temporary table.
GRANT CONNECT, TEMPORARY ON DATABASE stockkeeper TO stockkeeper_worker;
