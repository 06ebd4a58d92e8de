import { memo, useEffect, useMemo, useState } from 'react';

import { Level } from '../../api/gen/muster/v1/channel_pb.ts';
import type { OneChannel } from '../../state/channels.ts';
import { Pages } from '../../state/pages.ts';
import type { OpenRoom, Person, RoomValue } from '../../state/room.ts';
import { onRoster, type OnRoster } from '../../state/roster.ts';
import { Button } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useHome } from '../context.tsx';
import { levelName, levelsDown } from '../levels.ts';
import { Link } from '../Link.tsx';
import { PagedList } from './PagedList.tsx';
import styles from './People.module.css';
import type { Acted, Somebody } from './person.ts';
import { PersonRow } from './PersonRow.tsx';

interface ChannelPeopleProps {
  room: OpenRoom;
  value: RoomValue;
  channel: OneChannel | undefined;
  acted: Acted | undefined;
  onPerson: (person: Somebody) => void;
}

/** ChannelPeople is the right column: who is here by level, then who else is on the roster, online ones first. */
export const ChannelPeople = memo(function ChannelPeople(props: ChannelPeopleProps) {
  const { room, value, channel, acted, onPerson } = props;
  const { t, f } = useTexts();
  const [all, setAll] = useState(false);
  const rosterCount = channel?.rosterCount ?? 0;
  const levels = useMemo(() => byLevel(value.present, f.collator), [value.present, f]);
  const unnamed = value.people - value.present.size;
  return (
    <>
      <p className="visually-hidden">{t.channel.people(value.people)}</p>
      {value.large && <p className={styles['note']}>{t.channel.large}</p>}
      {(value.large || unnamed > 0) && (
        <Button look="quiet" className={styles['more']} aria-pressed={all} onClick={() => setAll(!all)}>
          {all ? t.channel.onlyStaff : `${t.channel.everybody} (${f.number(value.people)})`}
        </Button>
      )}
      {all && (value.large || unnamed > 0) ? (
        <Everybody room={room} onPerson={onPerson} />
      ) : (
        <>
          {levels.map(([level, people]) => (
            <section key={level} className={styles['section']} aria-label={t.ui.levels[levelName(level)]}>
              <h2>
                {t.ui.levels[levelName(level)]} <span>{f.number(people.length)}</span>
              </h2>
              <ul>
                {people.map((person) => (
                  <li key={String(person.id)}>
                    <PersonRow person={person} onPerson={onPerson} />
                  </li>
                ))}
              </ul>
            </section>
          ))}
          {!value.large && unnamed > 0 && <p className={styles['note']}>{t.channel.notNamed(unnamed)}</p>}
          {rosterCount > 0 && (
            <NotHere channelId={room.channelId} present={value.present} count={rosterCount} {...{ acted, onPerson }} />
          )}
        </>
      )}
    </>
  );
}, samePeople);

// What is said changes the room at every frame, and nothing here.
function samePeople(a: ChannelPeopleProps, b: ChannelPeopleProps): boolean {
  const same =
    a.value.present === b.value.present && a.value.people === b.value.people && a.value.large === b.value.large;
  return same && a.room === b.room && a.channel === b.channel && a.acted === b.acted && a.onPerson === b.onPerson;
}

function byLevel(present: ReadonlyMap<bigint, Person>, collator: Intl.Collator): [Level, Somebody[]][] {
  const found = new Map<Level, Somebody[]>();
  for (const person of present.values()) {
    const same = found.get(person.level);
    if (same) same.push({ ...person, here: true });
    else found.set(person.level, [{ ...person, here: true }]);
  }
  return [...levelsDown, Level.UNSPECIFIED].flatMap((level): [Level, Somebody[]][] => {
    const people = found.get(level);
    return people ? [[level, people.sort((a, b) => collator.compare(a.nickname, b.nickname))]] : [];
  });
}

/** Everybody pages through all who are in the room, as the server lists them. */
function Everybody({ room, onPerson }: { room: OpenRoom; onPerson: (person: Somebody) => void }) {
  const { t } = useTexts();
  const [pages] = useState(() => new Pages<Person>((token) => room.readPeople(token)));
  return (
    <div className={styles['all']}>
      <PagedList
        pages={pages}
        rowHeight={44}
        label={t.channel.here}
        empty={t.channel.quiet}
        keyOf={(person) => String(person.id)}
        render={(person) => (
          <PersonRow
            person={{ ...person, here: true }}
            tag={t.ui.levels[levelName(person.level)]}
            onPerson={onPerson}
          />
        )}
      />
    </div>
  );
}

const shown = 50;
const againMs = 30_000;

interface NotHereProps {
  channelId: bigint;
  present: ReadonlyMap<bigint, Person>;
  count: number;
  acted: Acted | undefined;
  onPerson: (person: Somebody) => void;
}

/** NotHere begins the roster with who is not in the room, and leads to the whole of it. */
function NotHere({ channelId, present, count, acted, onPerson }: NotHereProps) {
  const { t, f } = useTexts();
  const { clients } = useHome();
  const [entries, setEntries] = useState<readonly OnRoster[]>([]);
  useEffect(() => {
    let here = true;
    const read = async () => {
      if (document.visibilityState !== 'visible') return;
      const page = await clients.channel.listRoster({ channelId, pageSize: 2 * shown });
      if (here) setEntries(page.entries.map(onRoster));
    };
    const again = () => void read().catch(() => {}); // the list stays as it was
    again();
    const timer = setInterval(again, againMs);
    return () => {
      here = false;
      clearInterval(timer);
    };
  }, [clients, channelId, count, acted]);
  const away = useMemo(() => {
    const people: Somebody[] = entries
      .filter((entry) => !present.has(entry.id))
      .map(({ id, nickname, level, name, joinedMs, online }) => ({ id, nickname, level, name, joinedMs, online }));
    return people.sort((a, b) => Number(b.online) - Number(a.online)).slice(0, shown);
  }, [entries, present]);
  return (
    <>
      {away.length > 0 && (
        <section className={styles['section']} aria-label={t.channel.notHere}>
          <h2>{t.channel.notHere}</h2>
          <ul>
            {away.map((person) => (
              <li key={String(person.id)}>
                <PersonRow person={person} tag={t.ui.levels[levelName(person.level)]} onPerson={onPerson} />
              </li>
            ))}
          </ul>
        </section>
      )}
      <p className={styles['foot']}>
        <Link href={`/c/${channelId}/roster`}>
          {t.channel.roster} ({f.number(count)})
        </Link>
      </p>
    </>
  );
}
