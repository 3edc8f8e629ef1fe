-- A Flink table: columns, watermark, key and options; the definition is kept whole.
CREATE TABLE IF NOT EXISTS clicks (
  `user id` BIGINT NOT NULL, tags ARRAY<INT> COMMENT 'seen', at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  WATERMARK FOR at AS at - INTERVAL '5' SECOND,
  PRIMARY KEY (`user id`) NOT ENFORCED
) WITH ('connector' = 'flinkms', 'retention' = '7 d')
---
Deploy: create table clicks (user id BIGINT, tags ARRAY<INT>, at TIMESTAMP_LTZ(6), primary key user id, watermark at) with connector=flinkms, retention=7 d unless it exists
  route: deploy

-- Without WITH ('…') it is a table of PostgreSQL's.
CREATE TABLE clicks (user_id bigint) WITH (fillfactor = 70)
---
Relay to PostgreSQL
  route: relational

CREATE TABLE t (a BIGINT, b MAP<STRING, INT>) WITH ('connector' = 'flinkms')
---
ERROR 42704: type "MAP<STRING" does not exist or is not supported
LINE: CREATE TABLE t (a BIGINT, b MAP<STRING, INT>) WITH ('connector' = 'flinkms')
                                  ^
HINT: Supported types: BOOLEAN, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, STRING, BYTES, DATE, TIMESTAMP(6), TIMESTAMP_LTZ(6), ARRAY<SMALLINT>, ARRAY<INT>, ARRAY<BIGINT>, ARRAY<FLOAT>, ARRAY<DOUBLE>.

CREATE TABLE t (a BIGINT, a INT) WITH ('connector' = 'flinkms')
---
ERROR 42701: column "a" specified more than once
LINE: CREATE TABLE t (a BIGINT, a INT) WITH ('connector' = 'flinkms')
                                ^

CREATE TABLE t (a BIGINT, PRIMARY KEY (b) NOT ENFORCED) WITH ('connector' = 'flinkms')
---
ERROR 42703: column "b" named in key does not exist
LINE: CREATE TABLE t (a BIGINT, PRIMARY KEY (b) NOT ENFORCED) WITH ('connector' = 'flinkms')
                   ^

CREATE TABLE t (a BIGINT, b AS a + 1) WITH ('connector' = 'flinkms')
---
ERROR 0A000: computed columns are not supported
LINE: CREATE TABLE t (a BIGINT, b AS a + 1) WITH ('connector' = 'flinkms')
                                ^
HINT: Compute it in the query that reads the table.

CREATE TABLE t (a BIGINT) WITH ('path' = '/data')
---
ERROR 22023: table "t" names no connector
LINE: CREATE TABLE t (a BIGINT) WITH ('path' = '/data')
                   ^
HINT: Add 'connector' = 'flinkms' or another to WITH (…).

CREATE TEMPORARY TABLE t (a BIGINT) WITH ('connector' = 'flinkms')
---
ERROR 0A000: a Flink table cannot be temporary
LINE: CREATE TEMPORARY TABLE t (a BIGINT) WITH ('connector' = 'flinkms')
             ^

CREATE TABLE t (a BIGINT) WITH ('connector' = 'flinkms' 'x' = 'y')
---
ERROR 42601: syntax error at or near "'x'"
LINE: CREATE TABLE t (a BIGINT) WITH ('connector' = 'flinkms' 'x' = 'y')
                                                              ^
HINT: Expected the end of the statement.

-- A model, with and without its training query.
CREATE MODEL rec INPUT (user_id BIGINT, item_id BIGINT) OUTPUT (rating DOUBLE)
  WITH ('algorithm' = 'als', 'factors' = '32') AS SELECT user_id, item_id, rating FROM ratings WHERE rating IS NOT NULL
---
Deploy: create model rec (user_id BIGINT, item_id BIGINT) -> rating DOUBLE with algorithm=als, factors=32, train from ratings: SELECT user_id, item_id, rating FROM ratings WHERE rating IS NOT NULL
  route: deploy

CREATE MODEL IF NOT EXISTS spam INPUT (features ARRAY<FLOAT>) OUTPUT (label INT) WITH ('algorithm' = 'svm')
---
Deploy: create model spam (features ARRAY<FLOAT>) -> label INT with algorithm=svm unless it exists
  route: deploy

CREATE MODEL rec INPUT (user_id BIGINT) OUTPUT (rating DOUBLE) WITH ('factors' = '32')
---
ERROR 22023: model "rec" names no algorithm
LINE: CREATE MODEL rec INPUT (user_id BIGINT) OUTPUT (rating DOUBLE) WITH ('factors' = '32')
                                                                     ^
HINT: Add 'algorithm' = 'als' or another to WITH (…).

CREATE MODEL rec INPUT (user_id BIGINT) WITH ('algorithm' = 'als')
---
ERROR 42601: syntax error at or near "WITH"
LINE: CREATE MODEL rec INPUT (user_id BIGINT) WITH ('algorithm' = 'als')
                                              ^
HINT: Expected OUTPUT.

CREATE MODEL rec INPUT () OUTPUT (rating DOUBLE) WITH ('algorithm' = 'als')
---
ERROR 42601: syntax error at or near ")"
LINE: CREATE MODEL rec INPUT () OUTPUT (rating DOUBLE) WITH ('algorithm' = 'als')
                              ^
HINT: Expected a column.

CREATE OR REPLACE MODEL rec INPUT (user_id BIGINT) OUTPUT (rating DOUBLE) WITH ('algorithm' = 'als')
---
ERROR 0A000: a model cannot be replaced
LINE: CREATE OR REPLACE MODEL rec INPUT (user_id BIGINT) OUTPUT (rating DOUBLE) WITH ('algorithm' = 'als')
             ^
HINT: REFRESH MODEL trains a new version; DROP MODEL first to declare it anew.

CREATE MODEL a.rec INPUT (user_id BIGINT) OUTPUT (rating DOUBLE) WITH ('algorithm' = 'als')
---
ERROR 0A000: models and Flink tables are in no schema
LINE: CREATE MODEL a.rec INPUT (user_id BIGINT) OUTPUT (rating DOUBLE) WITH ('algorithm' = 'als')
                    ^
HINT: Leave out a.

CREATE MODEL "rec@2" INPUT (user_id BIGINT) OUTPUT (rating DOUBLE) WITH ('algorithm' = 'als')
---
ERROR 42602: "rec@2" is no name of a model: what follows an @ says which version is meant
LINE: CREATE MODEL "rec@2" INPUT (user_id BIGINT) OUTPUT (rating DOUBLE) WITH ('algorithm' = 'als')
                   ^

CREATE MODEL rec INPUT (user_id BIGINT) OUTPUT (rating DOUBLE) WITH ('algorithm' = 'als', 'algorithm' = 'svm')
---
ERROR 42601: option 'algorithm' is given more than once
LINE: CREATE MODEL rec INPUT (user_id BIGINT) OUTPUT (rating DOUBLE) WITH ('algorithm' = 'als', 'algorithm' = 'svm')
                                                                                                ^

-- Learning from a stream.
INSERT INTO MODEL rec SELECT user_id, item_id, rating FROM rating_events
---
Deploy: learn model rec from rating_events: SELECT user_id, item_id, rating FROM rating_events
  route: deploy

-- A table of PostgreSQL's may be called model.
INSERT INTO model VALUES (1)
---
Relay to PostgreSQL
  route: relational

INSERT INTO MODEL rec
---
ERROR 42601: syntax error at end of input
LINE: INSERT INTO MODEL rec
                           ^
HINT: Expected SELECT.

-- Versions.
REFRESH MODEL rec
---
Deploy: refresh model rec
  route: deploy

ALTER MODEL rec PROMOTE VERSION 4
---
Deploy: promote version 4 of model rec
  route: deploy

ALTER MODEL rec PROMOTE VERSION 0
---
ERROR 42601: syntax error at or near "0"
LINE: ALTER MODEL rec PROMOTE VERSION 0
                                      ^
HINT: Expected a version number.

ALTER MODEL rec SET ALIAS canary TO VERSION 4
---
Deploy: let rec@canary mean version 4
  route: deploy

ALTER MODEL rec DROP ALIAS canary
---
Deploy: drop alias rec@canary
  route: deploy

-- What stands behind an @ is a version's number, an alias or a moment.
ALTER MODEL rec SET ALIAS "4" TO VERSION 4
---
ERROR 42602: "4" is no name of an alias
LINE: ALTER MODEL rec SET ALIAS "4" TO VERSION 4
                                ^
HINT: A number is a version, a date a moment.

ALTER MODEL rec ROLLBACK
---
Deploy: roll back model rec
  route: deploy

ALTER MODEL rec SET ('learning_rate' = '0.05')
---
Deploy: set options of model rec: learning_rate=0.05
  route: deploy

ALTER MODEL rec RENAME TO best
---
ERROR 42601: syntax error at or near "RENAME"
LINE: ALTER MODEL rec RENAME TO best
                      ^
HINT: Expected PROMOTE VERSION, ROLLBACK, SET, SET ALIAS or DROP ALIAS.

DROP MODEL IF EXISTS rec
---
Deploy: drop model rec if it exists
  route: deploy

DROP TABLE public.ratings
---
Deploy: drop table ratings
  route: deploy

DROP TABLE ratings, movies
---
ERROR 0A000: Flink tables are dropped in a statement of their own
LINE: DROP TABLE ratings, movies
                          ^
DETAIL: "movies" is no Flink table.

DROP TABLE ratings, rating_events CASCADE
---
Deploy: drop table ratings, rating_events with what depends on it
  route: deploy

DROP TABLE IF EXISTS ratings, public.rating_events RESTRICT
---
Deploy: drop table ratings, rating_events if it exists
  route: deploy

DROP TABLE ratings CASCADE RESTRICT
---
ERROR 42601: syntax error at or near "RESTRICT"
LINE: DROP TABLE ratings CASCADE RESTRICT
                                 ^
HINT: Expected the end of the statement.

DROP MODEL rec, tumor CASCADE
---
Deploy: drop model rec, tumor with what depends on it
  route: deploy

DROP MODEL rec CONSTRAINTS
---
ERROR 42601: syntax error at or near "CONSTRAINTS"
LINE: DROP MODEL rec CONSTRAINTS
                     ^
HINT: Expected the end of the statement.

DROP TABLE movies, other
---
Relay to PostgreSQL
  route: relational

-- Evaluation of any version over a query whose last column is the label.
EVALUATE MODEL rec@3 USING SELECT user_id, item_id, rating FROM ratings
---
Deploy: evaluate model rec@3 over ratings: SELECT user_id, item_id, rating FROM ratings
  route: deploy
columns: metric STRING, value DOUBLE, rows BIGINT, unknown_rows BIGINT, failed_rows BIGINT

EVALUATE MODEL 'rec@2026-11-20' USING WITH held AS (SELECT * FROM ratings) SELECT * FROM held
---
Deploy: evaluate model rec@2026-11-20 00:00:00+00 over ratings: WITH held AS (SELECT * FROM ratings) SELECT * FROM held
  route: deploy
columns: metric STRING, value DOUBLE, rows BIGINT, unknown_rows BIGINT, failed_rows BIGINT

EVALUATE MODEL rec@ USING SELECT 1
---
ERROR 42601: syntax error at or near "SELECT"
LINE: EVALUATE MODEL rec@ USING SELECT 1
                                ^
HINT: Expected USING.

STOP JOB 17
---
Deploy: stop job 17
  route: deploy

STOP JOB x
---
ERROR 42601: syntax error at or near "x"
LINE: STOP JOB x
               ^
HINT: Expected a job number.

-- Lists come from the registry.
SHOW MODELS
---
Show models
  route: catalog
columns: model STRING, algorithm STRING, signature STRING, live BIGINT, versions BIGINT

SHOW VERSIONS OF rec
---
Show versions rec
  route: catalog
columns: model STRING, version BIGINT, state STRING, aliases STRING, training_rows BIGINT, failed_rows BIGINT, duration_ms BIGINT, training_metrics STRING, published_at STRING, error STRING

SHOW JOBS OF tumor
---
Show jobs tumor
  route: catalog
columns: job BIGINT, kind STRING, model STRING, version BIGINT, desired STRING, state STRING, progress STRING, attempts BIGINT, error STRING

SHOW JOBS
---
Show jobs
  route: catalog
columns: job BIGINT, kind STRING, model STRING, version BIGINT, desired STRING, state STRING, progress STRING, attempts BIGINT, error STRING

SHOW METRICS
---
Show metrics
  route: catalog
columns: model STRING, version BIGINT, metric STRING, value DOUBLE, rows BIGINT, unknown_rows BIGINT, failed_rows BIGINT, measured_at STRING

SHOW METRICS OF rec
---
Show metrics rec
  route: catalog
columns: model STRING, version BIGINT, metric STRING, value DOUBLE, rows BIGINT, unknown_rows BIGINT, failed_rows BIGINT, measured_at STRING

DESCRIBE TABLE ratings
---
Show table ratings
  route: catalog
columns: property STRING, value STRING

-- What is named must exist: a list of nothing would say that it does.
SHOW VERSIONS OF nope
---
ERROR 42704: model "nope" does not exist
LINE: SHOW VERSIONS OF nope
                       ^
HINT: SHOW MODELS lists them.

SHOW JOBS OF nope
---
ERROR 42704: model "nope" does not exist
LINE: SHOW JOBS OF nope
                   ^
HINT: SHOW MODELS lists them.

SHOW METRICS OF nope
---
ERROR 42704: model "nope" does not exist
LINE: SHOW METRICS OF nope
                      ^
HINT: SHOW MODELS lists them.

DESCRIBE MODEL nope
---
ERROR 42704: model "nope" does not exist
LINE: DESCRIBE MODEL nope
                     ^
HINT: SHOW MODELS lists them.

DESC TABLE nope
---
ERROR 42P01: Flink table "nope" does not exist
LINE: DESC TABLE nope
                 ^
HINT: SHOW TABLES lists them; psql's \d describes PostgreSQL's own.

SHOW VERSIONS OF
---
ERROR 42601: syntax error at end of input
LINE: SHOW VERSIONS OF
                      ^
HINT: Expected a name.

SHOW JOBS rec
---
ERROR 42601: syntax error at or near "rec"
LINE: SHOW JOBS rec
                ^
HINT: Expected the end of the statement.

DESCRIBE MODEL rec
---
Show model rec
  route: catalog
columns: property STRING, value STRING

DESCRIBE rec
---
ERROR 42601: syntax error at or near "rec"
LINE: DESCRIBE rec
               ^
HINT: Expected MODEL.

-- Every other SHOW is a setting.
SHOW jobs.per_page
---
Session: ShowParameter(name='jobs.per_page')
  route: session
columns: jobs.per_page STRING

SHOW models.per_page
---
Session: ShowParameter(name='models.per_page')
  route: session
columns: models.per_page STRING

SHOW TIME ZONE
---
Session: ShowParameter(name='timezone')
  route: session
columns: TimeZone STRING
