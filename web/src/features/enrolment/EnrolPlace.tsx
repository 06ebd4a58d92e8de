import { UserPlus } from 'lucide-react';

import { EmptyState } from '../../ui/EmptyState.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome } from '../context.tsx';
import { Link } from '../Link.tsx';
import { Place } from '../shell/Place.tsx';

/** EnrolPlace is where a channel's roster is brought into a group. The wizard's steps come here. */
export default function EnrolPlace({ groupId }: { groupId: bigint }) {
  const { t } = useTexts();
  const group = useStore(useHome().groups.value).byId.get(groupId);
  return (
    <Place title={t.enrolment.enrol} icon={<UserPlus size={18} aria-hidden />} note={group?.name}>
      <EmptyState
        title={group?.name ?? t.shell.notFound}
        action={<Link href={`/g/${groupId}`}>{t.group.messages}</Link>}
      />
    </Place>
  );
}
