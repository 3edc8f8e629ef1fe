"""What an attacker tries, as a client, and the one SQLSTATE that each attempt fails with.

42501 where others may do it. Another one only where there is nothing to do for anybody: a server that lacks the extension, a
statement that no Flink table has. ``{victim}`` is the backend of another client's session. Before them a session has made
what ``BEFORE`` makes.
"""

from __future__ import annotations

BEFORE = """
CREATE TEMP TABLE own (x text);
CREATE TEMP VIEW seen AS SELECT 1 AS x;
CREATE FUNCTION pg_temp.as_owner() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN SET ROLE flinkms_owner; RETURN current_user; END';
CREATE FUNCTION pg_temp.as_set() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text';
ALTER FUNCTION pg_temp.as_set() SET role = flinkms_owner;
CREATE FUNCTION pg_temp.files() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN pg_read_file('/etc/passwd'); END $$;
CREATE FUNCTION pg_temp.writes() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN DELETE FROM flinkms.models; END'
"""

REGISTRY = """
DELETE FROM {table}
UPDATE {table} SET {column} = {column}
INSERT INTO {table} DEFAULT VALUES
INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {table}
MERGE INTO {table} AS t USING {table} AS s ON t.{column} = s.{column} WHEN MATCHED THEN DELETE
WITH gone AS (DELETE FROM {table} RETURNING 1) SELECT count(*) FROM gone
TRUNCATE {table}
DROP TABLE {table} CASCADE
ALTER TABLE {table} ADD COLUMN mine integer
ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT NULL
ALTER TABLE {table} DISABLE TRIGGER ALL
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY
ALTER TABLE {table} OWNER TO CURRENT_USER
ALTER TABLE {table} RENAME TO mine
DO 'BEGIN LOCK TABLE {table} IN EXCLUSIVE MODE; END'
DO 'BEGIN DELETE FROM {table}; END'
SELECT 1 FROM {table} FOR UPDATE
SELECT 1 FROM {table} FOR KEY SHARE
CREATE TRIGGER mine AFTER INSERT ON {table} EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()
CREATE INDEX ON {table} ({column})
CREATE RULE mine AS ON UPDATE TO {table} DO INSTEAD NOTHING
CREATE POLICY mine ON {table}
CREATE STATISTICS mine ON {column}, ctid FROM {table}
CREATE TEMP TABLE heir () INHERITS ({table})
COPY {table} FROM STDIN
COPY {table} TO '/etc/mine'
COMMENT ON TABLE {table} IS 'mine'
COMMENT ON COLUMN {table}.{column} IS 'mine'
"""
"""Of each table of the registry."""

DENIED = """
COPY (SELECT 1) TO PROGRAM 'id'
COPY pg_class TO '/etc/mine'
COPY pg_temp.own FROM '/etc/passwd'
COPY pg_temp.own FROM PROGRAM 'id'
SELECT pg_read_file('/etc/passwd')
SELECT pg_read_binary_file('/etc/passwd')
SELECT pg_ls_dir('/')
SELECT pg_ls_logdir()
SELECT pg_ls_waldir()
SELECT pg_ls_tmpdir()
SELECT pg_stat_file('/etc/passwd')
SELECT pg_current_logfile()
SELECT lo_import('/etc/passwd')
SELECT lo_export(1, '/etc/mine')
ALTER SYSTEM SET archive_command = 'id'
ALTER SYSTEM RESET ALL
SELECT pg_reload_conf()
SELECT pg_rotate_logfile()
SELECT pg_switch_wal()
SELECT pg_promote()
SELECT pg_create_restore_point('x')
SELECT pg_backup_start('x')
SELECT pg_create_physical_replication_slot('x')
CHECKPOINT
LOAD 'plpgsql'
LOAD '/etc/mine.so'
SET session_preload_libraries = 'mine'
SET dynamic_library_path = '/etc'
CREATE LANGUAGE mine HANDLER plpgsql_call_handler
CREATE EXTENSION vector
CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE c AS 'libc', 'system'
CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE internal AS 'int4pl'
CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION flinkms.refuse_write()
CREATE EVENT TRIGGER mine ON login EXECUTE FUNCTION flinkms.refuse_write()
CREATE FOREIGN DATA WRAPPER mine
CREATE PUBLICATION mine FOR ALL TABLES
CREATE SUBSCRIPTION mine CONNECTION '' PUBLICATION p
CREATE TABLESPACE mine LOCATION '/etc'
CREATE ACCESS METHOD mine TYPE TABLE HANDLER heap_tableam_handler
CREATE CAST (text AS bigint) WITH INOUT AS IMPLICIT
CREATE ROLE mine
CREATE DATABASE mine
DROP DATABASE postgres
ALTER DATABASE flinkms SET search_path = mine
ALTER DATABASE flinkms OWNER TO CURRENT_USER
ALTER DATABASE flinkms RENAME TO mine
ALTER ROLE flinkms_owner PASSWORD 'x'
ALTER ROLE flinkms_owner SET search_path = mine
ALTER ROLE ALL SET search_path = mine
ALTER ROLE postgres NOLOGIN
DROP ROLE flinkms_owner
DROP OWNED BY flinkms_owner
REASSIGN OWNED BY flinkms_owner TO CURRENT_USER
ALTER ROLE CURRENT_USER SUPERUSER
ALTER ROLE CURRENT_USER CREATEROLE
ALTER ROLE CURRENT_USER BYPASSRLS
SET ROLE flinkms_owner
SET LOCAL ROLE flinkms_owner
SET SESSION ROLE postgres
SELECT set_config('role', 'flinkms_owner', false)
SET SESSION AUTHORIZATION flinkms_owner
SET SESSION AUTHORIZATION postgres
SET SESSION AUTHORIZATION access_victim
SELECT set_config('session_authorization', 'postgres', false)
DO $$ BEGIN EXECUTE 'SET ROLE flinkms_owner'; END $$
DO $$ BEGIN PERFORM set_config('role', 'postgres', false); END $$
SET ROLE access_victim
GRANT flinkms_owner TO CURRENT_USER
GRANT flinkms_deployer TO CURRENT_USER
GRANT access_victim TO CURRENT_USER
GRANT pg_execute_server_program TO CURRENT_USER
GRANT pg_read_all_data TO CURRENT_USER
REVOKE flinkms_reader FROM flinkms_writer
CREATE SCHEMA mine AUTHORIZATION flinkms_owner
CREATE TABLE access_victim.mine (x int)
DROP SCHEMA access_victim
GRANT ALL ON SCHEMA access_victim TO PUBLIC
ALTER SCHEMA public OWNER TO CURRENT_USER
DROP SCHEMA public CASCADE
ALTER DEFAULT PRIVILEGES FOR ROLE flinkms_owner GRANT ALL ON TABLES TO CURRENT_USER
SET session_replication_role = replica
SET log_statement = 'none'
SET zero_damaged_pages = on
SET lo_compat_privileges = on
SET allow_system_table_mods = on
SELECT * FROM pg_authid
SELECT * FROM pg_shadow
SELECT * FROM pg_statistic
SELECT * FROM pg_user_mapping
SELECT * FROM pg_subscription
SELECT * FROM pg_largeobject
SELECT * FROM pg_hba_file_rules
SELECT * FROM pg_ident_file_mappings
SELECT * FROM pg_file_settings
SHOW data_directory
SHOW hba_file
SELECT current_setting('config_file')
SELECT pg_terminate_backend({victim})
SELECT pg_cancel_backend({victim})
SELECT pg_log_backend_memory_contexts({victim})
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'flinkms_owner'
SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'flinkms_owner'
SELECT pg_stat_reset()
DROP SCHEMA flinkms CASCADE
ALTER SCHEMA flinkms RENAME TO mine
CREATE TABLE flinkms.mine (x int)
CREATE VIEW flinkms.mine AS SELECT 1
CREATE FUNCTION flinkms.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE TYPE flinkms.mine AS (x int)
CREATE OPERATOR flinkms.= (LEFTARG = int, RIGHTARG = bigint, FUNCTION = pg_catalog.int48eq)
CREATE OR REPLACE FUNCTION flinkms.refuse_write() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'
ALTER FUNCTION flinkms.notify_changed() OWNER TO CURRENT_USER
ALTER FUNCTION flinkms.raise_generation() SECURITY DEFINER
DROP FUNCTION flinkms.missing_prediction()
CREATE TRIGGER mine AFTER INSERT ON pg_temp.own EXECUTE FUNCTION flinkms.notify_changed('catalog')
SELECT setval('flinkms.jobs_id_seq', 1)
SELECT nextval('flinkms.jobs_id_seq')
ALTER SEQUENCE flinkms.jobs_id_seq RESTART
DROP TABLE pg_catalog.pg_class
UPDATE pg_catalog.pg_class SET relowner = 10
CREATE TABLE pg_catalog.mine (x int)
CREATE FUNCTION pg_catalog.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'
ALTER FUNCTION pg_catalog.now() OWNER TO CURRENT_USER
DROP FUNCTION public.predict(text, bigint, bigint)
CREATE OR REPLACE FUNCTION public.predict(model text, a bigint, b bigint) RETURNS float8 LANGUAGE sql AS 'SELECT 1.0::float8'
ALTER FUNCTION public.predict(text, bigint, bigint) SECURITY DEFINER
CREATE TRIGGER mine AFTER INSERT ON public.access_events EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()
DROP TRIGGER flinkms_refuse_write ON public.access_events
CREATE POLICY mine ON public.access_events
CREATE RULE mine AS ON INSERT TO access_events DO INSTEAD NOTHING
CREATE INDEX ON access_events (x)
COMMENT ON TABLE access_events IS 'x'
CREATE TABLE pg_temp.heir () INHERITS (access_events)
DO $$ BEGIN DELETE FROM access_events; END $$
DO $$ BEGIN ALTER TABLE access_events DISABLE TRIGGER ALL; END $$
ALTER FUNCTION pg_temp.as_owner() OWNER TO flinkms_owner
ALTER VIEW pg_temp.seen OWNER TO flinkms_owner
ALTER TABLE pg_temp.own OWNER TO flinkms_owner
CREATE FUNCTION pg_temp.other() RETURNS int LANGUAGE sql SET role = flinkms_owner AS 'SELECT 1'
CREATE FUNCTION pg_temp.other() RETURNS int LANGUAGE sql SET session_authorization = postgres AS 'SELECT 1'
SELECT pg_temp.as_owner()
SELECT pg_temp.as_set()
SELECT pg_temp.files()
SELECT pg_temp.writes()
"""
"""For every client, whatever it is."""

NOBODYS = {
    "0A000": """
CREATE LANGUAGE c
CREATE EXTENSION plpython3u
CREATE EXTENSION dblink
CREATE EXTENSION file_fdw
ALTER TABLE public.access_events DISABLE TRIGGER ALL
ALTER TABLE public.access_events OWNER TO CURRENT_USER
ALTER TABLE access_events ADD COLUMN mine int
ALTER TABLE access_events SET SCHEMA pg_temp
TRUNCATE access_events
DELETE FROM access_events
UPDATE access_events SET x = 1
LOCK TABLE access_events
COPY access_events FROM STDIN
CREATE VIEW pg_temp.events AS SELECT * FROM access_events
INSERT INTO access_sink SELECT u, x FROM access_events /*+ OPTIONS('path' = '/etc') */
INSERT INTO access_sink SELECT u, x FROM access_events /*+ OPTIONS('path' = '/etc') */ WHERE u > 1
""",
    "42883": """
SELECT dblink('user=flinkms_owner', 'SELECT 1')
SELECT dblink_connect('user=postgres')
""",
    "42704": """
DO LANGUAGE plpython3u 'x'
CREATE SERVER mine FOREIGN DATA WRAPPER mine
""",
}
"""What is there for nobody, by what it fails with."""

READERS = """
CREATE TABLE public.mine (x int)
CREATE FUNCTION public.lower(x int) RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE SCHEMA mine
"""
"""Denied to who does not deploy."""


def lines(text: str) -> list[str]:
    """The attempts of a text."""
    return text.strip().splitlines()
