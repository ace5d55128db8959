-- Times are nanoseconds since the Unix epoch; NULL is 'none'. Columns named
-- sealed are sealed with the machine key by this package.

CREATE TABLE principal (
  num     INTEGER PRIMARY KEY,
  id      BLOB NOT NULL UNIQUE,
  kind    INTEGER NOT NULL,
  role    INTEGER NOT NULL,
  sealed  BLOB NOT NULL, -- name
  public  BLOB NOT NULL,
  secret  BLOB NOT NULL,
  created INTEGER,
  revoked INTEGER
) STRICT;

CREATE TABLE unlocker (
  num       INTEGER PRIMARY KEY,
  id        BLOB NOT NULL UNIQUE,
  principal INTEGER NOT NULL REFERENCES principal (num) ON DELETE CASCADE,
  kind      INTEGER NOT NULL,
  salt      BLOB NOT NULL,
  params    BLOB NOT NULL,
  wrapped   BLOB NOT NULL,
  expires   INTEGER
) STRICT;
CREATE INDEX unlocker_principal ON unlocker (principal);

CREATE TABLE roster (
  version INTEGER PRIMARY KEY,
  body    BLOB NOT NULL,
  sigs    BLOB NOT NULL
) STRICT;

-- num grows with each vault that is made, whatever the clock says.
CREATE TABLE vault (
  num       INTEGER PRIMARY KEY AUTOINCREMENT,
  id        BLOB NOT NULL UNIQUE,
  camera    BLOB NOT NULL,
  day       INTEGER NOT NULL,
  public    BLOB NOT NULL,
  roster    INTEGER NOT NULL,
  escrow    BLOB NOT NULL,
  signature BLOB,
  created   INTEGER
) STRICT;
CREATE INDEX vault_day ON vault (camera, day, num);
CREATE INDEX vault_unsigned ON vault (num) WHERE signature IS NULL;

CREATE TABLE vault_grant (
  vault     INTEGER NOT NULL REFERENCES vault (num) ON DELETE CASCADE,
  principal BLOB NOT NULL,
  sealed_to BLOB NOT NULL, -- the seed, sealed to the principal
  PRIMARY KEY (vault, principal)
) STRICT;

-- All that stays of a vault that was destroyed.
CREATE TABLE destroyed (vault BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;

-- A row here says that something was deleted whose bytes have not been proven
-- to be gone from the file.
CREATE TABLE unerased (one INTEGER PRIMARY KEY CHECK (one = 1)) STRICT;

CREATE TABLE session (
  token_hash BLOB PRIMARY KEY,
  principal  BLOB NOT NULL,
  sealed     BLOB NOT NULL, -- device
  created    INTEGER,
  seen       INTEGER,
  expires    INTEGER
) STRICT, WITHOUT ROWID;

-- Keys are hashed: they hold names of accounts.
CREATE TABLE throttle (
  key_hash BLOB PRIMARY KEY,
  fails    INTEGER NOT NULL,
  until    INTEGER
) STRICT, WITHOUT ROWID;

-- Who looked.
CREATE TABLE log (
  seq       INTEGER PRIMARY KEY,
  time      INTEGER,
  action    TEXT NOT NULL,
  principal BLOB NOT NULL,
  camera    BLOB NOT NULL,
  vault     BLOB NOT NULL,
  details   BLOB NOT NULL,
  mac       BLOB NOT NULL
) STRICT;
CREATE TABLE log_state (one INTEGER PRIMARY KEY CHECK (one = 1), state BLOB NOT NULL) STRICT;

CREATE TABLE setting (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE camera (
  num       INTEGER PRIMARY KEY,
  id        BLOB NOT NULL UNIQUE,
  place     INTEGER NOT NULL, -- the owner's order
  inside    INTEGER NOT NULL,
  audio     INTEGER NOT NULL,
  disabled  INTEGER NOT NULL,
  transport INTEGER NOT NULL,
  retention INTEGER NOT NULL, -- days
  added     INTEGER,
  sealed    BLOB NOT NULL -- name, user, password
) STRICT;
CREATE TABLE source (
  stream  BLOB NOT NULL UNIQUE,
  camera  INTEGER NOT NULL REFERENCES camera (num) ON DELETE CASCADE,
  place   INTEGER NOT NULL,
  quality INTEGER NOT NULL,
  sealed  BLOB NOT NULL, -- URL, certificate pin
  PRIMARY KEY (camera, place)
) STRICT;

CREATE TABLE disk (
  num   INTEGER PRIMARY KEY,
  id    BLOB NOT NULL UNIQUE,
  path  TEXT NOT NULL,
  quota INTEGER NOT NULL
) STRICT;

-- Why there is no footage. ended is NULL while it lasts.
CREATE TABLE gap (
  num    INTEGER PRIMARY KEY,
  stream BLOB NOT NULL,
  began  INTEGER NOT NULL,
  ended  INTEGER,
  cause  INTEGER NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX gap_began ON gap (stream, began);
CREATE UNIQUE INDEX gap_open ON gap (stream) WHERE ended IS NULL;
