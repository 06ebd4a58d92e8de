import { Inbox } from 'lucide-react';

import { EmptyState } from '../../ui/EmptyState.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome } from '../context.tsx';
import { Link } from '../Link.tsx';
import { Page, Place } from '../shell/Place.tsx';
import { InvitationCard } from './InvitationCard.tsx';
import styles from './InvitationsPlace.module.css';

/** InvitationsPlace is the inbox of questions to join a group. */
export default function InvitationsPlace() {
  const { t, f } = useTexts();
  const { loaded, open, past } = useStore(useHome().invitations.value);
  return (
    <Place title={t.enrolment.invitations} icon={<Inbox size={18} aria-hidden />}>
      {open.length === 0 && past.length === 0 ? (
        <EmptyState icon={<Inbox size={32} aria-hidden />} title={loaded ? t.enrolment.none : t.ui.loading}>
          {t.enrolment.noneHint}
        </EmptyState>
      ) : (
        <Page>
          {open.length === 0 && <p role="status">{t.enrolment.none}</p>}
          {open.map((invitation) => (
            <InvitationCard key={String(invitation.id)} invitation={invitation} />
          ))}
          {past.length > 0 && (
            <section className={styles['past']} aria-labelledby="past-invitations">
              <h2 id="past-invitations">{t.enrolment.past}</h2>
              <ul>
                {past.map(({ invitation, outcome }) => (
                  <li key={String(invitation.id)}>
                    <strong>{invitation.groupName}</strong>
                    <span>{t.enrolment.outcomes[outcome]}</span>
                    {outcome === 'accepted' ? (
                      <Link href={`/g/${invitation.groupId}`}>{t.enrolment.toGroup(invitation.groupName)}</Link>
                    ) : (
                      <small>{f.dateTime(invitation.createdMs)}</small>
                    )}
                  </li>
                ))}
              </ul>
            </section>
          )}
        </Page>
      )}
    </Place>
  );
}
