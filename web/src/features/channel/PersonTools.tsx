import { useState, type FormEvent } from 'react';

import { Level } from '../../api/gen/muster/v1/channel_pb.ts';
import type { OneChannel } from '../../state/channels.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Field, Select } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useAct, useHome } from '../context.tsx';
import { levelName } from '../levels.ts';
import type { Acted, Somebody } from './person.ts';
import styles from './PersonCard.module.css';

interface ToolProps {
  channel: OneChannel;
  person: Somebody;
  level: Level;
  onActed: (acted: Acted) => void;
  onClose: () => void;
}

interface LevelToolProps extends ToolProps {
  levels: readonly Level[];
  self: boolean;
  onLevel: (level: Level) => void;
}

/** LevelTool puts somebody at another level. */
export function LevelTool({ channel, person, level, levels, self, onActed, onLevel }: LevelToolProps) {
  const { t } = useTexts();
  const home = useHome();
  const tell = useToast();
  const act = useAct();
  const [to, setTo] = useState<Level>(level);
  const name = (one: Level) => t.ui.levels[levelName(one)];

  async function set() {
    const { entry } = await home.clients.channel.setLevel({ channelId: channel.id, accountId: person.id, level: to });
    const now = entry?.level ?? to;
    onLevel(now);
    onActed({ id: person.id, level: now });
    tell(t.channel.person.isNow(person.nickname, name(now)));
    if (self || level === Level.UNSPECIFIED) await home.channels.refresh(channel.id);
  }
  function submit(event: FormEvent) {
    event.preventDefault();
    if (to !== level) void act.run(set);
  }
  const help = self ? t.channel.person.stepDown : undefined;
  return (
    <form className={styles['tool']} onSubmit={submit}>
      {act.error && <Banner look="bad">{act.error}</Banner>}
      <Select
        label={t.channel.person.levelFor(person.nickname)}
        help={to === Level.OWNER && level !== Level.OWNER ? t.channel.person.makeOwner : help}
        value={to}
        onChange={(e) => setTo(Number(e.target.value) as Level)}
      >
        <option value={level}>{level === Level.UNSPECIFIED ? t.channel.person.none : name(level)}</option>
        {levels.map((one) => (
          <option key={one} value={one}>
            {name(one)}
          </option>
        ))}
      </Select>
      <Button look="primary" type="submit" busy={act.busy} disabled={to === level}>
        {t.channel.person.set}
      </Button>
    </form>
  );
}

const hour = 3_600_000;
const terms = { hour, day: 24 * hour, week: 7 * 24 * hour, month: 30 * 24 * hour, ever: 0 } as const;
type Term = keyof typeof terms;

/** OrderTools take somebody off the roster and out of the room, or keep them out. */
export function OrderTools({ channel, person, onActed, onClose }: ToolProps) {
  const { t } = useTexts();
  const { clients, channels } = useHome();
  const tell = useToast();
  const act = useAct();
  const [asking, setAsking] = useState<'remove' | 'ban'>();
  const [reason, setReason] = useState('');
  const [term, setTerm] = useState<Term>('day');
  const who = { channelId: channel.id, accountId: person.id };

  async function remove() {
    await clients.channel.removeFromRoster(who);
    done(t.channel.person.removed(person.nickname));
  }
  async function ban() {
    const untilMs = terms[term] === 0 ? 0n : BigInt(Date.now() + terms[term]);
    await clients.channel.ban({ ...who, reason: reason.trim(), untilMs });
    done(t.channel.person.banned(person.nickname));
  }
  function done(words: string) {
    tell(words);
    onActed({ id: person.id });
    onClose();
    channels.refresh(channel.id).catch(() => {}); // the count is read again soon
  }

  if (asking === undefined) {
    return (
      <div className={styles['order']}>
        <Button onClick={() => setAsking('remove')}>{t.channel.person.remove}</Button>
        <Button onClick={() => setAsking('ban')}>{t.channel.person.ban}</Button>
      </div>
    );
  }
  const removing = asking === 'remove';
  return (
    <form
      className={styles['tool']}
      aria-label={removing ? t.channel.person.remove : t.channel.person.ban}
      onSubmit={(event) => {
        event.preventDefault();
        void act.run(removing ? remove : ban);
      }}
    >
      {act.error && <Banner look="bad">{act.error}</Banner>}
      <p>{removing ? t.channel.person.removeHint : t.channel.person.banHint}</p>
      {!removing && (
        <>
          <Field
            label={t.channel.person.reason}
            help={t.channel.person.reasonHelp}
            value={reason}
            maxLength={300}
            onChange={(e) => setReason(e.target.value)}
          />
          <Select label={t.channel.person.until} value={term} onChange={(e) => setTerm(e.target.value as Term)}>
            {(Object.keys(terms) as Term[]).map((one) => (
              <option key={one} value={one}>
                {t.channel.person[one]}
              </option>
            ))}
          </Select>
        </>
      )}
      <div className={styles['order']}>
        <Button onClick={() => setAsking(undefined)}>{t.ui.cancel}</Button>
        <Button look="danger" type="submit" busy={act.busy}>
          {removing ? t.channel.person.remove : t.channel.person.ban}
        </Button>
      </div>
    </form>
  );
}
