import styles from './Avatar.module.css';
import type { LevelName } from './LevelTag.tsx';

interface AvatarProps {
  name: string;
  /** The colour of the level; without one it is that of a guest. */
  level?: LevelName;
  size?: 'small' | 'medium' | 'large';
  square?: boolean;
}

/** Avatar shows the initials of a name; the name itself stands beside it, so readers pass it over. */
export function Avatar({ name, level = 'guest', size = 'medium', square = false }: AvatarProps) {
  return (
    <span
      className={styles['avatar']}
      data-level={level}
      data-size={size}
      data-square={square || undefined}
      aria-hidden
    >
      {initials(name)}
    </span>
  );
}

/** initials are the first letters of the first and the last word, or the first character of Chinese and the like. */
export function initials(name: string): string {
  const words = name
    .trim()
    .split(/[\s._-]+/u)
    .filter(Boolean);
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => [...(word ?? '')][0] ?? '');
  if (/\p{Script=Han}/u.test(letters[0] ?? '')) return letters[0] ?? '';
  return letters.join('').toLocaleUpperCase();
}
