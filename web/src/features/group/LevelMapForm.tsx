import { useState, type FormEvent } from 'react';

import type { Level } from '../../api/gen/muster/v1/channel_pb.ts';
import { levelMapOf, sameLevelMap, type OneSubgroup, type Subgroups } from '../../state/subgroups.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Select } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useAct } from '../context.tsx';
import { levelName, levelsDown } from '../levels.ts';
import styles from './SubgroupsPage.module.css';

/** LevelMapForm says for each level in which subgroup people of it land. */
export function LevelMapForm({ subgroups, all }: { subgroups: Subgroups; all: readonly OneSubgroup[] }) {
  const { t } = useTexts();
  const tell = useToast();
  const act = useAct();
  const saved = levelMapOf(all);
  // What is being changed, and what stood when that began.
  const [edit, setEdit] = useState<{ map: typeof saved; from: typeof saved }>();
  const shown = edit?.map ?? saved;
  const changed = edit !== undefined && !sameLevelMap(edit.map, saved);
  const overtaken = edit !== undefined && !sameLevelMap(edit.from, saved);
  const known = new Set(all.map(({ id }) => id));
  const valid = (id: bigint | undefined) => (id !== undefined && known.has(id) ? String(id) : '0');

  function put(level: Level, id: bigint) {
    const levels = new Map(shown.levels);
    if (id === 0n) levels.delete(level);
    else levels.set(level, id);
    setEdit({ from: saved, ...edit, map: { ...shown, levels } });
  }
  async function save() {
    const levels = new Map([...shown.levels].filter(([, id]) => known.has(id)));
    await subgroups.setLevelMap({ levels, fallback: known.has(shown.fallback) ? shown.fallback : 0n });
    setEdit(undefined);
    tell(t.ui.saved);
  }
  function submit(event: FormEvent) {
    event.preventDefault();
    void act.run(save);
  }
  const options = all.map(({ id, name }) => (
    <option key={String(id)} value={String(id)}>
      {name}
    </option>
  ));
  const theirs = <Button onClick={() => setEdit(undefined)}>{t.group.parts.takeTheirs}</Button>;
  return (
    <form className={styles['section']} aria-labelledby="landing" onSubmit={submit}>
      <h2 id="landing">{t.group.parts.levels}</h2>
      <p>{t.group.parts.levelsHint}</p>
      {act.error && <Banner look="bad">{act.error}</Banner>}
      {overtaken && changed && (
        <Banner look="warn" action={theirs}>
          {t.group.parts.changed}
        </Banner>
      )}
      <div className={styles['levels']}>
        {levelsDown.map((level) => (
          <Select
            key={level}
            label={t.ui.levels[levelName(level)]}
            value={valid(shown.levels.get(level))}
            onChange={(e) => put(level, BigInt(e.target.value))}
          >
            <option value="0">{t.group.parts.asOthers}</option>
            {options}
          </Select>
        ))}
        <Select
          label={t.group.parts.fallback}
          value={valid(shown.fallback)}
          onChange={(e) => setEdit({ from: saved, ...edit, map: { ...shown, fallback: BigInt(e.target.value) } })}
        >
          <option value="0">{t.group.noSubgroup}</option>
          {options}
        </Select>
      </div>
      <div>
        <Button look="primary" type="submit" busy={act.busy} disabled={!changed}>
          {t.ui.save}
        </Button>
      </div>
    </form>
  );
}
