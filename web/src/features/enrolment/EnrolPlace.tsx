import { UserPlus } from 'lucide-react';
import { useCallback } from 'react';

import { Role } from '../../api/gen/muster/v1/group_pb.ts';
import type { Scope } from '../../state/scope.ts';
import { Banner } from '../../ui/Banner.tsx';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome } from '../context.tsx';
import { Link } from '../Link.tsx';
import { Page, Place } from '../shell/Place.tsx';
import { useOpened } from '../useOpened.ts';
import { EnrolmentHistory } from './EnrolmentHistory.tsx';
import { EnrolmentReport } from './EnrolmentReport.tsx';
import { Wizard } from './Wizard.tsx';

interface EnrolPlaceProps {
  groupId: bigint;
  /** The enrolment to show; undefined: a new one is prepared. */
  jobId?: bigint | undefined;
}

/** EnrolPlace is where channels' rosters are brought into a group: a new enrolment, and those that were. */
export default function EnrolPlace({ groupId, jobId }: EnrolPlaceProps) {
  const { t } = useTexts();
  const home = useHome();
  const { loaded, byId } = useStore(home.groups.value);
  const group = byId.get(groupId);
  const enrolments = useOpened(useCallback((scope: Scope) => home.openEnrolments(groupId, scope), [home, groupId]));
  if (!group) {
    return (
      <Place title={t.enrolment.enrol}>
        <EmptyState title={loaded ? t.errors.reasons.group_not_found : t.ui.loading} />
      </Place>
    );
  }
  return (
    <Place title={t.enrolment.enrol} icon={<UserPlus size={18} aria-hidden />} note={group.name}>
      <Page key={String(jobId)} wide>
        <p>
          <Link href={jobId === undefined ? `/g/${groupId}` : `/g/${groupId}/enrol`}>
            {jobId === undefined ? t.enrolment.backToGroup(group.name) : t.enrolment.all}
          </Link>
        </p>
        {group.role === Role.MEMBER ? (
          <Banner look="warn">{t.errors.reasons.not_group_admin}</Banner>
        ) : (
          enrolments &&
          (jobId === undefined ? (
            <>
              <Wizard group={group} enrolments={enrolments} />
              <EnrolmentHistory groupId={groupId} enrolments={enrolments} />
            </>
          ) : (
            <EnrolmentReport jobId={jobId} group={group} enrolments={enrolments} />
          ))
        )}
      </Page>
    </Place>
  );
}
