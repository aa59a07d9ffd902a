-- Written for SQLite; migrate.go says which words PostgreSQL reads otherwise.
-- Ids compare by bytes. Times are microseconds since 1970 in UTC, 0 is none.
-- What is named sealed is ciphertext under the installation key.

CREATE TABLE meta (
	name IDTEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT;

-- The one row that every commit locks. state is the compact range; forgets
-- rises whenever a person's key is destroyed, so that no node seals with it.
CREATE TABLE log_head (
	id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
	size BIGINT NOT NULL,
	root BYTES NOT NULL,
	state BYTES NOT NULL,
	at BIGINT NOT NULL,
	forgets BIGINT NOT NULL
) STRICT;

-- The columns after hash are for searching; what an entry says, its leaf says.
CREATE TABLE log (
	seq BIGINT NOT NULL PRIMARY KEY,
	leaf BYTES NOT NULL,
	hash BYTES NOT NULL,
	time BIGINT NOT NULL,
	actor IDTEXT NOT NULL,
	act IDTEXT NOT NULL,
	outcome IDTEXT NOT NULL,
	resource IDTEXT NOT NULL,
	scope IDTEXT NOT NULL,
	request IDTEXT NOT NULL,
	credential IDTEXT NOT NULL
) STRICT;

CREATE INDEX log_time ON log (time, seq);
CREATE INDEX log_actor ON log (actor, seq);
CREATE INDEX log_act ON log (act, outcome, seq);
CREATE INDEX log_resource ON log (resource, seq) WHERE resource <> '';
CREATE INDEX log_scope ON log (scope, seq) WHERE scope <> '';
CREATE INDEX log_request ON log (request, seq) WHERE request <> '';
CREATE INDEX log_credential ON log (credential, seq) WHERE credential <> '';

CREATE TABLE checkpoints (
	size BIGINT NOT NULL PRIMARY KEY,
	note TEXT NOT NULL,
	at BIGINT NOT NULL
) STRICT;

-- A person's keys, one an epoch; sealed is empty once it was destroyed.
CREATE TABLE person_keys (
	person IDTEXT NOT NULL,
	epoch BIGINT NOT NULL,
	sealed BYTES NOT NULL,
	PRIMARY KEY (person, epoch)
) STRICT;

CREATE TABLE policy_head (
	id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
	revision BIGINT NOT NULL
) STRICT;

-- A deleted object keeps its row and its last document, so that its id is
-- never used for anything else.
CREATE TABLE objects (
	kind IDTEXT NOT NULL,
	id IDTEXT NOT NULL,
	doc TEXT NOT NULL,
	deleted BIGINT NOT NULL,
	revision BIGINT NOT NULL,
	PRIMARY KEY (kind, id)
) STRICT;

CREATE TABLE change_sets (
	revision BIGINT NOT NULL PRIMARY KEY,
	time BIGINT NOT NULL,
	actor IDTEXT NOT NULL,
	reason TEXT NOT NULL,
	changes TEXT NOT NULL
) STRICT;

CREATE TABLE credential_secrets (
	id IDTEXT NOT NULL PRIMARY KEY,
	origin TEXT NOT NULL,
	sealed BYTES NOT NULL
) STRICT;

CREATE TABLE key_uses (
	key_id IDTEXT NOT NULL PRIMARY KEY,
	last BIGINT NOT NULL,
	sealed BYTES NOT NULL
) STRICT;

-- cell is (category-1)*4 + tier-1, with unknown counting as restricted.
-- A deleted image keeps its row; its key and detail are empty.
CREATE TABLE images (
	id IDTEXT NOT NULL PRIMARY KEY,
	dataset IDTEXT NOT NULL,
	project IDTEXT NOT NULL,
	category BIGINT NOT NULL,
	tier BIGINT NOT NULL,
	cell BIGINT NOT NULL,
	tier_by IDTEXT NOT NULL,
	owner IDTEXT NOT NULL,
	created BIGINT NOT NULL,
	version BIGINT NOT NULL,
	data_key BYTES NOT NULL,
	sealed BYTES NOT NULL,
	deleted BIGINT NOT NULL
) STRICT;

CREATE INDEX images_dataset ON images (dataset, created DESC, id DESC, cell) WHERE deleted = 0;
CREATE INDEX images_created ON images (created DESC, id DESC, dataset, cell) WHERE deleted = 0;

CREATE TABLE blobs (
	name IDTEXT NOT NULL PRIMARY KEY,
	image IDTEXT NOT NULL REFERENCES images (id),
	rendition IDTEXT NOT NULL,
	size BIGINT NOT NULL,
	inline BYTES,
	format IDTEXT NOT NULL,
	width BIGINT NOT NULL,
	height BIGINT NOT NULL,
	plain_size BIGINT NOT NULL,
	etag IDTEXT NOT NULL
) STRICT;

CREATE INDEX blobs_image ON blobs (image);

-- who is a keyed hash of the subject: end users have names.
CREATE TABLE balances (
	budget IDTEXT NOT NULL,
	who IDTEXT NOT NULL,
	start BIGINT NOT NULL,
	spent BIGINT NOT NULL,
	reserved BIGINT NOT NULL,
	debt BIGINT NOT NULL,
	alerted BIGINT NOT NULL,
	PRIMARY KEY (budget, who, start)
) STRICT;

CREATE TABLE reservations (
	id IDTEXT NOT NULL PRIMARY KEY,
	amount BIGINT NOT NULL,
	sealed BYTES NOT NULL,
	expires BIGINT NOT NULL
) STRICT;

CREATE INDEX reservations_expires ON reservations (expires, id);

CREATE TABLE spending (
	id SERIALID,
	time BIGINT NOT NULL,
	principal IDTEXT NOT NULL,
	project IDTEXT NOT NULL,
	key_id IDTEXT NOT NULL,
	model IDTEXT NOT NULL,
	end_user IDTEXT NOT NULL,
	images BIGINT NOT NULL,
	cost BIGINT NOT NULL,
	request IDTEXT NOT NULL
) STRICT;

CREATE INDEX spending_time ON spending (time);
CREATE INDEX spending_project ON spending (project, time);

-- The name behind the end user of a spending row, sealed under that person's
-- own key.
CREATE TABLE end_users (
	person IDTEXT NOT NULL PRIMARY KEY,
	sealed BYTES NOT NULL
) STRICT;

CREATE TABLE replies (
	principal IDTEXT NOT NULL,
	name IDTEXT NOT NULL,
	request IDTEXT NOT NULL,
	status BIGINT NOT NULL,
	sealed BYTES NOT NULL,
	created BIGINT NOT NULL,
	PRIMARY KEY (principal, name)
) STRICT;

CREATE INDEX replies_created ON replies (created);

CREATE TABLE links (
	id IDTEXT NOT NULL PRIMARY KEY,
	hash IDTEXT NOT NULL UNIQUE,
	image IDTEXT NOT NULL,
	rendition IDTEXT NOT NULL,
	principal IDTEXT NOT NULL,
	credential IDTEXT NOT NULL,
	created BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	revoked BIGINT NOT NULL,
	uses BIGINT NOT NULL
) STRICT;

CREATE INDEX links_image ON links (image, created);

CREATE TABLE jobs (
	id SERIALID,
	kind IDTEXT NOT NULL,
	sealed BYTES NOT NULL,
	run_at BIGINT NOT NULL,
	leased_until BIGINT NOT NULL,
	leased_by TEXT NOT NULL,
	attempts BIGINT NOT NULL,
	last_error TEXT NOT NULL
) STRICT;

CREATE INDEX jobs_due ON jobs (kind, run_at);

INSERT INTO policy_head (id, revision) VALUES (1, 0);
