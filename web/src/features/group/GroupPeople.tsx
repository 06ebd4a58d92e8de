import { useEffect, useState } from 'react';

import { memberOf, type Member } from '../../state/members.ts';
import type { SubgroupsValue } from '../../state/subgroups.ts';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome } from '../context.tsx';
import { Link } from '../Link.tsx';
import { PeopleList } from '../PeopleList.tsx';
import styles from './GroupPeople.module.css';
import { roleName, rolesDown } from './roles.ts';

const shown = 100;

interface GroupPeopleProps {
  groupId: bigint;
  subgroups: SubgroupsValue | undefined;
}

/** GroupPeople lists a group's subgroups and its first members, by role, with the way to all of them. */
export function GroupPeople({ groupId, subgroups }: GroupPeopleProps) {
  const { t, f } = useTexts();
  const home = useHome();
  const count = useStore(home.groups.value).byId.get(groupId)?.memberCount ?? 0;
  const [members, setMembers] = useState<readonly Member[]>([]);
  useEffect(() => {
    if (!subgroups?.loaded) return;
    let here = true;
    const read = async () => {
      const page = await home.clients.group.listMembers({ groupId, pageSize: shown });
      if (here) setMembers(page.members.map(memberOf));
    };
    read().catch(() => {}); // the list stays as it was; the next change reads it again
    return () => {
      here = false;
    };
  }, [home, groupId, subgroups]);
  const all = subgroups?.all ?? [];
  return (
    <>
      {all.length > 0 && (
        <section className={styles['subgroups']}>
          <h2>{t.group.subgroups}</h2>
          <ul>
            {all.map((subgroup) => (
              <li key={String(subgroup.id)}>
                <Link href={`/g/${groupId}/members/${subgroup.id}`}>
                  <span>{subgroup.name}</span> <span>{f.number(subgroup.memberCount)}</span>
                </Link>
              </li>
            ))}
          </ul>
        </section>
      )}
      {rolesDown.map((role) => {
        const people = members.filter((member) => member.role === role);
        if (people.length === 0) return null;
        const level = roleName(role);
        const more = members.length < count && level === 'member' ? '+' : '';
        return (
          <PeopleList
            key={role}
            title={t.group.roles[level]}
            count={f.number(people.length) + more}
            people={people.map(({ id, nickname }) => ({ id, nickname, level }))}
          />
        );
      })}
      <Link href={`/g/${groupId}/members`} className={styles['all']}>
        {t.group.allMembers} <span>{f.number(count)}</span>
      </Link>
    </>
  );
}
