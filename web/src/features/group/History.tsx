import { ArrowDown } from 'lucide-react';
import { useCallback, useMemo, useRef, useState } from 'react';

import { explain } from '../../i18n/explain.ts';
import type { GroupLog } from '../../state/log.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button, IconButton } from '../../ui/Button.tsx';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { VirtualList, type VirtualListHandle } from '../../ui/VirtualList.tsx';
import { useHome, useMe } from '../context.tsx';
import styles from './History.module.css';
import { HistoryRow } from './HistoryRow.tsx';
import { heightOf, rowsOf, type Row } from './rows.ts';

/** History shows a group's log, both ways, and what is on its way into it. */
export function History({ log, unreadAfter }: { log: GroupLog; unreadAfter: number | undefined }) {
  const { t, f } = useTexts();
  const home = useHome();
  const me = useMe();
  const value = useStore(log.value);
  const waiting = useStore(home.outbox.waiting);
  const list = useRef<VirtualListHandle>(null);
  const [atEnd, setAtEnd] = useState(true);
  const rows = useMemo(() => {
    const outgoing = value.atEnd ? waiting.filter((out) => out.groupId === log.groupId) : [];
    return rowsOf(value.entries, outgoing, me.id, unreadAfter);
  }, [value, waiting, log, me.id, unreadAfter]);
  const unreadIndex = rows.findIndex((row) => row.kind === 'unread');
  const onSeen = useCallback(
    (row: Row) => {
      if (row.kind === 'entry' && document.visibilityState === 'visible')
        home.groups.markRead(log.groupId, row.entry.seq);
    },
    [home, log],
  );
  const before = useCallback(() => void log.before(), [log]);
  const after = useCallback(() => void log.after(), [log]);

  async function toEnd() {
    if (!value.atEnd) await log.jump('end');
    list.current?.scrollToEnd();
  }

  if (rows.length === 0) {
    const failed = value.failure && explain(t, f, value.failure);
    const action = failed ? <Button onClick={() => void log.jump('end')}>{t.ui.retry}</Button> : undefined;
    const empty = value.loading === 'none' && value.atEnd ? t.group.empty : t.ui.loading;
    return (
      <div className={styles['history']}>
        <EmptyState title={failed ?? empty} action={action} />
      </div>
    );
  }
  return (
    <div className={styles['history']}>
      <VirtualList
        // The list begins anew where the log was opened anew.
        key={value.opening}
        ref={list}
        items={rows}
        keyOf={(row) => row.key}
        estimate={heightOf}
        from="end"
        role="log"
        label={t.group.messages}
        initialIndex={unreadIndex >= 0 && value.opening === 1 ? unreadIndex : undefined}
        onNearStart={before}
        onNearEnd={after}
        onAtEndChange={setAtEnd}
        onSeen={onSeen}
        render={(row) => <HistoryRow row={row} />}
      />
      {value.failure && <Banner look="warn">{explain(t, f, value.failure)}</Banner>}
      {!(atEnd && value.atEnd) && (
        <IconButton label={t.group.toEnd} className={styles['toEnd']} onClick={() => void toEnd()}>
          <ArrowDown size={18} aria-hidden />
        </IconButton>
      )}
    </div>
  );
}
