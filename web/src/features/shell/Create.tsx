import { useState } from 'react';

import { JoinPolicy } from '../../api/gen/muster/v1/channel_pb.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { Field, Select, TextArea } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useAct, useHome, useRoot } from '../context.tsx';
import styles from './Create.module.css';

/** NewChannel asks for what a channel needs to begin with. */
export function NewChannel({ onClose }: { onClose: () => void }) {
  const { t } = useTexts();
  const { clients, channels } = useHome();
  const { router } = useRoot();
  const act = useAct();
  const [name, setName] = useState('');
  const [about, setAbout] = useState('');
  const [parent, setParent] = useState('0');
  const { byId } = useStore(channels.value);
  async function create() {
    const fields = { name, about, parentId: BigInt(parent), joinPolicy: JoinPolicy.OPEN };
    const { channel } = await clients.channel.createChannel(fields);
    void channels.load().catch(() => {}); // read again soon anyway
    onClose();
    if (channel) router.go(`/c/${channel.id}`);
  }
  return (
    <Dialog title={t.shell.newChannel} onClose={onClose}>
      <form className={styles['form']} onSubmit={(event) => void (event.preventDefault(), act.run(create))}>
        {act.error && <Banner look="bad">{act.error}</Banner>}
        <Field
          label={t.shell.name}
          value={name}
          required
          maxLength={100}
          autoFocus
          onChange={(e) => setName(e.target.value)}
        />
        <TextArea label={t.shell.about} value={about} maxLength={1000} onChange={(e) => setAbout(e.target.value)} />
        <Select label={t.shell.parent} value={parent} onChange={(e) => setParent(e.target.value)}>
          <option value="0">{t.shell.parentTop}</option>
          {[...byId.values()].map((channel) => (
            <option key={String(channel.id)} value={String(channel.id)}>
              {channel.name}
            </option>
          ))}
        </Select>
        <Button look="primary" type="submit" busy={act.busy}>
          {t.shell.create}
        </Button>
      </form>
    </Dialog>
  );
}

/** NewGroup asks for what a group needs to begin with. */
export function NewGroup({ onClose, onMade }: { onClose: () => void; onMade?: (groupId: bigint) => void }) {
  const { t } = useTexts();
  const { clients, groups } = useHome();
  const { router } = useRoot();
  const act = useAct();
  const [name, setName] = useState('');
  const [about, setAbout] = useState('');
  async function create() {
    const { group } = await clients.group.createGroup({ name, about });
    await groups.load();
    onClose();
    if (group && onMade) onMade(group.id);
    else if (group) router.go(`/g/${group.id}`);
  }
  return (
    <Dialog title={t.shell.newGroup} onClose={onClose}>
      <form className={styles['form']} onSubmit={(event) => void (event.preventDefault(), act.run(create))}>
        {act.error && <Banner look="bad">{act.error}</Banner>}
        <Field
          label={t.shell.name}
          value={name}
          required
          maxLength={100}
          autoFocus
          onChange={(e) => setName(e.target.value)}
        />
        <TextArea label={t.shell.about} value={about} maxLength={1000} onChange={(e) => setAbout(e.target.value)} />
        <Button look="primary" type="submit" busy={act.busy}>
          {t.shell.create}
        </Button>
      </form>
    </Dialog>
  );
}
