import { MoreHorizontal } from 'lucide-react';
import { useState, type FormEvent } from 'react';

import { explain } from '../../i18n/explain.ts';
import type { OneGroup } from '../../state/groups.ts';
import { mayAdminister } from '../../state/members.ts';
import type { OneSubgroup, Subgroups } from '../../state/subgroups.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { Field } from '../../ui/Field.tsx';
import { Menu } from '../../ui/Menu.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useKept } from '../channel/useKept.ts';
import { useAct } from '../context.tsx';
import { levelName, levelsDown } from '../levels.ts';
import { Link } from '../Link.tsx';
import { Page } from '../shell/Place.tsx';
import { LevelMapForm } from './LevelMapForm.tsx';
import styles from './SubgroupsPage.module.css';

interface SubgroupsPageProps {
  group: OneGroup;
  subgroups: Subgroups;
}

interface Asking {
  how: 'rename' | 'remove';
  one: OneSubgroup;
}

/** SubgroupsPage shows a group's subgroups, and lets its administrators change them and who lands where. */
export default function SubgroupsPage({ group, subgroups }: SubgroupsPageProps) {
  const { t, f } = useTexts();
  const { loaded, all, failure } = useStore(subgroups.value);
  const [asking, setAsking] = useState<Asking>();
  const administers = mayAdminister(group.role);
  const close = () => setAsking(undefined);
  return (
    <Page>
      {failure && (
        <Banner look="bad" action={<Button onClick={() => void subgroups.load()}>{t.ui.retry}</Button>}>
          {explain(t, f, failure)}
        </Banner>
      )}
      <section className={styles['section']} aria-labelledby="parts">
        <h2 id="parts">{t.group.parts.title}</h2>
        <p>{t.group.parts.lead}</p>
        {all.length === 0 && !failure && <p role="status">{loaded ? t.group.parts.none : t.ui.loading}</p>}
        <ul className={styles['parts']} aria-labelledby="parts">
          {all.map((one) => (
            <li key={String(one.id)}>
              <Link href={`/g/${group.id}/members/${one.id}`} title={t.group.parts.show(one.name)}>
                <strong>{one.name}</strong>
                <small>{landing(one)}</small>
              </Link>
              <span>{t.group.members(one.memberCount)}</span>
              {administers && (
                <Menu
                  label={t.group.parts.acts(one.name)}
                  items={[
                    { label: t.group.parts.rename, onSelect: () => setAsking({ how: 'rename', one }) },
                    { label: t.group.parts.remove, danger: true, onSelect: () => setAsking({ how: 'remove', one }) },
                  ]}
                >
                  <MoreHorizontal size={18} aria-hidden />
                </Menu>
              )}
            </li>
          ))}
        </ul>
        {administers ? <NewSubgroup subgroups={subgroups} /> : <p>{t.group.parts.onlyAdmins}</p>}
      </section>
      {administers && loaded && all.length > 0 && <LevelMapForm subgroups={subgroups} all={all} />}
      {asking?.how === 'rename' && <Rename subgroups={subgroups} one={asking.one} onClose={close} />}
      {asking?.how === 'remove' && <Remove subgroups={subgroups} one={asking.one} onClose={close} />}
    </Page>
  );

  function landing({ levels, isDefault }: OneSubgroup): string {
    const names = levelsDown.filter((level) => levels.includes(level)).map((level) => t.ui.levels[levelName(level)]);
    return f.list(isDefault ? [...names, t.group.parts.fallback] : names);
  }
}

function NewSubgroup({ subgroups }: { subgroups: Subgroups }) {
  const { t } = useTexts();
  const tell = useToast();
  const act = useAct();
  const [name, setName, forget] = useKept(`g${subgroups.groupId}.part`, '');
  async function create() {
    await subgroups.create(name);
    forget();
    setName('');
    tell(t.group.parts.made(name.trim()));
  }
  function submit(event: FormEvent) {
    event.preventDefault();
    void act.run(create);
  }
  return (
    <form className={styles['line']} aria-label={t.group.parts.create} onSubmit={submit}>
      <Field
        label={t.group.parts.name}
        value={name}
        required
        maxLength={100}
        autoComplete="off"
        error={act.error}
        onChange={(e) => setName(e.target.value)}
      />
      <Button look="primary" type="submit" busy={act.busy}>
        {t.group.parts.create}
      </Button>
    </form>
  );
}

interface OneProps {
  subgroups: Subgroups;
  one: OneSubgroup;
  onClose: () => void;
}

function Rename({ subgroups, one, onClose }: OneProps) {
  const { t } = useTexts();
  const tell = useToast();
  const act = useAct();
  const [name, setName] = useState(one.name);
  async function rename() {
    await subgroups.rename(one.id, name);
    tell(t.group.parts.renamed(name.trim()));
    onClose();
  }
  return (
    <Dialog title={t.group.parts.rename} onClose={onClose}>
      <form
        className={styles['form']}
        onSubmit={(event) => {
          event.preventDefault();
          void act.run(rename);
        }}
      >
        <Field
          label={t.group.parts.name}
          value={name}
          required
          maxLength={100}
          error={act.error}
          onChange={(e) => setName(e.target.value)}
        />
        <Button look="primary" type="submit" busy={act.busy}>
          {t.ui.save}
        </Button>
      </form>
    </Dialog>
  );
}

function Remove({ subgroups, one, onClose }: OneProps) {
  const { t } = useTexts();
  const tell = useToast();
  const act = useAct();
  async function remove() {
    await subgroups.remove(one.id);
    tell(t.group.parts.removed(one.name));
    onClose();
  }
  const title = t.group.parts.removeNamed(one.name);
  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t.ui.cancel}</Button>
          <Button look="danger" busy={act.busy} onClick={() => void act.run(remove)}>
            {t.group.parts.remove}
          </Button>
        </>
      }
    >
      {act.error && <Banner look="bad">{act.error}</Banner>}
      <p>{t.group.parts.removeHint(one.memberCount)}</p>
    </Dialog>
  );
}
