import { ArrowDown, ArrowUp } from 'lucide-react';
import { useCallback, useEffect, useImperativeHandle, useMemo, useRef, useState, type Ref } from 'react';

import { explain } from '../../i18n/explain.ts';
import { unreadOf } from '../../state/groups.ts';
import type { GroupLog } from '../../state/log.ts';
import type { Quotes } from '../../state/quotes.ts';
import type { OneSubgroup } from '../../state/subgroups.ts';
import { Badge } from '../../ui/Badge.tsx';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { VirtualList, type VirtualListHandle } from '../../ui/VirtualList.tsx';
import { useHome, useMe } from '../context.tsx';
import styles from './History.module.css';
import { HistoryRow } from './HistoryRow.tsx';
import { heightOf, indexOf, rowsOf, type Row } from './rows.ts';

export interface HistoryHandle {
  /** jumpTo shows the message of a seq, wherever in the log it stands. */
  jumpTo: (seq: number) => Promise<void>;
  toEnd: () => Promise<void>;
}

interface HistoryProps {
  log: GroupLog;
  quotes: Quotes;
  subgroups: readonly OneSubgroup[];
  /** The last message that was read when the group was opened; undefined: all were. */
  unreadAfter: number | undefined;
  onReply: (seq: number) => void;
  ref?: Ref<HistoryHandle>;
}

/** How long a message is marked that was jumped to. */
const markedMs = 2_500;
/** From so many messages behind the unread line on there is a way back to it. */
const farFromUnread = 25;

/** History shows a group's log, both ways, and what is on its way into it. */
export function History({ log, quotes, subgroups, unreadAfter, onReply, ref }: HistoryProps) {
  const { t, f } = useTexts();
  const home = useHome();
  const me = useMe();
  const value = useStore(log.value);
  const group = useStore(home.groups.value).byId.get(log.groupId);
  const waiting = useStore(home.outbox.waiting);
  const list = useRef<VirtualListHandle>(null);
  const [atEnd, setAtEnd] = useState(true);
  const [far, setFar] = useState(false);
  const [marked, setMarked] = useState<number>();
  const seen = useRef(0);
  const rows = useMemo(() => {
    // What one wrote is there even while nothing else can be read.
    const end = value.atEnd || (value.entries.length === 0 && value.failure !== undefined);
    const outgoing = end ? waiting.filter((out) => out.groupId === log.groupId) : [];
    return rowsOf(value.entries, outgoing, me.id, unreadAfter, value.atStart);
  }, [value, waiting, log, me.id, unreadAfter]);
  // Where a list begins that was opened anew: at what was jumped to, or at the unread line.
  const begin = marked ?? (value.opening === 1 ? unreadAfter : undefined);
  const initial = begin === undefined ? -1 : indexOf(rows, begin, marked === undefined);

  const read = useCallback(() => {
    if (document.visibilityState === 'visible') home.groups.markRead(log.groupId, seen.current);
  }, [home, log]);
  const onSeen = useCallback(
    (row: Row) => {
      if (row.kind !== 'entry') return;
      seen.current = row.entry.seq;
      setFar(unreadAfter !== undefined && row.entry.seq > unreadAfter + farFromUnread);
      read();
    },
    [read, unreadAfter],
  );
  useEffect(() => {
    // What stood on a page that nobody saw is read when it is looked at.
    document.addEventListener('visibilitychange', read);
    return () => document.removeEventListener('visibilitychange', read);
  }, [read]);
  useEffect(() => {
    if (marked === undefined) return;
    const timer = setTimeout(() => setMarked(undefined), markedMs);
    return () => clearTimeout(timer);
  }, [marked]);
  const before = useCallback(() => void log.before(), [log]);
  const after = useCallback(() => void log.after(), [log]);

  async function toEnd() {
    if (!log.value.get().atEnd) await log.jump('end');
    list.current?.scrollToEnd();
  }
  async function jumpTo(seq: number) {
    setMarked(seq);
    const index = indexOf(rows, seq, false);
    if (index >= 0) list.current?.scrollToIndex(index);
    else await log.jump(seq);
  }
  async function toUnread() {
    if (unreadAfter === undefined) return;
    const index = indexOf(rows, unreadAfter, true);
    setFar(false);
    if (index >= 0) list.current?.scrollToIndex(index);
    else await jumpTo(unreadAfter + 1);
  }
  useImperativeHandle(ref, () => ({ jumpTo, toEnd }));

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
  const unread = group ? unreadOf(group) : 0;
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
        moreAfter={!value.atEnd}
        initialIndex={initial >= 0 ? initial : undefined}
        onNearStart={before}
        onNearEnd={after}
        onAtEndChange={setAtEnd}
        onSeen={onSeen}
        render={(row) => (
          <HistoryRow
            row={row}
            quotes={quotes}
            subgroups={subgroups}
            marked={row.kind === 'entry' && row.entry.seq === marked}
            onReply={onReply}
            onJump={(seq) => void jumpTo(seq)}
          />
        )}
      />
      {value.failure && <Banner look="warn">{explain(t, f, value.failure)}</Banner>}
      {far && (
        <div className={styles['toUnread']}>
          <Button icon={<ArrowUp size={16} aria-hidden />} onClick={() => void toUnread()}>
            {t.group.toUnread}
          </Button>
        </div>
      )}
      {!(atEnd && value.atEnd) && (
        <div className={styles['toEnd']}>
          <Button icon={<ArrowDown size={16} aria-hidden />} onClick={() => void toEnd()}>
            {t.group.toEnd}
            {unread > 0 && <Badge label={t.shell.unread(unread)}>{f.short(unread)}</Badge>}
          </Button>
        </div>
      )}
    </div>
  );
}
