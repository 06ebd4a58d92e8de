package wire

import (
	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/group"
)

// Group is a group as it is sent, with its head.
func Group(g group.Group, head muster.Seq) *musterv1.Group {
	return &musterv1.Group{
		Id: int64(g.ID), Name: g.Name, About: g.About, OwnerId: int64(g.Owner), MemberCount: g.Members,
		Capacity: g.Capacity, CreatedMs: Millis(g.Created), Head: int64(head),
	}
}

// MyGroup is a group as one of its members sees it, as it is sent.
func MyGroup(m group.Mine) *musterv1.MyGroup {
	return &musterv1.MyGroup{
		Group: Group(m.Group, m.Head), Role: Role(m.Role), SubgroupId: int64(m.Subgroup),
		ReadSeq: int64(m.Read), Unread: m.Unread(),
	}
}

// MyGroups is a list of one member's groups as it is sent.
func MyGroups(list []group.Mine) []*musterv1.MyGroup { return each(list, MyGroup) }

// Role is a role as it is sent.
func Role(r muster.Role) musterv1.Role { return musterv1.Role(r) }

// ParseRole reads a role that a client sent; unspecified is NotMember.
func ParseRole(r musterv1.Role) (muster.Role, error) {
	if r < 0 || r > musterv1.Role_ROLE_OWNER {
		return 0, muster.Invalid("role", "use OWNER, ADMIN or MEMBER")
	}
	return muster.Role(r), nil //nolint:gosec // checked
}

// Subgroup is a subgroup as it is sent.
func Subgroup(s group.Subgroup) *musterv1.Subgroup {
	return &musterv1.Subgroup{
		Id: int64(s.ID), Name: s.Name, MemberCount: s.Members, Levels: each(s.Levels, Level), IsDefault: s.Default,
	}
}

// Subgroups is a group's subgroups as they are sent.
func Subgroups(list []group.Subgroup) []*musterv1.Subgroup { return each(list, Subgroup) }

// GroupMember is a member as it is sent.
func GroupMember(m group.Member) *musterv1.GroupMember {
	return &musterv1.GroupMember{
		AccountId: int64(m.Account), Name: m.Name, Nickname: m.Nickname, Role: Role(m.Role),
		SubgroupId: int64(m.Subgroup), JoinedMs: Millis(m.Joined), EnrolmentId: int64(m.Enrolment),
	}
}

// GroupMembers is a list of members as it is sent.
func GroupMembers(list []group.Member) []*musterv1.GroupMember { return each(list, GroupMember) }

// LevelMap reads a level map that a client sent; a level that stands in it
// twice is an error.
func LevelMap(list []*musterv1.LevelMapping) (map[muster.Level]muster.SubgroupID, error) {
	levels := make(map[muster.Level]muster.SubgroupID, len(list))
	for _, m := range list {
		l, err := ParseLevel("mappings", m.GetLevel())
		if err != nil {
			return nil, err
		}
		if _, twice := levels[l]; twice {
			return nil, muster.Invalid("mappings", "names the level %v twice", l)
		}
		levels[l] = muster.SubgroupID(m.GetSubgroupId())
	}
	return levels, nil
}

// AccountIDs reads a list of account ids that a client sent.
func AccountIDs(list []int64) []muster.AccountID {
	return each(list, func(id int64) muster.AccountID { return muster.AccountID(id) })
}

// MessageKind is a kind of message as it is sent.
func MessageKind(k group.MessageKind) musterv1.MessageKind {
	switch k {
	case group.KindText:
		return musterv1.MessageKind_MESSAGE_KIND_TEXT
	case group.KindJoined:
		return musterv1.MessageKind_MESSAGE_KIND_JOINED
	case group.KindTombstone:
		return musterv1.MessageKind_MESSAGE_KIND_TOMBSTONE
	default:
		return musterv1.MessageKind_MESSAGE_KIND_UNSPECIFIED
	}
}

// GroupMessage is a message as it is sent. AppendGroupMessage is the fast way.
func GroupMessage(m group.Message) *musterv1.GroupMessage {
	return &musterv1.GroupMessage{
		GroupId: int64(m.Group), Seq: int64(m.Seq), TimeMs: Millis(m.Time), SenderId: int64(m.Sender),
		SenderNickname: m.Nickname, ClientMessageId: m.ClientID, Kind: MessageKind(m.Kind), Text: m.Text,
		ReplyTo: int64(m.ReplyTo), SubgroupId: int64(m.Subgroup), Count: m.Count,
	}
}

// History is a page of messages as it is sent. AppendHistory is the fast way.
func History(h group.History) *musterv1.ListMessagesResponse {
	return &musterv1.ListMessagesResponse{Messages: each(h.Messages, GroupMessage), Head: int64(h.Head), More: h.More}
}

// Synced is one group of a sync as it is sent. AppendSynced is the fast way.
func Synced(s group.Synced) *musterv1.SyncedGroup {
	return &musterv1.SyncedGroup{Mine: MyGroup(s.Mine), Messages: each(s.Messages, GroupMessage), More: s.More}
}

// Positions reads the positions of a sync that a client sent. A group that
// stands there twice is an error.
func Positions(list []*musterv1.SyncPosition) (map[muster.GroupID]muster.Seq, error) {
	if len(list) == 0 {
		return nil, nil
	}
	positions := make(map[muster.GroupID]muster.Seq, len(list))
	for _, p := range list {
		id := muster.GroupID(p.GetGroupId())
		if _, twice := positions[id]; twice {
			return nil, muster.Invalid("positions", "names group %d twice", id)
		}
		if p.GetSeq() < 0 {
			return nil, muster.Invalid("positions", "holds a seq below 0")
		}
		positions[id] = muster.Seq(p.GetSeq())
	}
	return positions, nil
}

// Draft reads a message to send.
func Draft(r *musterv1.SendRequest) group.Draft {
	return group.Draft{
		Group: muster.GroupID(r.GetGroupId()), ClientID: r.GetClientMessageId(), Text: r.GetText(),
		ReplyTo: muster.Seq(r.GetReplyTo()), Subgroup: muster.SubgroupID(r.GetSubgroupId()),
	}
}

// Sent is a receipt as it is sent.
func Sent(r group.Receipt) *musterv1.SendResponse {
	return &musterv1.SendResponse{Seq: int64(r.Seq), TimeMs: Millis(r.Time)}
}

// Seq reads an optional seq.
func Seq(v *int64) *muster.Seq {
	if v == nil {
		return nil
	}
	s := muster.Seq(*v)
	return &s
}
