import { useEffect, useRef, useState, type ReactNode } from 'react';

import { explain } from '../../i18n/explain.ts';
import { rowAt, type Pages } from '../../state/pages.ts';
import { Button } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import styles from './PagedList.module.css';

interface PagedListProps<T> {
  pages: Pages<T>;
  /** The height of every row in px. */
  rowHeight: number;
  label: string;
  /** What is said when there are no rows. */
  empty: string;
  keyOf: (row: T) => string;
  render: (row: T, index: number) => ReactNode;
}

/** No browser lays out much more px than this; beyond, a px of scrolling is more than one of the list. */
const mostPx = 8_000_000;
const overscan = 8;

/** PagedList shows a list of any length of which only what is looked at is kept, in rows of one height. */
export function PagedList<T>({ pages, rowHeight, label, empty, keyOf, render }: PagedListProps<T>) {
  const { t, f } = useTexts();
  const value = useStore(pages.value);
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const measure = () => setView({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const { known, done, failure } = value;
  const total = done ? known : known + 1; // the row behind the last known one stands for what is not read yet
  const whole = total * rowHeight;
  const height = Math.min(whole, mostPx);
  const scale = whole > mostPx ? (whole - view.height) / (mostPx - view.height) : 1;
  const top = view.top * scale;
  const first = Math.max(0, Math.floor(top / rowHeight) - overscan);
  const last = Math.min(total - 1, Math.ceil((top + view.height) / rowHeight) + overscan);
  useEffect(() => pages.show(first, last), [pages, first, last]);

  const rows = [];
  for (let index = first; index <= last; index++) {
    const row = rowAt(value, index);
    const style = { height: rowHeight, transform: `translateY(${index * rowHeight - top + view.top}px)` };
    rows.push(
      <div
        key={row === undefined ? `at ${index}` : keyOf(row)}
        className={styles['row']}
        style={style}
        role="listitem"
        aria-setsize={done ? known : -1}
        aria-posinset={index + 1}
        aria-hidden={row === undefined || undefined}
      >
        {row === undefined ? failure ? null : <div className={styles['ghost']} /> : render(row, index)}
      </div>,
    );
  }
  return (
    <>
      {failure && (
        <div className={styles['notice']} role="alert">
          {explain(t, f, failure)} <Button onClick={() => pages.retry()}>{t.ui.retry}</Button>
        </div>
      )}
      {done && known === 0 && (
        <p className={styles['notice']} role="status">
          {empty}
        </p>
      )}
      <div
        ref={scroller}
        className={styles['scroller']}
        role="group"
        aria-label={label}
        aria-busy={value.reading}
        // A region that scrolls has to be reachable by keyboard.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        onScroll={(event) => setView({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight })}
      >
        <div className={styles['rows']} role="list" aria-label={label} style={{ height }}>
          {rows}
        </div>
      </div>
    </>
  );
}
