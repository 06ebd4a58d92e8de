-- Groups, members, subgroups, invitations.

CREATE TABLE grp (
  id {{int}} PRIMARY KEY,
  name {{text}} NOT NULL,
  about {{text}} NOT NULL,
  owner_id {{int}} NOT NULL,
  capacity {{int}} NOT NULL,
  member_count {{int}} NOT NULL,
  created_ms {{int}} NOT NULL
){{table}};

CREATE TABLE subgroup (
  group_id {{int}} NOT NULL,
  id {{int}} NOT NULL,
  name {{text}} NOT NULL,
  is_default {{bool}} NOT NULL,
  member_count {{int}} NOT NULL,
  PRIMARY KEY (group_id, id)
){{clustered}};

-- Which level lands in which subgroup.
CREATE TABLE level_map (
  group_id {{int}} NOT NULL,
  level {{int}} NOT NULL,
  subgroup_id {{int}} NOT NULL,
  PRIMARY KEY (group_id, level)
){{clustered}};

-- Clustered by group: the list of members, and the right to send.
-- enrolment_id is who brought them, spoke whether they have sent anything.
CREATE TABLE group_member (
  group_id {{int}} NOT NULL,
  account_id {{int}} NOT NULL,
  role {{int}} NOT NULL,
  subgroup_id {{int}} NOT NULL,
  joined_ms {{int}} NOT NULL,
  joined_seq {{int}} NOT NULL,
  enrolment_id {{int}} NOT NULL,
  spoke {{bool}} NOT NULL,
  PRIMARY KEY (group_id, account_id)
){{clustered}};
CREATE INDEX group_member_staff ON group_member (group_id, role, account_id) WHERE role > 1;
CREATE INDEX group_member_staff_of ON group_member (account_id, group_id, role) WHERE role > 1;

-- Clustered by account: one range holds all groups of a person who returns.
CREATE TABLE account_group (
  account_id {{int}} NOT NULL,
  group_id {{int}} NOT NULL,
  read_seq {{int}} NOT NULL,
  PRIMARY KEY (account_id, group_id)
){{clustered}};

-- People who left a group by themselves: an enrolment asks them first.
CREATE TABLE group_left (
  group_id {{int}} NOT NULL,
  account_id {{int}} NOT NULL,
  at_ms {{int}} NOT NULL,
  PRIMARY KEY (group_id, account_id)
){{clustered}};

-- Dissolved groups whose members are still being removed.
CREATE TABLE group_dissolved (
  group_id {{int}} PRIMARY KEY
){{table}};

-- invitation_id is the enrolment's id, or one of its own for an invitation by
-- hand (channel_id is 0 then). answer: 0 open, 1 accepted, 2 declined,
-- 3 declined and left the channel, 4 withdrawn.
CREATE TABLE invitation (
  account_id {{int}} NOT NULL,
  invitation_id {{int}} NOT NULL,
  group_id {{int}} NOT NULL,
  channel_id {{int}} NOT NULL,
  inviter_id {{int}} NOT NULL,
  level {{int}} NOT NULL,
  note {{text}} NOT NULL,
  created_ms {{int}} NOT NULL,
  expires_ms {{int}} NOT NULL,
  answer {{int}} NOT NULL,
  answered_ms {{int}} NOT NULL,
  PRIMARY KEY (account_id, invitation_id)
){{clustered}};
CREATE INDEX invitation_open ON invitation (account_id, expires_ms) WHERE answer = 0;
