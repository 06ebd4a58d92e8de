import { useState } from 'react';

import { Choice } from '../../api/gen/muster/v1/enrolment_pb.ts';
import type { OneInvitation } from '../../state/invitations.ts';
import { Avatar } from '../../ui/Avatar.tsx';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useNow } from '../../ui/useStore.ts';
import { useAct, useHome, useRoot } from '../context.tsx';
import styles from './InvitationCard.module.css';

interface InvitationCardProps {
  invitation: OneInvitation;
  /** The level of the heading where the card stands. */
  heading?: 'h2' | 'h3';
}

/** InvitationCard says who asks, from where, and what joining means, and takes the answer. */
export function InvitationCard({ invitation, heading: Heading = 'h2' }: InvitationCardProps) {
  const { t, f } = useTexts();
  const { invitations, groups } = useHome();
  const { router } = useRoot();
  const act = useAct();
  const [leaving, setLeaving] = useState(false);
  const { groupName, channelName, inviterNickname, memberCount } = invitation;
  const fromChannel = invitation.channelId !== 0n;
  const expired = useNow(15_000, true) >= invitation.expiresMs;

  async function answer(choice: Choice) {
    const done = await act.run(() => invitations.answer(invitation.id, choice));
    if (!done || choice !== Choice.ACCEPT) return;
    if (!groups.get(invitation.groupId)) await act.run(() => groups.load());
    router.go(`/g/${invitation.groupId}`);
  }

  return (
    <article className={styles['card']} aria-label={t.enrolment.join(groupName)}>
      <header>
        <Avatar name={groupName} level="member" square />
        <div>
          <Heading>{t.enrolment.join(groupName)}</Heading>
          <p>
            {fromChannel ? t.enrolment.askedFrom(inviterNickname, channelName) : t.enrolment.askedBy(inviterNickname)}
          </p>
        </div>
      </header>
      {invitation.text && <blockquote>{invitation.text}</blockquote>}
      <p className={styles['small']}>
        {t.enrolment.meaning(groupName, memberCount)}{' '}
        {expired ? t.enrolment.expired : t.enrolment.openUntil(f.dateTime(invitation.expiresMs))}
      </p>
      {act.error && <Banner look="bad">{act.error}</Banner>}
      <footer>
        <Button look="primary" busy={act.busy} disabled={expired} onClick={() => void answer(Choice.ACCEPT)}>
          {t.enrolment.accept}
        </Button>
        <Button disabled={act.busy || expired} onClick={() => void answer(Choice.DECLINE)}>
          {t.enrolment.decline}
        </Button>
        {fromChannel && !expired && (
          <Button look="quiet" disabled={act.busy} onClick={() => setLeaving(true)}>
            {t.enrolment.declineAndLeave}
          </Button>
        )}
      </footer>
      {leaving && (
        <Dialog
          title={t.enrolment.declineAndLeave}
          onClose={() => setLeaving(false)}
          actions={
            <>
              <Button onClick={() => setLeaving(false)}>{t.ui.cancel}</Button>
              <Button look="danger" busy={act.busy} onClick={() => void answer(Choice.DECLINE_AND_LEAVE)}>
                {t.enrolment.declineAndLeave}
              </Button>
            </>
          }
        >
          <p>{t.enrolment.leaveSure(channelName)}</p>
        </Dialog>
      )}
    </article>
  );
}
