import { Level } from '../../api/gen/muster/v1/channel_pb.ts';
import type { Person, RoomValue } from '../../state/room.ts';
import { useTexts } from '../../ui/texts.tsx';
import { levelName, levelsDown } from '../levels.ts';
import { PeopleList } from '../PeopleList.tsx';

/** RoomPeople lists who is in the room, by level. */
export function RoomPeople({ value }: { value: RoomValue }) {
  const { t, f } = useTexts();
  const byLevel = new Map<Level, Person[]>();
  for (const person of value.present.values()) {
    const same = byLevel.get(person.level);
    if (same) same.push(person);
    else byLevel.set(person.level, [person]);
  }
  const unnamed = value.people - value.present.size;
  return (
    <>
      <p className="visually-hidden">{t.channel.people(value.people)}</p>
      {[...levelsDown, Level.UNSPECIFIED].map((level) => {
        const people = byLevel.get(level);
        if (!people) return null;
        const name = levelName(level);
        people.sort((a, b) => f.collator.compare(a.nickname, b.nickname));
        return (
          <PeopleList
            key={level}
            title={t.ui.levels[name]}
            count={f.number(people.length)}
            people={people.map((person) => ({ id: person.id, nickname: person.nickname, level: name }))}
          />
        );
      })}
      {unnamed > 0 && <p>{t.channel.notNamed(unnamed)}</p>}
    </>
  );
}
