import { useId } from 'react';

import type { Addressee } from '../../state/addressee.ts';
import type { OneSubgroup } from '../../state/subgroups.ts';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import styles from './AddresseeChoice.module.css';

interface AddresseeChoiceProps {
  addressee: Addressee;
  subgroups: readonly OneSubgroup[];
}

/** AddresseeChoice stands above the composer of a group with subgroups: for whom the message is. */
export function AddresseeChoice({ addressee, subgroups }: AddresseeChoiceProps) {
  const { t } = useTexts();
  const id = useId();
  const chosen = useStore(addressee.value);
  const there = subgroups.some((subgroup) => subgroup.id === chosen);
  return (
    <div className={styles['choice']} data-chosen={there || undefined}>
      <label htmlFor={id}>{t.group.to}</label>
      <select
        id={id}
        value={there ? String(chosen) : '0'}
        onChange={(event) => addressee.choose(BigInt(event.target.value))}
      >
        <option value="0">{t.group.everybody}</option>
        {subgroups.map((subgroup) => (
          <option key={String(subgroup.id)} value={String(subgroup.id)}>
            {subgroup.name}
          </option>
        ))}
      </select>
    </div>
  );
}

/** AddressedTo stands above a message that is for a subgroup. */
export function AddressedTo({ subgroupId, subgroups }: { subgroupId: bigint; subgroups: readonly OneSubgroup[] }) {
  const { t } = useTexts();
  const name = subgroups.find((subgroup) => subgroup.id === subgroupId)?.name;
  return (
    <div className={styles['addressed']}>{name === undefined ? t.group.toSomeSubgroup : t.group.toSubgroup(name)}</div>
  );
}
