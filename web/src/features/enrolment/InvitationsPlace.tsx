import { Inbox } from 'lucide-react';

import { EmptyState } from '../../ui/EmptyState.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome } from '../context.tsx';
import { Page, Place } from '../shell/Place.tsx';
import { InvitationCard } from './InvitationCard.tsx';

/** InvitationsPlace is the inbox of questions to join a group. */
export default function InvitationsPlace() {
  const { t } = useTexts();
  const { loaded, open } = useStore(useHome().invitations.value);
  return (
    <Place title={t.enrolment.invitations} icon={<Inbox size={18} aria-hidden />}>
      {open.length === 0 ? (
        <EmptyState icon={<Inbox size={32} aria-hidden />} title={loaded ? t.enrolment.none : t.ui.loading}>
          {t.enrolment.noneHint}
        </EmptyState>
      ) : (
        <Page>
          {open.map((invitation) => (
            <InvitationCard key={String(invitation.id)} invitation={invitation} />
          ))}
        </Page>
      )}
    </Place>
  );
}
