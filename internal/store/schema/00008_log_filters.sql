-- The log is searched by filters that are written beside it, a block of entries
-- at a time (search.go), so a commit touches one row an entry and no index. A
-- node of the version before, which would fill the columns that go, records
-- nothing and so refuses everything until it is replaced.

DROP INDEX log_time;
DROP INDEX log_actor;
DROP INDEX log_act;
DROP INDEX log_resource;
DROP INDEX log_scope;
DROP INDEX log_request;
DROP INDEX log_credential;
ALTER TABLE log DROP COLUMN time;
ALTER TABLE log DROP COLUMN actor;
ALTER TABLE log DROP COLUMN act;
ALTER TABLE log DROP COLUMN outcome;
ALTER TABLE log DROP COLUMN resource;
ALTER TABLE log DROP COLUMN scope;
ALTER TABLE log DROP COLUMN request;
ALTER TABLE log DROP COLUMN credential;

-- field is one of search.go; an empty filter leaves nothing out.
CREATE TABLE log_filters (
	field IDTEXT NOT NULL,
	block BIGINT NOT NULL,
	filter BYTES NOT NULL,
	PRIMARY KEY (field, block)
) STRICT;
