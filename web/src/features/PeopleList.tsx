import type { ReactNode } from 'react';

import type { LevelName } from '../ui/LevelTag.tsx';
import { Avatar } from '../ui/Avatar.tsx';
import styles from './PeopleList.module.css';

export interface Somebody {
  id: bigint;
  nickname: string;
  level: LevelName;
}

interface PeopleListProps {
  title: string;
  count: string;
  people: readonly Somebody[];
  /** What can be done with a person, at the end of the line. */
  actions?: (person: Somebody) => ReactNode;
}

/** PeopleList is one section of the right column: the people of one level, or of one role. */
export function PeopleList({ title, count, people, actions }: PeopleListProps) {
  return (
    <section className={styles['people']} aria-label={title}>
      <h2>
        {title} <span>{count}</span>
      </h2>
      <ul>
        {people.map((person) => (
          <li key={String(person.id)}>
            <Avatar name={person.nickname} level={person.level} size="small" />
            <span className={styles['name']}>{person.nickname}</span>
            {actions?.(person)}
          </li>
        ))}
      </ul>
    </section>
  );
}
