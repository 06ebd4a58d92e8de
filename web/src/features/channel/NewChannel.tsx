import { useState } from 'react';

import { JoinPolicy } from '../../api/gen/muster/v1/channel_pb.ts';
import { administers, standingOf } from '../../state/standing.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { Field, Select, TextArea } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useAct, useHome, useMe, useRoot } from '../context.tsx';
import styles from './Forms.module.css';
import { useKept } from './useKept.ts';

/** NewChannel asks for what a channel needs to begin with. */
export default function NewChannel({ parentId = 0n, onClose }: { parentId?: bigint; onClose: () => void }) {
  const { t, f } = useTexts();
  const { clients, channels, folded } = useHome();
  const { router } = useRoot();
  const me = useMe();
  const act = useAct();
  const [name, setName, forgetName] = useKept('new-channel.name', '');
  const [about, setAbout, forgetAbout] = useKept('new-channel.about', '');
  const [parent, setParent] = useState(String(parentId));
  const [joinPolicy, setJoinPolicy] = useState(JoinPolicy.OPEN);
  const { byId } = useStore(channels.value);
  const parents = [...byId.values()]
    .filter((channel) => administers(standingOf(channel.yourLevel, me.serverRole)))
    .sort((a, b) => f.collator.compare(a.name, b.name));

  async function create() {
    const { channel } = await clients.channel.createChannel({ name, about, parentId: BigInt(parent), joinPolicy });
    forgetName();
    forgetAbout();
    channels.take(channel);
    folded.fold(BigInt(parent), false);
    void channels.load().catch(() => {}); // read again soon anyway
    onClose();
    if (channel) router.go(`/c/${channel.id}`);
  }
  return (
    <Dialog title={t.shell.newChannel} onClose={onClose}>
      <form className={styles['form']} onSubmit={(event) => void (event.preventDefault(), act.run(create))}>
        {act.error && <Banner look="bad">{act.error}</Banner>}
        <Field label={t.shell.name} value={name} required maxLength={100} onChange={(e) => setName(e.target.value)} />
        <TextArea label={t.shell.about} value={about} maxLength={1000} onChange={(e) => setAbout(e.target.value)} />
        <Select
          label={t.shell.parent}
          help={t.channel.insideHelp}
          value={parent}
          onChange={(e) => setParent(e.target.value)}
        >
          <option value="0">{t.shell.parentTop}</option>
          {parents.map((channel) => (
            <option key={String(channel.id)} value={String(channel.id)}>
              {channel.name}
            </option>
          ))}
        </Select>
        <Select
          label={t.channel.policy}
          value={joinPolicy}
          onChange={(e) => setJoinPolicy(Number(e.target.value) as JoinPolicy)}
        >
          <option value={JoinPolicy.OPEN}>{t.channel.policies.open}</option>
          <option value={JoinPolicy.VISIT}>{t.channel.policies.visit}</option>
          <option value={JoinPolicy.ROSTER}>{t.channel.policies.roster}</option>
        </Select>
        <Button look="primary" type="submit" busy={act.busy}>
          {t.shell.create}
        </Button>
      </form>
    </Dialog>
  );
}
