-- deleted is 0 for an image that is there, 1 for one whose key was destroyed,
-- and 2 for one that was deleted and may be restored until due. A program of
-- before knows 0 and not 0, so it shows none of these.
ALTER TABLE images ADD COLUMN deleted_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE images ADD COLUMN deleted_by IDTEXT NOT NULL DEFAULT '';
ALTER TABLE images ADD COLUMN due BIGINT NOT NULL DEFAULT 0;

CREATE INDEX images_deleted_dataset ON images (dataset, created DESC, id DESC, cell) WHERE deleted = 2;
CREATE INDEX images_deleted_created ON images (created DESC, id DESC, dataset, cell) WHERE deleted = 2;
CREATE INDEX images_due ON images (due, id) WHERE deleted = 2;

-- A legal hold on an image, a dataset or a project. lifted is 0 while it is in
-- force; a lifted one stays, with who lifted it.
CREATE TABLE holds (
	id IDTEXT NOT NULL PRIMARY KEY,
	kind IDTEXT NOT NULL,
	target IDTEXT NOT NULL,
	placed BIGINT NOT NULL,
	placed_by IDTEXT NOT NULL,
	lifted BIGINT NOT NULL,
	lifted_by IDTEXT NOT NULL,
	sealed BYTES NOT NULL
) STRICT;

CREATE INDEX holds_target ON holds (target, kind);
CREATE INDEX holds_placed ON holds (placed DESC, id DESC);

-- Which node does what only one should do at a time, and until when.
CREATE TABLE leases (
	name IDTEXT NOT NULL PRIMARY KEY,
	node IDTEXT NOT NULL,
	until BIGINT NOT NULL
) STRICT;
