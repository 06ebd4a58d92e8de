import { explain } from '../../i18n/explain.ts';
import type { Outgoing } from '../../state/outbox.ts';
import { Button } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome, useMe, useRoot } from '../context.tsx';
import { Talk } from '../Talk.tsx';
import styles from './History.module.css';
import type { Row } from './rows.ts';

/** HistoryRow is one line of the history. */
export function HistoryRow({ row }: { row: Row }) {
  const { t, f } = useTexts();
  switch (row.kind) {
    case 'day':
      return <p className={styles['day']}>{f.day(row.timeMs)}</p>;
    case 'unread':
      return <p className={styles['unread']}>{t.group.unread}</p>;
    case 'outgoing':
      return <OutgoingTalk out={row.out} follows={row.follows} />;
    case 'entry': {
      const { entry } = row;
      if (entry.kind === 'joined') return <p className={styles['note']}>{t.group.joined(entry.count)}</p>;
      if (entry.kind === 'tombstone') return <p className={styles['note']}>{t.group.tombstone}</p>;
      return (
        <Talk
          nickname={entry.nickname}
          level="member"
          time={f.time(entry.timeMs)}
          follows={row.follows}
          text={entry.text}
        />
      );
    }
  }
}

/** OutgoingTalk is a message of one's own that is not acknowledged yet. */
function OutgoingTalk({ out, follows }: { out: Outgoing; follows: boolean }) {
  const { t, f } = useTexts();
  const { app } = useRoot();
  const { outbox } = useHome();
  const me = useMe();
  const online = useStore(app.connection).phase === 'online';
  const foot = out.failure ? (
    <div className={styles['foot']} data-bad role="alert">
      {t.group.refused}: {explain(t, f, out.failure)}
      <Button look="quiet" onClick={() => outbox.again(out.id)}>
        {t.group.again}
      </Button>
      <Button look="quiet" onClick={() => outbox.forget(out.id)}>
        {t.group.discard}
      </Button>
    </div>
  ) : (
    <div className={styles['foot']}>{online ? t.group.sending : t.group.waiting}</div>
  );
  return (
    <Talk
      nickname={me.nickname || me.name}
      level="member"
      time={f.time(out.writtenMs)}
      follows={follows}
      text={out.text}
      foot={foot}
      pending
    />
  );
}
