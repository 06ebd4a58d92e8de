-- Enrolments: jobs, counts and cursor, the rate window, the outbox.

-- state: 1 running, 2 done, 3 cancelled, 4 failed, 5 undoing, 6 undone.
-- policies has one letter a level, guest to owner: d direct, a ask, s skip.
-- cursor_account is the last account handled in this pass; pass 1 handles the
-- roster entries up to mark, pass 2 those between mark and mark2.
CREATE TABLE enrolment (
  id {{int}} PRIMARY KEY,
  group_id {{int}} NOT NULL,
  channel_id {{int}} NOT NULL,
  channel_name {{text}} NOT NULL,
  requester_id {{int}} NOT NULL,
  idempotency_key {{text}} NOT NULL,
  state {{int}} NOT NULL,
  policies {{text}} NOT NULL,
  note {{text}} NOT NULL,
  expiry_ms {{int}} NOT NULL,
  created_ms {{int}} NOT NULL,
  ended_ms {{int}} NOT NULL,
  total {{int}} NOT NULL,
  pass {{int}} NOT NULL,
  mark {{int}} NOT NULL,
  mark2 {{int}} NOT NULL,
  cursor_account {{int}} NOT NULL,
  base_seq {{int}} NOT NULL,
  already_in {{int}} NOT NULL,
  added {{int}} NOT NULL,
  asked {{int}} NOT NULL,
  skipped_policy {{int}} NOT NULL,
  skipped_blocked {{int}} NOT NULL,
  skipped_refused {{int}} NOT NULL,
  skipped_full {{int}} NOT NULL,
  accepted {{int}} NOT NULL,
  declined {{int}} NOT NULL,
  removed {{int}} NOT NULL,
  failure {{text}} NOT NULL,
  lease_owner {{text}} NOT NULL,
  lease_epoch {{int}} NOT NULL,
  lease_until_ms {{int}} NOT NULL
){{table}};
CREATE UNIQUE INDEX enrolment_key ON enrolment (requester_id, idempotency_key);
CREATE INDEX enrolment_group_window ON enrolment (group_id, created_ms);
CREATE INDEX enrolment_requester_window ON enrolment (requester_id, created_ms);
CREATE INDEX enrolment_work ON enrolment (lease_until_ms) WHERE state IN (1, 5);

-- People who leave a channel whose roster is in another database. The row is
-- deleted when the channel's server has done it.
CREATE TABLE leave_outbox (
  channel_id {{int}} NOT NULL,
  account_id {{int}} NOT NULL,
  invitation_id {{int}} NOT NULL,
  created_ms {{int}} NOT NULL,
  PRIMARY KEY (channel_id, account_id, invitation_id)
){{clustered}};
