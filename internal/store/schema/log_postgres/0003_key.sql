-- What recognises a message that is sent again is a number made of its client id
-- and sender (message_postgres_key.go), in an index a quarter as large as that of
-- the ids themselves. Two messages with the same number, which is rare, stand at
-- numbers next to each other.
ALTER TABLE message ADD COLUMN key bigint;
UPDATE message SET key = least(9223372036854775792, (CASE
    WHEN length(client_id) = 36 AND encode(client_id, 'escape') ~ '^[0-9a-f]{8}-'
    THEN ('x' || left(encode(client_id, 'escape'), 8) || encode(substr(sha256(client_id || int8send(sender)), 1, 4), 'hex'))::bit(64)::bigint
    ELSE ('x' || encode(substr(sha256(client_id || int8send(sender)), 1, 8), 'hex'))::bit(64)::bigint
  END >> 1) & 9223372036854775807);
UPDATE message m SET key = m.key + d.place - 1
  FROM (SELECT group_id, seq, row_number() OVER (PARTITION BY group_id, key ORDER BY seq) AS place FROM message) d
  WHERE d.group_id = m.group_id AND d.seq = m.seq AND d.place > 1;
ALTER TABLE message ALTER COLUMN key SET NOT NULL;
ALTER TABLE message DROP CONSTRAINT message_group_id_client_id_sender_key;
CREATE UNIQUE INDEX message_key ON message (group_id, key);
