-- Grows when somebody leaves the group, or it is dissolved: until then a writer
-- may trust what it remembers of the group's members.
ALTER TABLE group_head ADD COLUMN generation bigint NOT NULL DEFAULT 0;
