import { useCallback, useEffect, useState } from 'react';

import type { Session } from '../../api/gen/muster/v1/account_pb.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useAct, useRoot } from '../context.tsx';
import styles from './Settings.module.css';

/** Sessions lists where the account is signed in, and ends what should not be. */
export function Sessions() {
  const { t, f } = useTexts();
  const { app } = useRoot();
  const act = useAct();
  const [sessions, setSessions] = useState<readonly Session[]>();
  const read = useCallback(async () => setSessions(await app.session.sessions()), [app]);
  useEffect(() => {
    void act.run(read);
    // Read once when the page is opened.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [read]);
  function end(what: () => Promise<void>) {
    void act.run(async () => {
      await what();
      await read();
    });
  }
  return (
    <div className={styles['form']}>
      <p className={styles['soft']}>{t.account.sessionsHint}</p>
      {act.error && <Banner look="bad">{act.error}</Banner>}
      {!sessions && !act.error && <p role="status">{t.ui.loading}</p>}
      <ul className={styles['sessions']} hidden={!sessions} aria-label={t.account.sessions}>
        {[...(sessions ?? [])].sort(currentFirst).map((session) => (
          <li key={String(session.id)}>
            <div className={styles['device']}>
              <strong>{session.device || session.address}</strong>
              <small>
                {session.address && `${session.address} · `}
                {t.account.signedInSince(f.dateTime(Number(session.createdMs)))} ·{' '}
                {t.account.lastSeen(f.fromNow(Number(session.seenMs)))}
              </small>
            </div>
            {session.current ? (
              <span className={styles['here']}>{t.account.thisSession}</span>
            ) : (
              <Button
                aria-label={t.account.revokeNamed(session.device)}
                disabled={act.busy}
                onClick={() => end(() => app.session.revoke(session.id))}
              >
                {t.account.revoke}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {(sessions?.length ?? 0) > 1 && (
        <Button look="danger" busy={act.busy} onClick={() => end(() => app.session.revokeOthers())}>
          {t.account.revokeOthers}
        </Button>
      )}
    </div>
  );
}

function currentFirst(a: Session, b: Session): number {
  return Number(b.current) - Number(a.current);
}
