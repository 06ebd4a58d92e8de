import type { ReactNode } from 'react';

import styles from './Banner.module.css';

interface BannerProps {
  look?: 'info' | 'warn' | 'bad';
  children: ReactNode;
  action?: ReactNode;
}

/** Banner tells something that holds for the whole place. */
export function Banner({ look = 'info', children, action }: BannerProps) {
  return (
    <div className={styles['banner']} data-look={look} role={look === 'bad' ? 'alert' : 'status'}>
      <span>{children}</span>
      {action}
    </div>
  );
}
