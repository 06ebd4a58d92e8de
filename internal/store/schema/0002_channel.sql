-- Channels, rosters, bans.

-- name_key sorts the list of channels. depth is how many channels stand above.
-- join_policy: 1 open, 2 visit, 3 roster. Levels: 0 visitor, 1 guest, 2 vip,
-- 3 member, 4 moderator, 5 admin, 6 owner. entries is the number of the roster's
-- newest entry, version grows with every change of the channel, its roster and
-- its bans. A deleted channel's row stays until the rest of it is removed.
CREATE TABLE channel (
  id {{int}} PRIMARY KEY,
  parent_id {{int}} NOT NULL,
  name {{text}} NOT NULL,
  name_key {{text}} NOT NULL,
  about {{text}} NOT NULL,
  join_policy {{int}} NOT NULL,
  speak_level {{int}} NOT NULL,
  slow_mode_ms {{int}} NOT NULL,
  depth {{int}} NOT NULL,
  roster_count {{int}} NOT NULL,
  entries {{int}} NOT NULL,
  version {{int}} NOT NULL,
  created_ms {{int}} NOT NULL,
  deleted_ms {{int}} NOT NULL
){{table}};
CREATE INDEX channel_tree ON channel (parent_id, name_key, id) WHERE deleted_ms = 0;
CREATE INDEX channel_deleted ON channel (id) WHERE deleted_ms <> 0;

-- entry is the person's number in the channel's count of entries. nickname is
-- empty where the account's own is shown; nick_key is made of the one shown when
-- the row was written.
CREATE TABLE channel_roster (
  channel_id {{int}} NOT NULL,
  account_id {{int}} NOT NULL,
  level {{int}} NOT NULL,
  nickname {{text}} NOT NULL,
  nick_key {{text}} NOT NULL,
  entry {{int}} NOT NULL,
  joined_ms {{int}} NOT NULL,
  PRIMARY KEY (channel_id, account_id)
){{clustered}};
CREATE INDEX channel_roster_order ON channel_roster (channel_id, level, nick_key, account_id);

-- How many people of each level a roster has, so that nobody has to count.
CREATE TABLE channel_level_count (
  channel_id {{int}} NOT NULL,
  level {{int}} NOT NULL,
  people {{int}} NOT NULL,
  PRIMARY KEY (channel_id, level)
){{clustered}};

-- until_ms 0: for good.
CREATE TABLE channel_ban (
  channel_id {{int}} NOT NULL,
  account_id {{int}} NOT NULL,
  reason {{text}} NOT NULL,
  until_ms {{int}} NOT NULL,
  by_account_id {{int}} NOT NULL,
  created_ms {{int}} NOT NULL,
  PRIMARY KEY (channel_id, account_id)
){{clustered}};
