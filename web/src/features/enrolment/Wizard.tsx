import { Level } from '../../api/gen/muster/v1/channel_pb.ts';
import type { OneChannel } from '../../state/channels.ts';
import type { EnrolmentPlan, Preview } from '../../state/enrolmentPlan.ts';
import { EnrolPolicy } from '../../state/enrolmentPlan.ts';
import type { Enrolments } from '../../state/enrolments.ts';
import type { OneGroup } from '../../state/groups.ts';
import type { Scope } from '../../state/scope.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Select, TextArea } from '../../ui/Field.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { explain } from '../../i18n/explain.ts';
import { useCallback } from 'react';
import { useAct, useHome, useRoot } from '../context.tsx';
import { useOpened } from '../useOpened.ts';
import styles from './Enrolment.module.css';
import { PolicyTable } from './PolicyTable.tsx';

const expiries = [0, 1, 3, 7, 14, 30];
const maxText = 2000;

interface WizardProps {
  group: OneGroup;
  enrolments: Enrolments;
}

/** Wizard prepares an enrolment and starts it: from where, what happens to whom, what is asked. */
export function Wizard(props: WizardProps) {
  const home = useHome();
  const { id } = props.group;
  const plan = useOpened(useCallback((scope: Scope) => home.openPlan(id, scope), [home, id]));
  return plan ? <Steps {...props} plan={plan} /> : null;
}

function Steps({ group, enrolments, plan }: WizardProps & { plan: EnrolmentPlan }) {
  const { t, f } = useTexts();
  const { channels } = useHome();
  const { router } = useRoot();
  const act = useAct();
  const value = useStore(plan.value);
  const { loaded, byId } = useStore(channels.value);
  const mine = [...byId.values()].filter((channel) => channel.yourLevel >= Level.ADMIN).sort(byName);
  const chosen = value.plan.channelId;
  const asks = Object.values(value.plan.policies).includes(EnrolPolicy.ASK);
  async function start() {
    const enrolment = await plan.start();
    if (!enrolment) return;
    enrolments.put(enrolment);
    router.go(`/g/${group.id}/enrol/${enrolment.id}`);
  }
  if (loaded && mine.length === 0) return <Banner look="warn">{t.enrolment.noChannel}</Banner>;
  return (
    <form
      className={styles['wizard']}
      aria-label={t.enrolment.newOne}
      onSubmit={(event) => {
        event.preventDefault();
        void act.run(start);
      }}
    >
      <section className={styles['part']}>
        <h2>{t.enrolment.fromWhere}</h2>
        <Select
          label={t.enrolment.channel}
          value={String(chosen)}
          onChange={(event) => plan.change({ channelId: BigInt(event.target.value) })}
        >
          <option value="0">{t.enrolment.chooseChannel}</option>
          {mine.map((channel) => (
            <option key={String(channel.id)} value={String(channel.id)}>
              {t.enrolment.channelOption(channel.name, channel.rosterCount)}
            </option>
          ))}
        </Select>
      </section>
      {chosen !== 0n && (
        <>
          <section className={styles['part']}>
            <h2>{t.enrolment.whom}</h2>
            <p className={styles['soft']}>{t.enrolment.whomHint}</p>
            <PolicyTable groupId={group.id} plan={plan} value={value} />
            {value.failure && <Banner look="bad">{explain(t, f, value.failure)}</Banner>}
          </section>
          {asks && (
            <section className={styles['part']}>
              <h2>{t.enrolment.question}</h2>
              <TextArea
                label={t.enrolment.text}
                help={t.enrolment.textHint}
                maxLength={maxText}
                value={value.plan.text}
                onChange={(event) => plan.change({ text: event.target.value })}
              />
              <Select
                label={t.enrolment.expiry}
                value={value.plan.expiryDays}
                onChange={(event) => plan.change({ expiryDays: Number(event.target.value) })}
              >
                {expiries.map((days) => (
                  <option key={days} value={days}>
                    {days === 0 ? t.enrolment.expiryDefault : t.enrolment.days(days)}
                  </option>
                ))}
              </Select>
            </section>
          )}
          {act.error && <Banner look="bad">{act.error}</Banner>}
          <Start preview={value.preview} stale={value.stale} busy={act.busy} group={group.name} />
        </>
      )}
    </form>
  );
}

interface StartProps {
  preview: Preview | undefined;
  stale: boolean;
  busy: boolean;
  group: string;
}

/** Start sums up what will happen, and says what is left of the window. */
function Start({ preview, stale, busy, group }: StartProps) {
  const { t, f } = useTexts();
  const of = (fate: 'added' | 'asked') => (preview?.lines ?? []).reduce((n, line) => n + line.would[fate], 0);
  const left = preview && Math.min(preview.groupLeft, preview.requesterLeft);
  const nobody = preview !== undefined && of('added') + of('asked') === 0;
  return (
    <section className={styles['start']} aria-label={t.enrolment.summary}>
      <div aria-live="polite">
        <p>
          <strong>{preview ? t.enrolment.will(of('added'), of('asked'), group) : t.ui.loading}</strong>
        </p>
        {preview && left !== undefined && left > 0 && (
          <p className={styles['soft']}>{t.enrolment.left(preview.groupLeft, preview.requesterLeft)}</p>
        )}
        {left === 0 && <p className={styles['warn']}>{t.enrolment.noneLeft(f.fromNow(preview?.retryAtMs ?? 0))}</p>}
      </div>
      <Button look="primary" type="submit" busy={busy} disabled={!preview || stale || left === 0 || nobody}>
        {t.enrolment.start}
      </Button>
    </section>
  );
}

function byName(a: OneChannel, b: OneChannel): number {
  return a.name.localeCompare(b.name);
}
