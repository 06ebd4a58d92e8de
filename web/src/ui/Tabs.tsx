import { useEffect, useRef, type MouseEvent } from 'react';

import styles from './Tabs.module.css';

interface TabsProps {
  label: string;
  /** Each tab is a place with an address, so that it survives a reload. */
  tabs: readonly { href: string; label: string; current: boolean }[];
  onGo: (href: string) => void;
  /** Across the whole place, under its title. */
  across?: boolean;
}

/** Tabs are links between the pages of one place. */
export function Tabs({ label, tabs, onGo, across = false }: TabsProps) {
  const list = useRef<HTMLElement>(null);
  const current = tabs.find((tab) => tab.current)?.href;
  useEffect(() => {
    // On a phone the tabs are wider than the page.
    list.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [current]);
  function go(event: MouseEvent, href: string) {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    onGo(href);
  }
  return (
    <nav ref={list} aria-label={label} className={styles['tabs']} data-across={across || undefined}>
      {tabs.map((tab) => (
        <a
          key={tab.href}
          href={tab.href}
          aria-current={tab.current ? 'page' : undefined}
          onClick={(event) => go(event, tab.href)}
        >
          {tab.label}
        </a>
      ))}
    </nav>
  );
}
