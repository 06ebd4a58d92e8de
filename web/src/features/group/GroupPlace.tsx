import { lazy, Suspense, useCallback, useState } from 'react';

import { Role } from '../../api/gen/muster/v1/group_pb.ts';
import type { Scope } from '../../state/scope.ts';
import { Avatar } from '../../ui/Avatar.tsx';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { Composer } from '../Composer.tsx';
import { useHome } from '../context.tsx';
import { EnrolButton } from '../enrolment/EnrolButton.tsx';
import { Place } from '../shell/Place.tsx';
import { useLimits } from '../useLimits.ts';
import { useOpened } from '../useOpened.ts';
import { GroupActions } from './GroupActions.tsx';
import { GroupPeople } from './GroupPeople.tsx';
import { History } from './History.tsx';

const GroupPages = lazy(() => import('./GroupPages.tsx'));

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
      aside={tab === '' ? <GroupPeople groupId={id} /> : undefined}
    >
      {tab === '' ? (
        <Talking id={id} name={group.name} />
      ) : (
        <Suspense fallback={<EmptyState title={t.ui.loading} />}>
          <GroupPages group={group} tab={tab} item={item} />
        </Suspense>
      )}
    </Place>
  );
}

function Talking({ id, name }: { id: bigint; name: string }) {
  const { t } = useTexts();
  const home = useHome();
  const limits = useLimits();
  // Where the unread line stands while the group is open: as far as was read when it was opened.
  const [opened] = useState(() => {
    const group = home.groups.get(id);
    return { readSeq: group?.readSeq ?? 0, head: group?.head ?? 0 };
  });
  const place = opened.readSeq < opened.head ? opened.readSeq : 'end';
  const log = useOpened(useCallback((scope: Scope) => home.openLog(id, place, scope), [home, id, place]));
  async function send(text: string): Promise<boolean> {
    home.outbox.add({ groupId: id, text });
    const end = log?.value.get().atEnd;
    if (log && !end) void log.jump('end');
    return true;
  }
  return (
    <>
      {log ? (
        <History log={log} unreadAfter={place === 'end' ? undefined : opened.readSeq} />
      ) : (
        <EmptyState title={t.ui.loading} />
      )}
      <Composer
        place={`g${id}`}
        label={t.group.write(name)}
        sendLabel={t.group.send}
        maxBytes={limits.groupTextBytes}
        onSend={send}
        onTyping={() => home.typing({ groupId: id })}
      />
    </>
  );
}
