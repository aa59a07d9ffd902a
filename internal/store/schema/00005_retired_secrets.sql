-- What the secret of a credential was before it was rotated. It helps out until
-- then and is deleted after.
CREATE TABLE retired_secrets (
	id IDTEXT NOT NULL PRIMARY KEY,
	origin TEXT NOT NULL,
	sealed BYTES NOT NULL,
	until BIGINT NOT NULL
) STRICT;

CREATE INDEX retired_secrets_until ON retired_secrets (until, id);
