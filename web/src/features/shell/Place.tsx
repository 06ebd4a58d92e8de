import { ChevronLeft, Users } from 'lucide-react';
import { useEffect, useRef, useState, type ReactNode } from 'react';

import { unreadInAll } from '../../state/groups.ts';
import { IconButton } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome, useRoot } from '../context.tsx';
import styles from './Place.module.css';

interface PlaceProps {
  title: string;
  icon?: ReactNode;
  /** A line under the title that says what kind of place this is. */
  note?: ReactNode;
  /** Buttons at the end of the title's line. */
  actions?: ReactNode;
  /** The right column; a drawer where there is no room for it. */
  aside?: ReactNode;
  asideLabel?: string;
  children: ReactNode;
}

const wide = '(min-width: 1080px)';

/** Place is the frame of every page: a title, the middle, and the column on the right. */
export function Place({ title, icon, note, actions, aside, asideLabel, children }: PlaceProps) {
  const { t, f } = useTexts();
  const { router } = useRoot();
  const unread = unreadInAll(useStore(useHome().groups.value));
  const [open, setOpen] = useState(() => matchMedia(wide).matches);
  useEffect(() => {
    const room = matchMedia(wide);
    const follow = () => setOpen(room.matches);
    room.addEventListener('change', follow);
    return () => room.removeEventListener('change', follow);
  }, []);
  useEffect(() => {
    const count = unread > 0 ? `(${f.short(unread)}) ` : '';
    document.title = `${count}${title} · ${t.shell.product}`;
  }, [title, unread, t, f]);
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    // What had the focus went with the place before: the next key begins here. A list that still has it keeps it.
    const now = document.activeElement;
    const lost = now === null || now === document.body || !now.checkVisibility();
    if (router.moved && lost) main.current?.focus({ preventScroll: true });
  }, [router]);
  return (
    <div className={styles['place']} data-aside={(aside !== undefined && open) || undefined}>
      <main ref={main} id="main" tabIndex={-1} className={styles['main']} aria-label={title}>
        <header className={styles['head']}>
          <IconButton label={t.shell.back} className={styles['back']} onClick={() => router.go('/')}>
            <ChevronLeft size={20} aria-hidden />
          </IconButton>
          {icon}
          <div className={styles['title']}>
            <h1>{title}</h1>
            {note && <p>{note}</p>}
          </div>
          {actions}
          {aside !== undefined && (
            <IconButton
              label={open ? t.shell.hidePeople : t.shell.showPeople}
              aria-expanded={open}
              onClick={() => setOpen(!open)}
            >
              <Users size={18} aria-hidden />
            </IconButton>
          )}
        </header>
        <div className={styles['body']}>{children}</div>
      </main>
      {aside !== undefined && open && (
        <aside
          className={styles['aside']}
          aria-label={asideLabel ?? t.shell.aside}
          // What scrolls has to be reachable by keyboard.
          // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
          tabIndex={0}
          onKeyDown={(event) => {
            if (event.key === 'Escape' && !matchMedia(wide).matches) setOpen(false);
          }}
        >
          {aside}
        </aside>
      )}
    </div>
  );
}

/** Page is the middle of a place that is read and filled in, not talked in; wide where it has tables. */
export function Page({ wide = false, children }: { wide?: boolean; children: ReactNode }) {
  const { t } = useTexts();
  return (
    // What scrolls has to be reachable by keyboard.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className={styles['scroll']} role="region" aria-label={t.shell.content} tabIndex={0}>
      <div className={styles['page']} data-wide={wide || undefined}>
        {children}
      </div>
    </div>
  );
}
