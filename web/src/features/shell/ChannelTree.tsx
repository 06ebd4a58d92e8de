import { ChevronDown, ChevronRight } from 'lucide-react';
import { useMemo, useRef, useState, type KeyboardEvent } from 'react';

import { pathOf } from '../../state/channels.ts';
import { Badge } from '../../ui/Badge.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome, useRoot } from '../context.tsx';
import { Link } from '../Link.tsx';
import styles from './ChannelTree.module.css';
import { ChannelIcon } from './Navigation.tsx';
import navigation from './Navigation.module.css';
import { rowsOf, stepFrom, type TreeRow } from './treeRows.ts';

/**
 * ChannelTree lists the channels as they lie in one another, with how many people are in each room. It is one stop of
 * the Tab key; arrows, Home, End and letters move inside it, as a tree has it.
 */
export function ChannelTree({ current }: { current: bigint | undefined }) {
  const { t } = useTexts();
  const { channels, folded } = useHome();
  const { router } = useRoot();
  const tree = useStore(channels.value);
  const closed = useStore(folded.value);
  const rows = useMemo(() => rowsOf(tree, closed), [tree, closed]);
  const list = useRef<HTMLUListElement>(null);
  const [focused, setFocused] = useState<bigint>();
  if (rows.length === 0) {
    return <p className={navigation['none']}>{tree.loaded ? t.shell.noChannels : t.ui.loading}</p>;
  }
  const shown = (id: bigint | undefined) => id !== undefined && rows.some((row) => row.channel.id === id);
  // Who is in a folded part is shown at what folds it.
  const mark = current === undefined ? undefined : pathOf(tree, current).findLast((one) => shown(one.id))?.id;
  const stop = shown(focused) ? focused : (mark ?? rows[0]?.channel.id);

  function fold(id: bigint, on: boolean) {
    folded.fold(id, on);
    if (!on && !tree.children.has(id)) void channels.open(id).catch(() => {}); // the tree is read again anyway
  }
  function onKeyDown(event: KeyboardEvent, row: TreeRow) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = stepFrom(rows, row, event.key);
    if (!step) return;
    event.preventDefault();
    if (step.fold !== undefined) fold(row.channel.id, step.fold);
    if (step.open) router.go(`/c/${row.channel.id}`);
    if (step.to) list.current?.querySelector<HTMLElement>(`[data-id="${step.to.channel.id}"]`)?.focus();
  }
  return (
    <ul ref={list} role="tree" aria-labelledby="nav-channels" className={styles['tree']}>
      {rows.map((row) => (
        <Row
          key={String(row.channel.id)}
          row={row}
          current={row.channel.id === mark}
          here={row.channel.id === current}
          stop={row.channel.id === stop}
          onFocus={() => setFocused(row.channel.id)}
          onKeyDown={(event) => onKeyDown(event, row)}
          onFold={(on) => fold(row.channel.id, on)}
        />
      ))}
    </ul>
  );
}

interface RowProps {
  row: TreeRow;
  /** The open channel is this one, or inside it and hidden. */
  current: boolean;
  here: boolean;
  /** The Tab key comes here. */
  stop: boolean;
  onFocus: () => void;
  onKeyDown: (event: KeyboardEvent) => void;
  onFold: (on: boolean) => void;
}

function Row({ row, current, here, stop, onFocus, onKeyDown, onFold }: RowProps) {
  const { t, f } = useTexts();
  const { id, name, presentCount: people } = row.channel;
  const open = row.expanded === true;
  return (
    <li
      role="treeitem"
      data-id={String(id)}
      tabIndex={stop ? 0 : -1}
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-expanded={row.expanded}
      aria-selected={here}
      aria-labelledby={`channel-${id}`}
      className={styles['item']}
      style={{ paddingInlineStart: (row.level - 1) * 14 }}
      onFocus={onFocus}
      onKeyDown={onKeyDown}
    >
      {row.expanded === undefined ? (
        <span className={styles['fold']} />
      ) : (
        <button
          type="button"
          tabIndex={-1}
          className={styles['fold']}
          aria-label={open ? t.shell.collapse(name) : t.shell.expand(name)}
          onClick={() => onFold(open)}
        >
          {open ? <ChevronDown size={14} aria-hidden /> : <ChevronRight size={14} aria-hidden />}
        </button>
      )}
      <Link
        id={`channel-${id}`}
        href={`/c/${id}`}
        tabIndex={-1}
        className={navigation['row']}
        data-strong={people > 0 || undefined}
        aria-current={here ? 'page' : current ? 'true' : undefined}
      >
        <ChannelIcon />
        <span className={navigation['name']}>{name}</span>
        {people > 0 && (
          <Badge look="soft" label={t.shell.peopleInside(people)}>
            {f.short(people)}
          </Badge>
        )}
      </Link>
    </li>
  );
}
