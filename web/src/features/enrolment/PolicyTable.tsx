import { useEffect, useState } from 'react';

import type { Level } from '../../api/gen/muster/v1/channel_pb.ts';
import type { Subgroup } from '../../api/gen/muster/v1/group_pb.ts';
import { EnrolPolicy, type EnrolmentPlan, type EnrolmentPlanValue } from '../../state/enrolmentPlan.ts';
import { LevelText } from '../../ui/LevelTag.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useHome } from '../context.tsx';
import { levelName, levelsDown } from '../levels.ts';
import styles from './Enrolment.module.css';

interface PolicyTableProps {
  groupId: bigint;
  plan: EnrolmentPlan;
  value: EnrolmentPlanValue;
}

/** PolicyTable chooses what happens to the people of each level, and shows what that would do. */
export function PolicyTable({ groupId, plan, value }: PolicyTableProps) {
  const { t } = useTexts();
  const places = usePlaces(groupId);
  const lines = value.preview?.lines ?? [];
  return (
    <div className={styles['scroll']}>
      <table className={styles['policies']} data-stale={value.stale || undefined}>
        <caption className="visually-hidden">{t.enrolment.whom}</caption>
        <thead>
          <tr>
            <th scope="col">{t.enrolment.level}</th>
            <th scope="col">{t.enrolment.policy}</th>
            <th scope="col">{t.enrolment.people}</th>
            <th scope="col">{t.enrolment.fates.added}</th>
            <th scope="col">{t.enrolment.fates.asked}</th>
            <th scope="col">{t.enrolment.fates.alreadyIn}</th>
            <th scope="col">{t.enrolment.skipped}</th>
            <th scope="col">{t.enrolment.landsIn}</th>
          </tr>
        </thead>
        <tbody>
          {levelsDown.map((level) => (
            <Row
              key={level}
              level={level}
              policy={value.plan.policies[level] ?? EnrolPolicy.SKIP}
              line={lines.find((line) => line.level === level)}
              known={value.preview !== undefined}
              place={places(level)}
              onPolicy={(policy) => plan.policy(level, policy)}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface RowProps {
  level: Level;
  policy: EnrolPolicy;
  line: NonNullable<EnrolmentPlanValue['preview']>['lines'][number] | undefined;
  known: boolean;
  place: string;
  onPolicy: (policy: EnrolPolicy) => void;
}

function Row({ level, policy, line, known, place, onPolicy }: RowProps) {
  const { t, f } = useTexts();
  const name = levelName(level);
  const would = line?.would;
  const number = (n: number | undefined) => (known ? f.number(n ?? 0) : '…');
  const skipped = would && would.skippedPolicy + would.skippedBlocked + would.skippedRefused + would.skippedFull;
  const why = would && [
    [would.skippedPolicy, t.enrolment.fates.skippedPolicy],
    [would.skippedRefused, t.enrolment.fates.skippedRefused],
    [would.skippedBlocked, t.enrolment.fates.skippedBlocked],
    [would.skippedFull, t.enrolment.fates.skippedFull],
  ];
  const reasons = why?.filter(([n]) => Number(n) > 0).map(([n, reason]) => `${f.number(Number(n))}: ${reason}`);
  return (
    <tr data-empty={(known && (line?.people ?? 0) === 0) || undefined}>
      <th scope="row">
        <LevelText level={name}>{t.ui.levels[name]}</LevelText>
      </th>
      <td>
        <fieldset className={styles['segments']}>
          <legend className="visually-hidden">{t.enrolment.policyOf(t.ui.levels[name])}</legend>
          {([EnrolPolicy.DIRECT, EnrolPolicy.ASK, EnrolPolicy.SKIP] as const).map((one) => (
            <label key={one}>
              <input
                type="radio"
                className="visually-hidden"
                name={`policy${level}`}
                checked={one === policy}
                onChange={() => onPolicy(one)}
              />
              <span>{t.enrolment.policies[policyName[one]]}</span>
            </label>
          ))}
        </fieldset>
      </td>
      <td>{number(line?.people)}</td>
      <td>{number(would?.added)}</td>
      <td>{number(would?.asked)}</td>
      <td>{number(would?.alreadyIn)}</td>
      <td title={reasons?.join('\n')}>{number(skipped)}</td>
      <td>{policy === EnrolPolicy.SKIP ? '' : place}</td>
    </tr>
  );
}

const policyName = {
  [EnrolPolicy.DIRECT]: 'direct',
  [EnrolPolicy.ASK]: 'ask',
  [EnrolPolicy.SKIP]: 'skip',
} as const;

/** usePlaces tells in which subgroup the people of a level land. */
function usePlaces(groupId: bigint): (level: Level) => string {
  const { t } = useTexts();
  const { clients } = useHome();
  const [subgroups, setSubgroups] = useState<readonly Subgroup[]>();
  useEffect(() => {
    let here = true;
    const read = async () => {
      const answer = await clients.group.getGroup({ groupId });
      if (here) setSubgroups(answer.subgroups);
    };
    read().catch(() => {}); // only a column stays empty
    return () => {
      here = false;
    };
  }, [clients, groupId]);
  return (level) => {
    if (!subgroups) return '';
    // A group without subgroups gets one for each level that is brought in.
    if (subgroups.length === 0) return t.enrolment.newSubgroup;
    const mapped = subgroups.find((s) => s.levels.includes(level)) ?? subgroups.find((s) => s.isDefault);
    return mapped?.name ?? t.enrolment.newSubgroup;
  };
}
