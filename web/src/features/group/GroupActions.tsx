import { Boxes, LogOut, MoreHorizontal, Settings, Trash2, UsersRound } from 'lucide-react';
import { useState } from 'react';

import { Role } from '../../api/gen/muster/v1/group_pb.ts';
import type { OneGroup } from '../../state/groups.ts';
import { laterDialog } from '../../ui/later.tsx';
import { Menu, type MenuItem } from '../../ui/Menu.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useRoot } from '../context.tsx';

const Leave = laterDialog(async () => (await import('./Leave.tsx')).default);

/** GroupActions is the way to a group's pages, and out of the group. */
export function GroupActions({ group }: { group: OneGroup }) {
  const { t } = useTexts();
  const { router } = useRoot();
  const [asking, setAsking] = useState<'leave' | 'dissolve'>();
  const icon = { size: 16, 'aria-hidden': true };
  const to = (tab: string) => () => router.go(`/g/${group.id}/${tab}`);
  const items: MenuItem[] = [
    { label: t.group.membersTitle, icon: <UsersRound {...icon} />, onSelect: to('members') },
    { label: t.group.parts.title, icon: <Boxes {...icon} />, onSelect: to('subgroups') },
    { label: t.group.settings, icon: <Settings {...icon} />, onSelect: to('settings') },
    { label: t.group.leave, icon: <LogOut {...icon} />, danger: true, onSelect: () => setAsking('leave') },
  ];
  if (group.role === Role.OWNER) {
    const onSelect = () => setAsking('dissolve');
    items.push({ label: t.group.dissolve, icon: <Trash2 {...icon} />, danger: true, onSelect });
  }
  return (
    <>
      <Menu label={t.group.acts(group.name)} items={items}>
        <MoreHorizontal size={18} aria-hidden />
      </Menu>
      {asking && <Leave group={group} how={asking} onClose={() => setAsking(undefined)} />}
    </>
  );
}
