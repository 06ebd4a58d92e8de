import { Reply } from 'lucide-react';
import type { ReactNode } from 'react';

import { explain } from '../../i18n/explain.ts';
import type { Outgoing } from '../../state/outbox.ts';
import type { Quotes } from '../../state/quotes.ts';
import type { OneSubgroup } from '../../state/subgroups.ts';
import { Button, IconButton } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome, useMe, useRoot } from '../context.tsx';
import { Talk } from '../Talk.tsx';
import { AddressedTo } from './AddresseeChoice.tsx';
import styles from './History.module.css';
import { Quote } from './Quote.tsx';
import type { Row } from './rows.ts';

interface HistoryRowProps {
  row: Row;
  quotes: Quotes;
  subgroups: readonly OneSubgroup[];
  /** It was jumped to. */
  marked: boolean;
  onReply: (seq: number) => void;
  onJump: (seq: number) => void;
}

/** HistoryRow is one line of the history. */
export function HistoryRow({ row, quotes, subgroups, marked, onReply, onJump }: HistoryRowProps) {
  const { t, f } = useTexts();
  switch (row.kind) {
    case 'day':
      return <p className={styles['day']}>{f.day(row.timeMs)}</p>;
    case 'unread':
      return <p className={styles['unread']}>{t.group.unread}</p>;
    case 'outgoing':
      return <OutgoingTalk out={row.out} follows={row.follows} head={head(row.out)} />;
    case 'entry': {
      const { entry } = row;
      if (entry.kind === 'joined') return <p className={styles['note']}>{t.group.joined(entry.count)}</p>;
      if (entry.kind === 'tombstone') return <p className={styles['note']}>{t.group.tombstone}</p>;
      return (
        <div className={marked ? styles['marked'] : undefined}>
          <Talk
            nickname={entry.nickname}
            level="member"
            time={f.time(entry.timeMs)}
            follows={row.follows}
            text={entry.text}
            head={head(entry)}
            actions={
              <IconButton label={t.group.replyTo(entry.nickname)} onClick={() => onReply(entry.seq)}>
                <Reply size={16} aria-hidden />
              </IconButton>
            }
          />
        </div>
      );
    }
  }

  function head({ replyTo, subgroupId }: { replyTo: number; subgroupId: bigint }) {
    const follows = 'follows' in row && row.follows;
    return (
      <>
        {subgroupId !== 0n && !follows && <AddressedTo subgroupId={subgroupId} subgroups={subgroups} />}
        {replyTo > 0 && <Quote quotes={quotes} seq={replyTo} onJump={() => onJump(replyTo)} />}
      </>
    );
  }
}

/** OutgoingTalk is a message of one's own that is not acknowledged yet. */
function OutgoingTalk({ out, follows, head }: { out: Outgoing; follows: boolean; head: ReactNode }) {
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
      head={head}
      foot={foot}
      pending
    />
  );
}
