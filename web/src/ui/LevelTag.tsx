import type { ReactNode } from 'react';

import styles from './LevelTag.module.css';

export type LevelName = 'owner' | 'admin' | 'moderator' | 'member' | 'vip' | 'guest' | 'visitor';

/** LevelText colours a name by level; the level is also told in words nearby, never by colour alone. */
export function LevelText({ level, children }: { level: LevelName; children: ReactNode }) {
  return (
    <span className={styles['text']} data-level={level}>
      {children}
    </span>
  );
}
