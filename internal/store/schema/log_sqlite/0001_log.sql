-- The message log of an SQLite store: a file of its own, log.db, which is filled
-- from the journal.

-- A group's number is small, so that a message's id holds it and the seq.
CREATE TABLE log_group (
  group_id INTEGER PRIMARY KEY,
  number INTEGER NOT NULL UNIQUE
) STRICT;

-- id is number << 32 | seq: a group's messages lie together, in order. body is
-- muster.store.v1.Body.
CREATE TABLE message (
  id INTEGER PRIMARY KEY,
  sender INTEGER NOT NULL,
  client_id BLOB NOT NULL,
  time_ms INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;

-- Finds a message that is sent again. The client id comes before the sender, so
-- that time-ordered ids append to a group's part of the index.
CREATE TABLE message_key (
  number INTEGER NOT NULL,
  client_id BLOB NOT NULL,
  sender INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (number, client_id, sender)
) WITHOUT ROWID, STRICT;

-- One row: the journal position up to which everything stands here.
CREATE TABLE log_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  applied INTEGER NOT NULL
) STRICT;
INSERT INTO log_state (id, applied) VALUES (1, 0);
