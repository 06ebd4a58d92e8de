import { useVirtualizer, type Virtualizer } from '@tanstack/react-virtual';
import { useEffect, useImperativeHandle, useLayoutEffect, useRef, type ReactNode, type Ref } from 'react';

import { offsetNow } from './offset.ts';
import styles from './VirtualList.module.css';

export interface VirtualListHandle {
  scrollToIndex: (index: number, align?: 'start' | 'center' | 'end') => void;
  scrollToEnd: () => void;
}

interface VirtualListProps<T> {
  items: readonly T[];
  /** Lasting and unique: the view holds on to it when items come before or are dropped. */
  keyOf: (item: T) => string | number;
  /** A guess of a row's height in px, until it is measured; the better it is, the calmer the list. */
  estimate: number | ((item: T) => number);
  render: (item: T, index: number) => ReactNode;
  /** Readers hear the list's name, and new rows when it is a log. */
  label: string;
  role?: 'log' | 'list';
  /** end: begins at the end and follows what is added there, as talk does. */
  from?: 'start' | 'end';
  /** More stands behind the last item than is here: that is no end to hold on to, though it may be reached. */
  moreAfter?: boolean;
  /** Where to begin instead: an index. */
  initialIndex?: number | undefined;
  /** The first or the last rows come into view: time to bring more. */
  onNearStart?: (() => void) | undefined;
  onNearEnd?: (() => void) | undefined;
  onAtEndChange?: (atEnd: boolean) => void;
  /** The last row that can be seen whole. */
  onSeen?: (item: T) => void;
  ref?: Ref<VirtualListHandle>;
}

const near = 8;
/** So close to the end, in px, counts as there. */
const threshold = 40;

function endIsNear({ scrollTop, scrollHeight, clientHeight }: HTMLElement): boolean {
  return scrollHeight - scrollTop - clientHeight <= threshold;
}

/**
 * hearOffset tells the virtualizer where its view is. It knows from events, which come a frame after the view was moved by
 * a script, a key or a search; what it worked out from the offset before would take that move back.
 */
function hearOffset(virtual: Virtualizer<HTMLDivElement, Element>): void {
  const { scrollElement, scrollOffset, measurementsCache } = virtual;
  if (!scrollElement || scrollOffset === null) return;
  // While a finger scrolls, corrections are held back, and all rows are drawn so much further up.
  const [row] = virtual.getVirtualItems();
  const held = row ? (measurementsCache[row.index]?.start ?? row.start) - row.start : 0;
  virtual.scrollOffset = offsetNow(scrollOffset, scrollElement.scrollTop, held);
}

/** VirtualList renders the rows that can be seen of a list of any length, whose rows have any height. */
export function VirtualList<T>(props: VirtualListProps<T>) {
  const {
    items,
    keyOf,
    estimate,
    render,
    label,
    role = 'list',
    from = 'start',
    moreAfter = false,
    initialIndex,
  } = props;
  const { onNearStart, onNearEnd, onAtEndChange, onSeen, ref } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const began = useRef(false);
  /** Whether the view holds on to the end; only the reader lets it go. */
  const holds = useRef(from === 'end');
  /** Where the view was at the last scroll. */
  const was = useRef({ top: 0, height: 0 });
  const before = useRef<{ items: readonly T[]; virtual: Virtualizer<HTMLDivElement, Element> }>(null);
  // Rows that come before or are dropped are made up for by moving the view from where it is. At the end it goes there.
  if (before.current && before.current.items !== items && !holds.current) hearOffset(before.current.virtual);
  const virtual = useVirtualizer<HTMLDivElement, Element>({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => {
      if (typeof estimate === 'number') return estimate;
      const item = items[index];
      return item === undefined ? 0 : estimate(item);
    },
    getItemKey: (index) => {
      const item = items[index];
      return item === undefined ? index : keyOf(item);
    },
    anchorTo: from === 'end' ? 'end' : 'start',
    scrollEndThreshold: threshold,
    overscan: 12,
  });

  before.current = { items, virtual };

  // A row that becomes higher or lower wholly above the view must not move what is read, whichever way somebody
  // scrolls: the first row of a page that was added before changes when it gets company. Measured for the first time,
  // a row counts from its top on: all of it was a guess until then.
  virtual.shouldAdjustScrollPositionOnItemSizeChange = (row, _, { scrollOffset, itemSizeCache }) => {
    const edge = scrollOffset ?? 0;
    return itemSizeCache.has(row.key) ? row.end <= edge : row.start < edge;
  };

  useImperativeHandle(ref, () => ({
    scrollToIndex: (index, align = 'center') => virtual.scrollToIndex(index, { align }),
    scrollToEnd() {
      holds.current = from === 'end';
      virtual.scrollToEnd();
    },
  }));

  useLayoutEffect(() => {
    if (began.current || items.length === 0) return;
    began.current = true;
    if (initialIndex === undefined) return;
    holds.current = false;
    virtual.scrollToIndex(initialIndex, { align: 'center' });
  }, [items.length, initialIndex, virtual]);

  const had = useRef(moreAfter);
  useLayoutEffect(() => {
    const element = scroller.current;
    // Who waited where the rows ended is at the end once it is known that nothing is behind it.
    if (had.current && !moreAfter && element) holds.current ||= from === 'end' && endIsNear(element);
    had.current = moreAfter;
  }, [moreAfter, from]);

  const total = virtual.getTotalSize();
  useLayoutEffect(() => {
    if (began.current && holds.current) virtual.scrollToEnd();
  }, [items, total, virtual]);

  function scrolled() {
    const element = scroller.current;
    if (from !== 'end' || !element) return;
    // The virtualizer hears of a scroll after React does, so the element is asked.
    const { scrollTop: top, scrollHeight: height } = element;
    const shrunk = Math.max(0, was.current.height - height);
    if (endIsNear(element)) holds.current ||= !moreAfter;
    // Further up than rows that became lower explain: by wheel, key, search or a reader's aid, somebody wants to be there.
    else if (top < was.current.top - shrunk - 1) holds.current = false;
    was.current = { top, height };
  }

  const rows = virtual.getVirtualItems();
  const first = rows[0]?.index ?? 0;
  const last = rows.at(-1)?.index ?? -1;
  const atEnd = items.length === 0 || virtual.isAtEnd(threshold);
  const offset = virtual.scrollOffset ?? 0;
  const height = virtual.scrollRect?.height ?? 0;
  const seen = rows.findLast((row) => row.end <= offset + height + 4)?.index;
  const seenItem = seen === undefined ? undefined : items[seen];

  useEffect(() => {
    if (began.current && first < near) onNearStart?.();
  }, [first, items.length, onNearStart]);
  useEffect(() => {
    if (began.current && last >= items.length - near) onNearEnd?.();
  }, [last, items.length, onNearEnd]);
  useEffect(() => onAtEndChange?.(atEnd), [atEnd, onAtEndChange]);
  useEffect(() => {
    if (began.current && seenItem !== undefined) onSeen?.(seenItem);
  }, [seenItem, onSeen]);

  return (
    // A region that scrolls has to be reachable by keyboard.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div
      ref={scroller}
      onScroll={scrolled}
      className={styles['scroller']}
      tabIndex={0}
      role={role === 'log' ? 'log' : 'group'}
      aria-label={label}
    >
      <div role={role === 'list' ? 'list' : undefined} className={styles['rows']} style={{ height: total }}>
        {rows.map((row) => {
          const item = items[row.index];
          if (item === undefined) return null;
          return (
            <div
              key={row.key}
              ref={virtual.measureElement}
              data-index={row.index}
              role={role === 'list' ? 'listitem' : undefined}
              className={styles['row']}
              style={{ transform: `translateY(${row.start}px)` }}
            >
              {render(item, row.index)}
            </div>
          );
        })}
      </div>
    </div>
  );
}
