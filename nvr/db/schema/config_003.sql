-- Keys that a person took since an owner signed the roster last.
ALTER TABLE principal ADD COLUMN succession BLOB;

ALTER TABLE unlocker ADD COLUMN sealed BLOB; -- label of a device
ALTER TABLE unlocker ADD COLUMN created INTEGER;

-- Links to a span of footage, with the keys of its segments.
CREATE TABLE share (
  num     INTEGER PRIMARY KEY,
  id      BLOB NOT NULL UNIQUE,
  sealed  BLOB NOT NULL, -- all that a link is
  expires INTEGER
) STRICT;
CREATE TABLE share_key (
  share   INTEGER NOT NULL REFERENCES share (num) ON DELETE CASCADE,
  lookup  BLOB NOT NULL, -- hash of what names the segment
  vault   INTEGER NOT NULL REFERENCES vault (num) ON DELETE CASCADE,
  wrapped BLOB NOT NULL, -- the key of the segment under the secret of the link
  PRIMARY KEY (share, lookup)
) STRICT;
CREATE INDEX share_key_vault ON share_key (vault);

CREATE TABLE notice (
  num       INTEGER PRIMARY KEY AUTOINCREMENT,
  time      INTEGER,
  kind      TEXT NOT NULL,
  principal BLOB NOT NULL,
  camera    BLOB NOT NULL,
  count     INTEGER NOT NULL
) STRICT;

-- Who looked at a camera last.
CREATE INDEX log_camera ON log (camera, seq);
CREATE INDEX vault_grant_principal ON vault_grant (principal);
