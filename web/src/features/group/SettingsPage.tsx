import { useState, type FormEvent } from 'react';

import { Role } from '../../api/gen/muster/v1/group_pb.ts';
import type { OneGroup } from '../../state/groups.ts';
import { mayAdminister } from '../../state/members.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Field, TextArea } from '../../ui/Field.tsx';
import { laterDialog } from '../../ui/later.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useKept } from '../channel/useKept.ts';
import { useAct, useHome } from '../context.tsx';
import { Page } from '../shell/Place.tsx';
import styles from './SubgroupsPage.module.css';

const Leave = laterDialog(async () => (await import('./Leave.tsx')).default);

/** SettingsPage changes a group's name, purpose and capacity, and is where one leaves or dissolves it. */
export default function SettingsPage({ group }: { group: OneGroup }) {
  const { t } = useTexts();
  const [asking, setAsking] = useState<'leave' | 'dissolve'>();
  const owner = group.role === Role.OWNER;
  return (
    <Page>
      {mayAdminister(group.role) ? (
        <General group={group} />
      ) : (
        <section className={styles['section']}>
          {group.about && <p>{group.about}</p>}
          <p>{t.group.parts.onlyAdmins}</p>
        </section>
      )}
      <section className={styles['danger']} aria-labelledby="leave-group">
        <h2 id="leave-group">{t.group.leave}</h2>
        <p>{owner ? t.group.ownerStays : t.group.leaveSure(group.name)}</p>
        <Button look={owner ? 'plain' : 'danger'} onClick={() => setAsking('leave')}>
          {t.group.leave}
        </Button>
      </section>
      {owner && (
        <section className={styles['danger']} aria-labelledby="dissolve-group">
          <h2 id="dissolve-group">{t.group.dissolve}</h2>
          <p>{t.group.dissolveHint}</p>
          <Button look="danger" onClick={() => setAsking('dissolve')}>
            {t.group.dissolve}
          </Button>
        </section>
      )}
      {asking && <Leave group={group} how={asking} onClose={() => setAsking(undefined)} />}
    </Page>
  );
}

function General({ group }: { group: OneGroup }) {
  const { t } = useTexts();
  const { clients, groups } = useHome();
  const tell = useToast();
  const act = useAct();
  const [name, setName, forgetName] = useKept(`g${group.id}.name`, group.name);
  const [about, setAbout, forgetAbout] = useKept(`g${group.id}.about`, group.about);
  const [capacity, setCapacity] = useState(group.capacity === 0 ? '' : String(group.capacity));
  const wrong = capacity.trim() !== '' && !/^[1-9]\d{0,14}$/.test(capacity.trim());

  async function save() {
    await clients.group.updateGroup({ groupId: group.id, name, about, capacity: BigInt(capacity.trim() || 0) });
    forgetName();
    forgetAbout();
    tell(t.ui.saved);
    await groups.refresh(group.id);
  }
  function submit(event: FormEvent) {
    event.preventDefault();
    if (!wrong) void act.run(save);
  }
  return (
    <form className={styles['form']} aria-label={t.group.settings} onSubmit={submit}>
      {act.error && <Banner look="bad">{act.error}</Banner>}
      <Field label={t.shell.name} value={name} required maxLength={100} onChange={(e) => setName(e.target.value)} />
      <TextArea label={t.shell.about} value={about} maxLength={1000} onChange={(e) => setAbout(e.target.value)} />
      <Field
        label={t.group.capacity}
        help={t.group.capacityHelp}
        error={wrong ? t.group.capacityWrong : undefined}
        value={capacity}
        inputMode="numeric"
        autoComplete="off"
        onChange={(e) => setCapacity(e.target.value)}
      />
      <div>
        <Button look="primary" type="submit" busy={act.busy}>
          {t.ui.save}
        </Button>
      </div>
    </form>
  );
}
