import type { ReactNode } from 'react';

import { Avatar } from '../ui/Avatar.tsx';
import { LevelText, type LevelName } from '../ui/LevelTag.tsx';
import styles from './Talk.module.css';
import { Words } from './Words.tsx';

interface TalkProps {
  nickname: string;
  level: LevelName;
  /** The level or role in words, for who does not see colours. */
  levelLabel?: string;
  time: string;
  /** The line above is by the same person and recent: the name is not said again. */
  follows: boolean;
  text: string;
  /** Under the text: what became of it. */
  foot?: ReactNode;
  /** Above the text: what it answers. */
  head?: ReactNode;
  pending?: boolean;
  /** What can be done with it, at the end of its first line. */
  actions?: ReactNode;
  /** What is told of the person when their name is chosen. */
  onName?: (() => void) | undefined;
}

/**
 * Talk is one thing that somebody said or wrote. The text goes in as text: nothing in it is markup. Hundreds of them come
 * in a second, so a line that follows another one is made of as few boxes as can be.
 */
export function Talk({
  nickname,
  level,
  levelLabel,
  time,
  follows,
  text,
  foot,
  head,
  pending = false,
  actions,
  onName,
}: TalkProps) {
  return (
    <article className={styles['talk']} data-follows={follows || undefined} data-pending={pending || undefined}>
      {follows ? (
        <time className={styles['when']}>{time}</time>
      ) : (
        <>
          <div className={styles['face']}>
            <Avatar name={nickname} level={level} />
          </div>
          <header>
            {onName ? (
              <button type="button" className={styles['who']} onClick={onName}>
                <LevelText level={level}>{nickname}</LevelText>
              </button>
            ) : (
              <LevelText level={level}>{nickname}</LevelText>
            )}
            {levelLabel && <small>{levelLabel}</small>}
            <time>{time}</time>
          </header>
        </>
      )}
      {head}
      <p dir="auto">
        <Words text={text} />
      </p>
      {foot}
      {actions && <div className={styles['actions']}>{actions}</div>}
    </article>
  );
}
