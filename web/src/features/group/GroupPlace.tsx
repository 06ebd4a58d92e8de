import { useCallback } from 'react';

import { Role } from '../../api/gen/muster/v1/group_pb.ts';
import type { Scope } from '../../state/scope.ts';
import { Avatar } from '../../ui/Avatar.tsx';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { laterPage } from '../../ui/later.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore, useStoreMaybe } from '../../ui/useStore.ts';
import { useHome } from '../context.tsx';
import { EnrolButton } from '../enrolment/EnrolButton.tsx';
import { Place } from '../shell/Place.tsx';
import { useOpened } from '../useOpened.ts';
import { GroupActions } from './GroupActions.tsx';
import { GroupPeople } from './GroupPeople.tsx';
import { Talking } from './Talking.tsx';

const GroupPages = laterPage(async () => (await import('./GroupPages.tsx')).default);

interface GroupPlaceProps {
  id: bigint;
  tab: string;
  /** What the tab is about: a subgroup. */
  item?: bigint | undefined;
}

/** GroupPlace is a group: its messages in the middle, its subgroups and people on the right, and the pages about it. */
export function GroupPlace({ id, tab, item = 0n }: GroupPlaceProps) {
  const { t } = useTexts();
  const home = useHome();
  const { loaded, byId } = useStore(home.groups.value);
  const group = byId.get(id);
  const opened = useOpened(useCallback((scope: Scope) => home.openSubgroups(id, scope), [home, id]));
  const subgroups = useStoreMaybe(opened?.value);
  if (!group) {
    const title = loaded ? t.errors.reasons.group_not_found : t.ui.loading;
    return (
      <Place title={t.shell.groups}>
        <EmptyState title={title} />
      </Place>
    );
  }
  return (
    <Place
      title={group.name}
      icon={<Avatar name={group.name} size="small" level="member" square />}
      note={`${t.group.members(group.memberCount)} · ${t.group.kept}`}
      actions={
        <>
          {group.role !== Role.MEMBER && <EnrolButton to={`/g/${id}/enrol`} />}
          <GroupActions group={group} />
        </>
      }
      aside={tab === '' ? <GroupPeople groupId={id} subgroups={subgroups} /> : undefined}
    >
      {tab === '' ? (
        <Talking id={id} name={group.name} subgroups={subgroups?.loaded ? subgroups.all : undefined} />
      ) : (
        <GroupPages group={group} tab={tab} item={item} />
      )}
    </Place>
  );
}
