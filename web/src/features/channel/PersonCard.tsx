import { useEffect, useState } from 'react';

import type { OneChannel } from '../../state/channels.ts';
import { grantable, mayRemove, standingOf } from '../../state/standing.ts';
import { Avatar } from '../../ui/Avatar.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { LevelText } from '../../ui/LevelTag.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useHome, useMe } from '../context.tsx';
import { levelName } from '../levels.ts';
import type { Acted, Somebody } from './person.ts';
import styles from './PersonCard.module.css';
import { LevelTool, OrderTools } from './PersonTools.tsx';

interface PersonCardProps {
  channel: OneChannel;
  person: Somebody;
  onActed: (acted: Acted) => void;
  onClose: () => void;
}

/** PersonCard shows somebody of a channel, with what the acting account may do about them. */
export default function PersonCard({ channel, person, onActed, onClose }: PersonCardProps) {
  const { t, f } = useTexts();
  const { clients } = useHome();
  const me = useMe();
  const [name, setName] = useState(person.name);
  const [about, setAbout] = useState('');
  const [level, setLevel] = useState(person.level);
  useEffect(() => {
    let here = true;
    const found = ({ account }: Awaited<ReturnType<typeof clients.account.getAccount>>) => {
      if (!here || !account) return;
      setName(account.name);
      setAbout(account.about);
    };
    clients.account.getAccount({ accountId: person.id }).then(found, () => {}); // the card shows what is known
    return () => {
      here = false;
    };
  }, [clients, person.id]);
  const standing = standingOf(channel.yourLevel, me.serverRole);
  const self = person.id === me.id;
  const levels = grantable(standing, level, self);
  const removable = mayRemove(standing, level, self);
  const words = t.ui.levels[levelName(level)];
  const tools = { channel, person, level, onActed, onClose };
  return (
    <Dialog title={person.nickname} onClose={onClose}>
      <div className={styles['who']}>
        <Avatar name={person.nickname} level={levelName(level)} size="large" />
        <div>
          <LevelText level={levelName(level)}>{words}</LevelText>
          {name && <span>@{name}</span>}
          {self && <span>{t.channel.person.you}</span>}
        </div>
      </div>
      {about && <p className={styles['about']}>{about}</p>}
      <dl className={styles['facts']}>
        {(person.online !== undefined || person.here) && (
          <div>
            <dt>{t.channel.person.state}</dt>
            <dd>{person.here ? t.channel.here : person.online ? t.channel.online : t.channel.offline}</dd>
          </div>
        )}
        {person.joinedMs !== undefined && (
          <div>
            <dt>{t.channel.person.joinedAt}</dt>
            <dd>{f.dateTime(person.joinedMs)}</dd>
          </div>
        )}
      </dl>
      {levels.length > 0 && <LevelTool {...tools} levels={levels} self={self} onLevel={setLevel} />}
      {removable && <OrderTools {...tools} />}
    </Dialog>
  );
}
