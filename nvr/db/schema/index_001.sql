-- Identifiers of 16 bytes are kept once; rows refer to them by small numbers.
CREATE TABLE stream (
  num          INTEGER PRIMARY KEY,
  id           BLOB NOT NULL UNIQUE,
  longest_ms   INTEGER NOT NULL DEFAULT 0, -- no segment of the stream was ever longer: bounds the look-back
  newest_start INTEGER,                    -- key of the segment with the highest seq
  newest_seq   INTEGER
) STRICT;
CREATE TABLE disk (num INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE vault (num INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE) STRICT;

CREATE TABLE segment (
  stream   INTEGER NOT NULL,
  start_ms INTEGER NOT NULL, -- Unix time
  seq      INTEGER NOT NULL,
  dur_ms   INTEGER NOT NULL,
  bytes    INTEGER NOT NULL,
  disk     INTEGER NOT NULL,
  vault    INTEGER NOT NULL,
  day      INTEGER NOT NULL, -- of the box
  flags    INTEGER NOT NULL,
  PRIMARY KEY (stream, start_ms, seq)
) STRICT, WITHOUT ROWID;
-- What may be deleted, oldest first, of each stream on each disk. Flag 2 is Held.
CREATE INDEX segment_age ON segment (disk, stream, day, start_ms) WHERE flags & 2 = 0;

-- What was discarded and may still lie on a disk.
CREATE TABLE garbage (
  disk     INTEGER NOT NULL,
  stream   INTEGER NOT NULL,
  start_ms INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  dur_ms   INTEGER NOT NULL,
  bytes    INTEGER NOT NULL,
  vault    INTEGER NOT NULL,
  day      INTEGER NOT NULL,
  flags    INTEGER NOT NULL,
  PRIMARY KEY (disk, stream, start_ms, seq)
) STRICT, WITHOUT ROWID;

-- Totals of segment, kept in the same transactions.
CREATE TABLE share (
  disk     INTEGER NOT NULL,
  stream   INTEGER NOT NULL,
  segments INTEGER NOT NULL,
  bytes    INTEGER NOT NULL,
  PRIMARY KEY (disk, stream)
) STRICT, WITHOUT ROWID;
CREATE TABLE quarter (
  stream  INTEGER NOT NULL,
  quarter INTEGER NOT NULL, -- of an hour, since the Unix epoch
  ms      INTEGER NOT NULL,
  bytes   INTEGER NOT NULL,
  PRIMARY KEY (stream, quarter)
) STRICT, WITHOUT ROWID;

-- complete is 0 until everything that lies on the disks has been entered.
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), complete INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (1, 0);
