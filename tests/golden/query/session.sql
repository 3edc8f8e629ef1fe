-- Transactions and settings are the session's.
BEGIN
---
Session: Begin(tag='BEGIN', modes='')
  route: session

START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY
---
Session: Begin(tag='START TRANSACTION', modes='ISOLATION LEVEL SERIALIZABLE, READ ONLY')
  route: session

COMMIT WORK AND CHAIN
---
Session: Commit(chain=True)
  route: session

END
---
Session: Commit(chain=False)
  route: session

ABORT TRANSACTION
---
Session: Rollback(chain=False)
  route: session

ROLLBACK TO SAVEPOINT a
---
Session: Savepoint(action='rollback to', name='a')
  route: session

RELEASE "B"
---
Session: Savepoint(action='release', name='B')
  route: session

SET extra_float_digits = 3
---
Session: SetParameter(name='extra_float_digits', value='3', local=False, tag='SET')
  route: session

SET SESSION search_path TO "Mine", public
---
Session: SetParameter(name='search_path', value='"Mine", public', local=False, tag='SET')
  route: session

SET LOCAL flinkms.as_of = '2026-11-20 10:00'
---
Session: SetParameter(name='flinkms.as_of', value='2026-11-20 10:00', local=True, tag='SET')
  route: session

SET TIME ZONE 'Europe/Berlin'
---
Session: SetParameter(name='timezone', value='Europe/Berlin', local=False, tag='SET')
  route: session

SET NAMES 'UTF8'
---
Session: SetParameter(name='client_encoding', value='UTF8', local=False, tag='SET')
  route: session

SET work_mem TO DEFAULT
---
Session: SetParameter(name='work_mem', value=None, local=False, tag='SET')
  route: session

RESET ALL
---
Session: CleanUp(tag='RESET')
  route: session

RESET DateStyle
---
Session: SetParameter(name='datestyle', value=None, local=False, tag='RESET')
  route: session

DISCARD ALL
---
Session: CleanUp(tag='DISCARD ALL')
  route: session

CLOSE ALL
---
Session: CleanUp(tag='CLOSE CURSOR ALL')
  route: session

UNLISTEN *
---
Session: CleanUp(tag='UNLISTEN')
  route: session

DEALLOCATE PREPARE ALL
---
Session: CleanUp(tag='DEALLOCATE ALL')
  route: session

-- No statement at all.
/* nothing */ -- here
---
Session: Empty()
  route: session

-- What only PostgreSQL can do.
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
---
Relay to PostgreSQL
  route: relational

SET ROLE analyst
---
Relay to PostgreSQL
  route: relational

COMMIT PREPARED 'x'
---
Relay to PostgreSQL
  route: relational

SET TIME ZONE INTERVAL '1' HOUR
---
Relay to PostgreSQL
  route: relational

SET = 3
---
ERROR 42601: syntax error at or near "="
LINE: SET = 3
          ^
HINT: Expected a name.

ROLLBACK TO
---
ERROR 42601: syntax error at end of input
LINE: ROLLBACK TO
                 ^
HINT: Expected a name.

PREPARE TRANSACTION 'x'
---
Session: PrepareTransaction(name='x')
  route: session
