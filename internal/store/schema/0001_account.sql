-- Accounts, sessions, blocks, limits of logins, the audit log.

-- direct_add: 1 allow, 2 ask, 3 refuse. server_role: 1 user, 2 admin, 3 owner.
-- An empty password_hash is an account that nobody has claimed yet.
CREATE TABLE account (
  id {{int}} PRIMARY KEY,
  name {{text}} NOT NULL UNIQUE,
  nickname {{text}} NOT NULL,
  about {{text}} NOT NULL DEFAULT '',
  language {{text}} NOT NULL DEFAULT '',
  direct_add {{int}} NOT NULL DEFAULT 1,
  server_role {{int}} NOT NULL DEFAULT 1,
  suspended {{bool}} NOT NULL DEFAULT false,
  password_hash {{text}} NOT NULL DEFAULT '',
  created_ms {{int}} NOT NULL
){{table}};
CREATE INDEX account_direct_add ON account (id) WHERE direct_add <> 1;
CREATE INDEX account_owner ON account (id) WHERE server_role = 3;

-- account_id wants nothing of blocked_id.
CREATE TABLE account_block (
  account_id {{int}} NOT NULL,
  blocked_id {{int}} NOT NULL,
  created_ms {{int}} NOT NULL,
  PRIMARY KEY (account_id, blocked_id)
){{clustered}};
CREATE INDEX account_block_by ON account_block (blocked_id, account_id);

-- token_hash is SHA-256. network is the address as login limits see it.
CREATE TABLE session (
  id {{int}} PRIMARY KEY,
  account_id {{int}} NOT NULL,
  token_hash {{blob}} NOT NULL UNIQUE,
  device {{text}} NOT NULL,
  address {{text}} NOT NULL,
  network {{text}} NOT NULL,
  created_ms {{int}} NOT NULL,
  seen_ms {{int}} NOT NULL,
  expires_ms {{int}} NOT NULL
){{table}};
CREATE INDEX session_account ON session (account_id, id);
CREATE INDEX session_expires ON session (expires_ms);

-- One-time tokens. account_id 0 makes the server's first owner (expires_ms 0:
-- never), any other sets that account's password.
CREATE TABLE one_time_token (
  token_hash {{blob}} PRIMARY KEY,
  account_id {{int}} NOT NULL,
  expires_ms {{int}} NOT NULL
){{table}};
CREATE INDEX one_time_token_account ON one_time_token (account_id);

-- Failed and running attempts, by a hash of what they count against. The row of
-- attempt_key is what attempts at the same time wait for each other on.
CREATE TABLE attempt (
  key {{blob}} NOT NULL,
  at_ms {{int}} NOT NULL,
  id {{int}} NOT NULL,
  PRIMARY KEY (key, at_ms, id)
){{clustered}};
CREATE INDEX attempt_at ON attempt (at_ms);
CREATE TABLE attempt_key (
  key {{blob}} PRIMARY KEY,
  at_ms {{int}} NOT NULL
){{clustered}};

CREATE TABLE audit (
  id {{int}} PRIMARY KEY,
  at_ms {{int}} NOT NULL,
  actor_id {{int}} NOT NULL,
  action {{text}} NOT NULL,
  object {{text}} NOT NULL,
  detail {{text}} NOT NULL
){{table}};
CREATE INDEX audit_object ON audit (object, id);
