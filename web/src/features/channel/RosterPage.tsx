import { RefreshCw, UserPlus } from 'lucide-react';
import { useEffect, useState } from 'react';

import { Level } from '../../api/gen/muster/v1/channel_pb.ts';
import type { OneChannel } from '../../state/channels.ts';
import { Roster, type OnRoster } from '../../state/roster.ts';
import { administers, standingOf } from '../../state/standing.ts';
import { Avatar } from '../../ui/Avatar.tsx';
import { Button, IconButton } from '../../ui/Button.tsx';
import { Field, Select } from '../../ui/Field.tsx';
import { LevelText } from '../../ui/LevelTag.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome, useMe } from '../context.tsx';
import { levelName, levelsDown } from '../levels.ts';
import { AddPerson } from './AddPerson.tsx';
import { PagedList } from './PagedList.tsx';
import type { Acted, Somebody } from './person.ts';
import styles from './RosterPage.module.css';

interface RosterPageProps {
  channel: OneChannel;
  acted: Acted | undefined;
  onPerson: (person: Somebody) => void;
}

const typedMs = 250;

/** RosterPage is a channel's roster: any number of people, of whom only those in view are kept. */
export default function RosterPage({ channel, acted, onPerson }: RosterPageProps) {
  const { t, f } = useTexts();
  const home = useHome();
  const me = useMe();
  const [roster] = useState(() => new Roster(home.clients, channel.id));
  const filter = useStore(roster.filter);
  const { known, done } = useStore(roster.pages.value);
  const [prefix, setPrefix] = useState('');
  const [adding, setAdding] = useState(false);
  const standing = standingOf(channel.yourLevel, me.serverRole);
  const filtered = filter.level !== undefined || filter.onlineOnly || filter.prefix !== '';

  useEffect(() => {
    if (prefix === roster.filter.get().prefix) return;
    const timer = setTimeout(() => roster.show({ prefix }), typedMs);
    return () => clearTimeout(timer);
  }, [prefix, roster]);
  useEffect(() => {
    if (!acted) return;
    if (acted.level === undefined) roster.removed(acted.id);
    else roster.changed(acted.id, acted.level);
  }, [acted, roster]);

  function again() {
    roster.show({});
    home.channels.refresh(channel.id).catch(() => {}); // the rows tell of a failure
  }

  return (
    <>
      <div className={styles['bar']} role="search" aria-label={t.channel.roster}>
        <div>
          <Field
            label={t.channel.filterName}
            type="search"
            placeholder={t.channel.filterNameHint}
            value={prefix}
            maxLength={64}
            autoComplete="off"
            onChange={(e) => setPrefix(e.target.value)}
          />
        </div>
        <div>
          <Select
            label={t.channel.filterLevel}
            value={filter.level ?? Level.UNSPECIFIED}
            onChange={(e) => roster.show({ level: Number(e.target.value) || undefined })}
          >
            <option value={Level.UNSPECIFIED}>{t.channel.allLevels}</option>
            {levelsDown.map((level) => (
              <option key={level} value={level}>
                {t.ui.levels[levelName(level)]}
              </option>
            ))}
          </Select>
        </div>
        <label className={styles['check']}>
          <input
            type="checkbox"
            checked={filter.onlineOnly}
            onChange={(e) => roster.show({ onlineOnly: e.target.checked })}
          />
          {t.channel.onlineOnly}
        </label>
        <span className={styles['count']} role="status">
          {filtered ? `${f.number(known)}${done ? '' : '+'}` : t.channel.rosterCount(channel.rosterCount)}
        </span>
        <span className={styles['end']}>
          <IconButton label={t.channel.again} onClick={again}>
            <RefreshCw size={16} aria-hidden />
          </IconButton>
          {administers(standing) && (
            <Button icon={<UserPlus size={16} aria-hidden />} onClick={() => setAdding(true)}>
              {t.channel.add.title}
            </Button>
          )}
        </span>
      </div>
      <PagedList
        pages={roster.pages}
        rowHeight={52}
        label={t.channel.rosterList}
        empty={t.channel.rosterNone}
        keyOf={(row) => String(row.id)}
        render={(row) => <Row row={row} onPerson={onPerson} />}
      />
      {adding && <AddPerson channel={channel} onAdded={again} onClose={() => setAdding(false)} />}
    </>
  );
}

function Row({ row, onPerson }: { row: OnRoster; onPerson: (person: Somebody) => void }) {
  const { t, f } = useTexts();
  const level = levelName(row.level);
  return (
    <button
      type="button"
      className={styles['row']}
      data-gone={row.gone || undefined}
      disabled={row.gone}
      aria-haspopup="dialog"
      onClick={() => onPerson(row)}
    >
      <Avatar name={row.nickname} level={level} />
      <span className={styles['names']}>
        <strong>{row.nickname}</strong>
        <small>
          @{row.name}
          {row.online && ` · ${t.channel.online}`}
          {row.gone && ` · ${t.channel.gone}`}
        </small>
      </span>
      <span className={styles['level']}>
        <LevelText level={level}>{t.ui.levels[level]}</LevelText>
      </span>
      <span className={styles['since']}>{t.channel.since(f.date(row.joinedMs))}</span>
    </button>
  );
}
