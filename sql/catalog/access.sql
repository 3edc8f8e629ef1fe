-- Roles: who may do what (read by frontends every second), and the users that log in. Braces are psycopg.sql's.

-- name: rights
-- ``ours``: the registry's owner and superusers, as whom no client may log in.
SELECT r.rolname AS role, r.rolcanlogin AS can_log_in, o.ours,
       o.ours OR pg_has_role(r.oid, 'flinkms_reader', 'USAGE') AS reads,
       o.ours OR pg_has_role(r.oid, 'flinkms_deployer', 'USAGE') AS deploys,
       ARRAY(SELECT t.name FROM flinkms.tables AS t
             WHERE t.kind = 'stream' AND has_table_privilege(r.oid, to_regclass(format('public.%I', t.name)), 'INSERT')) AS inserts,
       -- What takes a Flink table's or a function's name where search_path looks first; temporary ones are their sessions'.
       ARRAY(SELECT ARRAY[n.nspname::text, c.relname::text]
             FROM flinkms.tables AS t JOIN pg_class AS c ON c.relname = t.name JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE n.nspname <> 'public' AND c.relpersistence <> 't' AND has_schema_privilege(r.oid, n.oid, 'USAGE')) AS relations,
       ARRAY(SELECT ARRAY[n.nspname::text, p.proname::text]
             FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
             JOIN pg_class AS c ON c.oid = 'flinkms.models'::regclass AND c.relowner <> p.proowner
             WHERE p.proname IN ('predict', 'recommend', 'similar') AND has_schema_privilege(r.oid, n.oid, 'USAGE')) AS functions,
       -- Settings its sessions start with: later ones win.
       ARRAY(SELECT kept FROM pg_db_role_setting AS s, unnest(s.setconfig) AS kept
             WHERE s.setrole IN (0, r.oid)
               AND s.setdatabase IN (0, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
             ORDER BY s.setrole <> 0, s.setdatabase <> 0) AS settings
FROM pg_roles AS r,
     LATERAL (SELECT r.rolsuper OR pg_has_role(r.oid, c.relowner, 'MEMBER') AS ours
              FROM pg_class AS c WHERE c.oid = 'flinkms.models'::regclass) AS o
WHERE pg_has_role(r.oid, 'flinkms_reader', 'MEMBER')

-- name: users
SELECT r.rolname AS name,
       CASE WHEN pg_has_role(r.oid, 'flinkms_deployer', 'USAGE') THEN 'deployer'
            WHEN pg_has_role(r.oid, 'flinkms_writer', 'USAGE') THEN 'writer' ELSE 'reader' END AS role
FROM pg_roles AS r JOIN pg_class AS c ON c.oid = 'flinkms.models'::regclass
WHERE r.rolcanlogin AND NOT r.rolsuper AND NOT pg_has_role(r.oid, c.relowner, 'MEMBER')
  AND pg_has_role(r.oid, 'flinkms_reader', 'USAGE')
ORDER BY r.rolname

-- name: exists
SELECT to_regrole(%(name)s) IS NOT NULL AS present

-- name: groups
SELECT g.rolname AS name FROM pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid
WHERE m.member = to_regrole(%(name)s) AND g.rolname IN ('flinkms_reader', 'flinkms_writer', 'flinkms_deployer')

-- name: keep_created
-- So that its schema can be made, and dropped with it.
SET LOCAL createrole_self_grant = 'inherit, set'

-- name: create_user
CREATE ROLE {name} LOGIN

-- name: revoke_group
REVOKE {group} FROM {name}

-- name: grant_group
GRANT {group} TO {name}

-- name: create_schema
-- Never one that is there: whoever made it would own what the user puts there.
CREATE SCHEMA {name} AUTHORIZATION {name}

-- name: schema_owner
SELECT nspowner::regrole::text AS owner FROM pg_namespace WHERE nspname = %(name)s

-- name: owns_schema
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %(name)s AND nspowner = to_regrole(%(quoted)s)) AS present

-- name: drop_schema
DROP SCHEMA {name}

-- name: drop_user
DROP ROLE {name}
