-- The message log of a PostgreSQL store. Client ids are bytes: they may hold what
-- text cannot. body is muster.store.v1.Body.

CREATE TABLE message (
  group_id bigint NOT NULL,
  seq bigint NOT NULL,
  sender bigint NOT NULL,
  client_id bytea NOT NULL,
  time_ms bigint NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (group_id, seq),
  UNIQUE (group_id, client_id, sender)
) PARTITION BY HASH (group_id);
CREATE TABLE message_00 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 0);
CREATE TABLE message_01 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 1);
CREATE TABLE message_02 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 2);
CREATE TABLE message_03 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 3);
CREATE TABLE message_04 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 4);
CREATE TABLE message_05 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 5);
CREATE TABLE message_06 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 6);
CREATE TABLE message_07 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 7);
CREATE TABLE message_08 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 8);
CREATE TABLE message_09 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 9);
CREATE TABLE message_10 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 10);
CREATE TABLE message_11 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 11);
CREATE TABLE message_12 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 12);
CREATE TABLE message_13 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 13);
CREATE TABLE message_14 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 14);
CREATE TABLE message_15 PARTITION OF message FOR VALUES WITH (MODULUS 16, REMAINDER 15);

-- The seq of each group's newest message. Whoever appends holds the row's lock
-- until the commit. The free space keeps its updates inside the page.
CREATE TABLE group_head (
  group_id bigint PRIMARY KEY,
  last_seq bigint NOT NULL
) WITH (fillfactor = 50);
