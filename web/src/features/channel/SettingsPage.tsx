import { useState, type FormEvent } from 'react';

import { JoinPolicy, Level } from '../../api/gen/muster/v1/channel_pb.ts';
import type { OneChannel } from '../../state/channels.ts';
import { administers, mayDelete, standingOf } from '../../state/standing.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { Choices, Field, Select, TextArea } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useAct, useHome, useMe, useRoot } from '../context.tsx';
import { levelName, levelsDown } from '../levels.ts';
import { Page } from '../shell/Place.tsx';
import { durationText } from './duration.ts';
import styles from './Forms.module.css';
import { useKept } from './useKept.ts';

const slowSteps = [1, 2, 5, 10, 30, 60, 300, 900, 3_600, 21_600].map((seconds) => seconds * 1000);

/** SettingsPage changes what governs a channel, and deletes it. */
export default function SettingsPage({ channel }: { channel: OneChannel }) {
  const { t } = useTexts();
  const me = useMe();
  const standing = standingOf(channel.yourLevel, me.serverRole);
  return (
    <Page>
      {administers(standing) ? <General channel={channel} /> : <p>{t.channel.onlyAdmins}</p>}
      {mayDelete(standing) && <Delete channel={channel} />}
    </Page>
  );
}

function General({ channel }: { channel: OneChannel }) {
  const { t, f } = useTexts();
  const { clients, channels } = useHome();
  const tell = useToast();
  const act = useAct();
  const [name, setName, forgetName] = useKept(`c${channel.id}.name`, channel.name);
  const [about, setAbout, forgetAbout] = useKept(`c${channel.id}.about`, channel.about);
  const [joinPolicy, setJoinPolicy] = useState(channel.joinPolicy);
  const [speakLevel, setSpeakLevel] = useState(channel.speakLevel);
  const [slowModeMs, setSlowModeMs] = useState(channel.slowModeMs);
  const slow = slowSteps.includes(channel.slowModeMs) ? slowSteps : [channel.slowModeMs, ...slowSteps];

  async function save() {
    const fields = { name, about, joinPolicy, speakLevel, slowModeMs: BigInt(slowModeMs) };
    const answer = await clients.channel.updateChannel({ channelId: channel.id, ...fields });
    forgetName();
    forgetAbout();
    channels.take(answer.channel);
    tell(t.ui.saved);
  }
  function submit(event: FormEvent) {
    event.preventDefault();
    void act.run(save);
  }
  return (
    <form className={styles['form']} aria-label={t.channel.settings} onSubmit={submit}>
      {act.error && <Banner look="bad">{act.error}</Banner>}
      <Field label={t.shell.name} value={name} required maxLength={100} onChange={(e) => setName(e.target.value)} />
      <TextArea label={t.channel.topic} value={about} maxLength={1000} onChange={(e) => setAbout(e.target.value)} />
      <Choices
        label={t.channel.policy}
        value={joinPolicy}
        options={[
          { value: JoinPolicy.OPEN, label: t.channel.policies.open },
          { value: JoinPolicy.VISIT, label: t.channel.policies.visit },
          { value: JoinPolicy.ROSTER, label: t.channel.policies.roster },
        ]}
        onChange={setJoinPolicy}
      />
      <Select
        label={t.channel.speak}
        value={speakLevel}
        onChange={(e) => setSpeakLevel(Number(e.target.value) as Level)}
      >
        <option value={Level.UNSPECIFIED}>{t.channel.speakAll}</option>
        {levelsDown.toReversed().map((level) => (
          <option key={level} value={level}>
            {t.channel.speakFrom(t.ui.levels[levelName(level)])}
          </option>
        ))}
      </Select>
      <Select
        label={t.channel.slow}
        help={t.channel.slowHelp}
        value={slowModeMs}
        onChange={(e) => setSlowModeMs(Number(e.target.value))}
      >
        <option value={0}>{t.channel.slowOff}</option>
        {slow
          .filter((ms) => ms > 0)
          .map((ms) => (
            <option key={ms} value={ms}>
              {t.channel.every(durationText(f, ms))}
            </option>
          ))}
      </Select>
      <div className={styles['submit']}>
        <Button look="primary" type="submit" busy={act.busy}>
          {t.ui.save}
        </Button>
      </div>
    </form>
  );
}

function Delete({ channel }: { channel: OneChannel }) {
  const { t } = useTexts();
  const { clients, channels } = useHome();
  const { router } = useRoot();
  const tell = useToast();
  const act = useAct();
  const [asking, setAsking] = useState(false);

  async function remove() {
    await clients.channel.deleteChannel({ channelId: channel.id });
    tell(t.channel.deleted);
    router.go('/', 'replace');
    await channels.load();
  }
  return (
    <section className={styles['danger']} aria-labelledby="delete-channel">
      <h2 id="delete-channel">{t.channel.danger}</h2>
      <p>{t.channel.dangerHint}</p>
      <Button look="danger" onClick={() => setAsking(true)}>
        {t.channel.remove}
      </Button>
      {asking && (
        <Dialog
          title={t.channel.remove}
          onClose={() => setAsking(false)}
          actions={
            <>
              <Button onClick={() => setAsking(false)}>{t.ui.cancel}</Button>
              <Button look="danger" busy={act.busy} onClick={() => void act.run(remove)}>
                {t.channel.remove}
              </Button>
            </>
          }
        >
          {act.error && <Banner look="bad">{act.error}</Banner>}
          <p>{t.channel.removeSure(channel.name, channel.rosterCount)}</p>
        </Dialog>
      )}
    </section>
  );
}
