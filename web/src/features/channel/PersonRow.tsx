import { memo } from 'react';

import { Avatar } from '../../ui/Avatar.tsx';
import { LevelText } from '../../ui/LevelTag.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { levelName } from '../levels.ts';
import styles from './People.module.css';
import type { Somebody } from './person.ts';

interface PersonRowProps {
  person: Somebody;
  /** The level in words; left out where the heading above says it. */
  tag?: string;
  onPerson: (person: Somebody) => void;
}

/** PersonRow is one person in a list; choosing it opens their card. */
export const PersonRow = memo(function PersonRow({ person, tag, onPerson }: PersonRowProps) {
  const { t } = useTexts();
  const level = levelName(person.level);
  const state = person.here ? 'here' : person.online ? 'online' : 'away';
  return (
    <button type="button" className={styles['person']} aria-haspopup="dialog" onClick={() => onPerson(person)}>
      <span className={styles['face']}>
        <Avatar name={person.nickname} level={level} size="small" />
        {state !== 'away' && <span className={styles['dot']} data-state={state} />}
      </span>
      <span className={styles['name']}>
        <LevelText level={level}>{person.nickname}</LevelText>
      </span>
      {tag && <small>{tag}</small>}
      {state === 'online' && <span className="visually-hidden">{t.channel.online}</span>}
    </button>
  );
});
