import type { MouseEvent } from 'react';

import styles from './Tabs.module.css';

interface TabsProps {
  label: string;
  /** Each tab is a place with an address, so that it survives a reload. */
  tabs: readonly { href: string; label: string; current: boolean }[];
  onGo: (href: string) => void;
}

/** Tabs are links between the pages of one place. */
export function Tabs({ label, tabs, onGo }: TabsProps) {
  function go(event: MouseEvent, href: string) {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    onGo(href);
  }
  return (
    <nav aria-label={label} className={styles['tabs']}>
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
