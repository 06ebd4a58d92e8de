import { useState } from 'react';

import { Role } from '../../api/gen/muster/v1/group_pb.ts';
import type { OneGroup } from '../../state/groups.ts';
import { mayAdminister, mayGiveRoles, mayTakeOut, type Member } from '../../state/members.ts';
import type { Subgroups } from '../../state/subgroups.ts';
import { Avatar } from '../../ui/Avatar.tsx';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { Select } from '../../ui/Field.tsx';
import { LevelText } from '../../ui/LevelTag.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useAct, useHome, useMe } from '../context.tsx';
import styles from './MemberCard.module.css';
import { roleName } from './roles.ts';

interface MemberCardProps {
  group: OneGroup;
  member: Member;
  subgroups: Subgroups;
  onChanged: (id: bigint, fields: Partial<Member>) => void;
  onClose: () => void;
}

/** MemberCard shows a member of a group, with what the acting account may do about them. */
export default function MemberCard({ group, member, subgroups, onChanged, onClose }: MemberCardProps) {
  const { t, f } = useTexts();
  const me = useMe();
  const { all } = useStore(subgroups.value);
  const self = member.id === me.id;
  const role = roleName(member.role);
  const subgroup = all.find((one) => one.id === member.subgroupId);
  const tools = { group, member, subgroups, onChanged, onClose };
  return (
    <Dialog title={member.nickname} onClose={onClose}>
      <div className={styles['who']}>
        <Avatar name={member.nickname} level={role} size="large" />
        <div>
          <LevelText level={role}>{t.group.roles[role]}</LevelText>
          <span>@{member.name}</span>
          {self && <span>{t.group.people.you}</span>}
        </div>
      </div>
      <dl className={styles['facts']}>
        <div>
          <dt>{t.group.people.joinedAt}</dt>
          <dd>{f.dateTime(member.joinedMs)}</dd>
        </div>
        {all.length > 0 && (
          <div>
            <dt>{t.group.people.filterSubgroup}</dt>
            <dd>{subgroup?.name ?? t.group.noSubgroup}</dd>
          </div>
        )}
      </dl>
      {mayAdminister(group.role) && all.length > 0 && <SubgroupTool {...tools} />}
      {mayGiveRoles(group.role, self) && <RoleTool {...tools} />}
      {(mayTakeOut(group.role, member.role, self) || mayGiveRoles(group.role, self)) && <Orders {...tools} />}
    </Dialog>
  );
}

/** SubgroupTool moves the member as soon as a subgroup is chosen: it can be taken back the same way. */
function SubgroupTool({ member, subgroups, onChanged }: MemberCardProps) {
  const { t } = useTexts();
  const tell = useToast();
  const act = useAct();
  const { all } = useStore(subgroups.value);
  async function move(to: bigint) {
    await subgroups.move(member.id, to);
    onChanged(member.id, { subgroupId: to });
    const name = all.find((one) => one.id === to)?.name;
    tell(name ? t.group.people.moved(member.nickname, name) : t.group.people.movedOut(member.nickname));
  }
  return (
    <div className={styles['tool']}>
      {act.error && <Banner look="bad">{act.error}</Banner>}
      <Select
        label={t.group.people.move(member.nickname)}
        value={String(member.subgroupId)}
        disabled={act.busy}
        onChange={(e) => {
          const to = BigInt(e.target.value);
          void act.run(() => move(to));
        }}
      >
        <option value="0">{t.group.noSubgroup}</option>
        {all.map((one) => (
          <option key={String(one.id)} value={String(one.id)}>
            {one.name}
          </option>
        ))}
      </Select>
    </div>
  );
}

function RoleTool({ group, member, onChanged }: MemberCardProps) {
  const { t } = useTexts();
  const { clients } = useHome();
  const tell = useToast();
  const act = useAct();
  const [to, setTo] = useState(member.role);
  async function set() {
    await clients.group.setRole({ groupId: group.id, accountId: member.id, role: to });
    onChanged(member.id, { role: to });
    tell(t.group.people.isNow(member.nickname, t.group.roles[roleName(to)]));
  }
  return (
    <form
      className={styles['tool']}
      onSubmit={(event) => {
        event.preventDefault();
        void act.run(set);
      }}
    >
      {act.error && <Banner look="bad">{act.error}</Banner>}
      <Select
        label={t.group.people.role(member.nickname)}
        value={to}
        onChange={(e) => setTo(Number(e.target.value) as Role)}
      >
        {[Role.ADMIN, Role.MEMBER].map((role) => (
          <option key={role} value={role}>
            {t.group.roles[roleName(role)]}
          </option>
        ))}
      </Select>
      <Button type="submit" busy={act.busy} disabled={to === member.role}>
        {t.group.people.setRole}
      </Button>
    </form>
  );
}

/** Orders are what cannot be taken back by a click: each asks first. */
function Orders({ group, member, onChanged, onClose }: MemberCardProps) {
  const { t } = useTexts();
  const { clients, groups } = useHome();
  const me = useMe();
  const tell = useToast();
  const act = useAct();
  const [asking, setAsking] = useState<'remove' | 'hand over'>();
  const who = { groupId: group.id, accountId: member.id };

  async function remove() {
    await clients.group.removeMember(who);
    onChanged(member.id, { gone: true });
    tell(t.group.people.removed(member.nickname));
    onClose();
    groups.refresh(group.id).catch(() => {}); // the next change of the group reads it again
  }
  async function handOver() {
    await clients.group.setRole({ ...who, role: Role.OWNER });
    onChanged(member.id, { role: Role.OWNER });
    onChanged(me.id, { role: Role.ADMIN });
    tell(t.group.people.handedOver(member.nickname));
    onClose();
    await groups.refresh(group.id);
  }

  if (asking === undefined) {
    return (
      <div className={styles['orders']}>
        {mayGiveRoles(group.role, false) && (
          <Button onClick={() => setAsking('hand over')}>{t.group.people.handOver}</Button>
        )}
        {mayTakeOut(group.role, member.role, false) && (
          <Button onClick={() => setAsking('remove')}>{t.group.people.remove}</Button>
        )}
      </div>
    );
  }
  const removing = asking === 'remove';
  const label = removing ? t.group.people.remove : t.group.people.handOver;
  return (
    <form
      className={styles['tool']}
      aria-label={label}
      onSubmit={(event) => {
        event.preventDefault();
        void act.run(removing ? remove : handOver);
      }}
    >
      {act.error && <Banner look="bad">{act.error}</Banner>}
      <p>{removing ? t.group.people.removeHint : t.group.people.handOverHint(member.nickname)}</p>
      <div className={styles['orders']}>
        <Button onClick={() => setAsking(undefined)}>{t.ui.cancel}</Button>
        <Button look="danger" type="submit" busy={act.busy}>
          {label}
        </Button>
      </div>
    </form>
  );
}
