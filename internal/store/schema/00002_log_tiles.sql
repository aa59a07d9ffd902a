-- The hashes of the log's tree, so that a proof is a few reads: a row holds the
-- first hashes of a tile (C2SP tlog-tiles), 32 bytes each, up to 256 of them.
-- Tiles of level 0 stand here once they are full; until then the hashes are in
-- the rows of log. Those above grow.
CREATE TABLE log_tiles (
	level BIGINT NOT NULL,
	idx BIGINT NOT NULL,
	hashes BYTES NOT NULL,
	PRIMARY KEY (level, idx)
) STRICT;
