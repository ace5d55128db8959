-- Fourth version: what the household may do with its footage and its cameras.

-- Footage that is kept as evidence.
CREATE TABLE hold (
  num    INTEGER PRIMARY KEY,
  id     BLOB NOT NULL UNIQUE,
  sealed BLOB NOT NULL -- all that a hold is
) STRICT;

-- Receipts of footage that somebody deleted.
CREATE TABLE deletion (
  num    INTEGER PRIMARY KEY,
  id     BLOB NOT NULL UNIQUE,
  sealed BLOB NOT NULL, -- all that a receipt is
  done   INTEGER        -- NULL: not all of it is gone
) STRICT;
CREATE INDEX deletion_open ON deletion (num) WHERE done IS NULL;

-- Privacy mode that somebody switched on; a zero camera is the house.
CREATE TABLE privacy (
  camera    BLOB PRIMARY KEY,
  since     INTEGER,
  until     INTEGER, -- NULL: until somebody lifts it
  principal BLOB NOT NULL
) STRICT, WITHOUT ROWID;
