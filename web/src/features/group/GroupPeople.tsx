import { useEffect, useState } from 'react';

import { Role, type GroupMember, type Subgroup } from '../../api/gen/muster/v1/group_pb.ts';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome } from '../context.tsx';
import { PeopleList } from '../PeopleList.tsx';
import styles from './GroupPeople.module.css';

const shown = 100;

/** GroupPeople lists a group's subgroups and its first members, by role. */
export function GroupPeople({ groupId }: { groupId: bigint }) {
  const { t, f } = useTexts();
  const { clients, groups } = useHome();
  const count = useStore(groups.value).byId.get(groupId)?.memberCount ?? 0;
  const [subgroups, setSubgroups] = useState<readonly Subgroup[]>([]);
  const [members, setMembers] = useState<readonly GroupMember[]>([]);
  useEffect(() => {
    let here = true;
    const read = async () => {
      const [group, page] = await Promise.all([
        clients.group.getGroup({ groupId }),
        clients.group.listMembers({ groupId, pageSize: shown }),
      ]);
      if (!here) return;
      setSubgroups(group.subgroups);
      setMembers(page.members);
    };
    read().catch(() => {}); // the list stays as it was; the next change reads it again
    return () => {
      here = false;
    };
  }, [clients, groupId, count]);
  const roles = [
    { role: Role.OWNER, title: t.group.roles.owner, level: 'owner' },
    { role: Role.ADMIN, title: t.group.roles.admin, level: 'admin' },
    { role: Role.MEMBER, title: t.group.roles.member, level: 'member' },
  ] as const;
  return (
    <>
      {subgroups.length > 0 && (
        <section className={styles['subgroups']}>
          <h2>{t.group.subgroups}</h2>
          <ul>
            {subgroups.map((subgroup) => (
              <li key={String(subgroup.id)}>
                <span>{subgroup.name}</span> <span>{f.number(Number(subgroup.memberCount))}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {roles.map(({ role, title, level }) => {
        const people = members.filter((member) => member.role === role);
        if (people.length === 0) return null;
        return (
          <PeopleList
            key={role}
            title={title}
            count={f.number(people.length)}
            people={people.map((member) => ({ id: member.accountId, nickname: member.nickname || member.name, level }))}
          />
        );
      })}
    </>
  );
}
