-- Roles by least privilege, and the databases they own. Run by roles.sh as a superuser, who isn't needed afterwards.
--
--   stockkeeper_owner     owns the database `stockkeeper`; `stockkeeper setup` migrates as this role, and nobody else
--   stockkeeper_worker    logs in by itself; the migrations grant it what activities need, and no more
--   stockkeeper_reader    people who look by SQL or with a BI tool: the views of the schema `reporting`
--   stockkeeper_exporter  a program that copies the ledger elsewhere or watches the server: the view `reporting.ledger`
--   temporal              owns Temporal's two databases, and can't connect to ours
\set ON_ERROR_STOP on
-- A statement that fails isn't logged: it has a password.
SET log_min_error_statement = 'panic';
SET log_statement = 'none';
SET client_min_messages = 'warning';

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY[
    'stockkeeper_owner', 'stockkeeper_worker', 'stockkeeper_reader', 'stockkeeper_exporter', 'temporal'
]) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

\set owner_password `cat "$SECRETS/owner_password"`
\set worker_password `cat "$SECRETS/worker_password"`
\set reader_password `cat "$SECRETS/reader_password"`
\set exporter_password `cat "$SECRETS/exporter_password"`
\set temporal_password `cat "$SECRETS/temporal_password"`
ALTER ROLE stockkeeper_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 5
    PASSWORD :'owner_password';
ALTER ROLE stockkeeper_worker LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'worker_password';
ALTER ROLE stockkeeper_reader LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 20
    PASSWORD :'reader_password';
ALTER ROLE stockkeeper_exporter LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 5
    PASSWORD :'exporter_password';
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
GRANT CONNECT ON DATABASE stockkeeper TO stockkeeper_reader, stockkeeper_exporter;

-- Defaults of their sessions, for queries that are wrong rather than for people who are: what they may do at all are
-- their rights. Only the limit for sorts on disk can't be raised by themselves.
ALTER ROLE stockkeeper_reader SET default_transaction_read_only = on;
ALTER ROLE stockkeeper_reader SET statement_timeout = '60s';
ALTER ROLE stockkeeper_reader SET lock_timeout = '2s';
ALTER ROLE stockkeeper_reader SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE stockkeeper_reader SET temp_file_limit = '2GB';
ALTER ROLE stockkeeper_reader SET search_path = reporting;
-- A copy of the whole ledger is one statement.
ALTER ROLE stockkeeper_exporter SET default_transaction_read_only = on;
ALTER ROLE stockkeeper_exporter SET statement_timeout = '30min';
ALTER ROLE stockkeeper_exporter SET lock_timeout = '2s';
ALTER ROLE stockkeeper_exporter SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE stockkeeper_exporter SET temp_file_limit = '2GB';
ALTER ROLE stockkeeper_exporter SET search_path = reporting;

-- Before PostgreSQL 15 everybody may make tables in `public`, and only a superuser can take that back.
\connect stockkeeper
SET client_min_messages = 'warning';
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO stockkeeper_owner;
