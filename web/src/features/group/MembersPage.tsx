import { RefreshCw, UserPlus } from 'lucide-react';
import { useEffect, useState } from 'react';

import { Role } from '../../api/gen/muster/v1/group_pb.ts';
import type { OneGroup } from '../../state/groups.ts';
import { everybody, mayAdminister, Members, type Member } from '../../state/members.ts';
import type { Subgroups } from '../../state/subgroups.ts';
import { Avatar } from '../../ui/Avatar.tsx';
import { Button, IconButton } from '../../ui/Button.tsx';
import { Field, Select } from '../../ui/Field.tsx';
import { laterDialog } from '../../ui/later.tsx';
import { LevelText } from '../../ui/LevelTag.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { PagedList } from '../channel/PagedList.tsx';
import { useHome } from '../context.tsx';
import { InvitePerson } from './InvitePerson.tsx';
import styles from './MembersPage.module.css';
import { roleName, rolesDown } from './roles.ts';

const MemberCard = laterDialog(async () => (await import('./MemberCard.tsx')).default);

interface MembersPageProps {
  group: OneGroup;
  subgroups: Subgroups;
  /** The subgroup to begin with; 0n: all. */
  within: bigint;
}

const typedMs = 250;

/** MembersPage is a group's members: any number of people, of whom only those in view are kept. */
export default function MembersPage({ group, subgroups, within }: MembersPageProps) {
  const { t, f } = useTexts();
  const home = useHome();
  const [members] = useState(() => new Members(home.clients, group.id, { ...everybody, subgroupId: within }));
  const filter = useStore(members.filter);
  const { known, done } = useStore(members.pages.value);
  const { all } = useStore(subgroups.value);
  const [prefix, setPrefix] = useState('');
  const [inviting, setInviting] = useState(false);
  const [shown, setShown] = useState<Member>();
  const filtered = filter.role !== Role.UNSPECIFIED || filter.subgroupId !== 0n || filter.prefix !== '';

  useEffect(() => {
    if (prefix === members.filter.get().prefix) return;
    const timer = setTimeout(() => members.show({ prefix }), typedMs);
    return () => clearTimeout(timer);
  }, [prefix, members]);

  function again() {
    members.show({});
    void subgroups.load();
    home.groups.refresh(group.id).catch(() => {}); // the rows tell of a failure
  }
  function changed(id: bigint, fields: Partial<Member>) {
    members.changed(id, fields);
    setShown((one) => (one?.id === id ? { ...one, ...fields } : one));
  }

  return (
    <>
      <div className={styles['bar']} role="search" aria-label={t.group.membersTitle}>
        <div>
          <Field
            label={t.group.people.filterName}
            type="search"
            value={prefix}
            maxLength={64}
            autoComplete="off"
            autoCapitalize="none"
            onChange={(e) => setPrefix(e.target.value)}
          />
        </div>
        <div>
          <Select
            label={t.group.people.filterRole}
            value={filter.role}
            onChange={(e) => members.show({ role: Number(e.target.value) as Role })}
          >
            <option value={Role.UNSPECIFIED}>{t.group.people.allRoles}</option>
            {rolesDown.map((role) => (
              <option key={role} value={role}>
                {t.group.roles[roleName(role)]}
              </option>
            ))}
          </Select>
        </div>
        {all.length > 0 && (
          <div>
            <Select
              label={t.group.people.filterSubgroup}
              value={String(filter.subgroupId)}
              onChange={(e) => members.show({ subgroupId: BigInt(e.target.value) })}
            >
              <option value="0">{t.group.people.allSubgroups}</option>
              {all.map((one) => (
                <option key={String(one.id)} value={String(one.id)}>
                  {one.name}
                </option>
              ))}
            </Select>
          </div>
        )}
        <span className={styles['count']} role="status">
          {filtered ? `${f.number(known)}${done ? '' : '+'}` : t.group.members(group.memberCount)}
        </span>
        <span className={styles['end']}>
          <IconButton label={t.group.people.again} onClick={again}>
            <RefreshCw size={16} aria-hidden />
          </IconButton>
          {mayAdminister(group.role) && (
            <Button icon={<UserPlus size={16} aria-hidden />} onClick={() => setInviting(true)}>
              {t.group.invite.title}
            </Button>
          )}
        </span>
      </div>
      <PagedList
        pages={members.pages}
        rowHeight={52}
        label={t.group.people.list}
        empty={t.group.people.none}
        keyOf={(row) => String(row.id)}
        render={(row) => (
          <Row row={row} subgroup={all.find((one) => one.id === row.subgroupId)?.name} onShow={() => setShown(row)} />
        )}
      />
      {inviting && <InvitePerson groupId={group.id} onClose={() => setInviting(false)} />}
      {shown && (
        <MemberCard
          group={group}
          member={shown}
          subgroups={subgroups}
          onChanged={changed}
          onClose={() => setShown(undefined)}
        />
      )}
    </>
  );
}

function Row({ row, subgroup, onShow }: { row: Member; subgroup: string | undefined; onShow: () => void }) {
  const { t, f } = useTexts();
  const role = roleName(row.role);
  return (
    <button
      type="button"
      className={styles['row']}
      data-gone={row.gone || undefined}
      disabled={row.gone}
      aria-haspopup="dialog"
      onClick={onShow}
    >
      <Avatar name={row.nickname} level={role} />
      <span className={styles['names']}>
        <strong>{row.nickname}</strong>
        <small>
          @{row.name}
          {row.gone && ` · ${t.group.people.gone}`}
        </small>
      </span>
      <span className={styles['subgroup']}>{subgroup}</span>
      <span className={styles['role']}>
        <LevelText level={role}>{t.group.roles[role]}</LevelText>
      </span>
      <span className={styles['since']}>{t.group.people.since(f.date(row.joinedMs))}</span>
    </button>
  );
}
