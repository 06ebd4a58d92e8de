import { useEffect, useState } from 'react';

import { explain } from '../../i18n/explain.ts';
import { type Enrolments, EnrolmentState, moving, type OneEnrolment } from '../../state/enrolments.ts';
import type { OneGroup } from '../../state/groups.ts';
import { Scope } from '../../state/scope.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { Progress } from '../../ui/Progress.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useAct, useHome } from '../context.tsx';
import styles from './Enrolment.module.css';
import { FateChart } from './FateChart.tsx';
import { stateName } from './states.ts';

interface EnrolmentReportProps {
  jobId: bigint;
  group: OneGroup;
  enrolments: Enrolments;
}

/** EnrolmentReport shows an enrolment while it runs and when it has ended. */
export function EnrolmentReport({ jobId, group, enrolments }: EnrolmentReportProps) {
  const { t, f } = useTexts();
  const { loaded, failure, jobs } = useStore(enrolments.value);
  useEffect(() => {
    const scope = new Scope();
    enrolments.watch(jobId, scope);
    return () => scope.end();
  }, [enrolments, jobId]);
  const job = jobs.find((j) => j.id === jobId);
  if (!job) return <EmptyState title={failure ? explain(t, f, failure) : loaded ? t.enrolment.gone : t.ui.loading} />;
  return <Report job={job} group={group} enrolments={enrolments} />;
}

function Report({ job, group, enrolments }: { job: OneEnrolment; group: OneGroup; enrolments: Enrolments }) {
  const { t, f } = useTexts();
  const { channels } = useHome();
  const channel = useStore(channels.value).byId.get(job.channelId)?.name ?? t.enrolment.someChannel;
  const reasons: Partial<Record<string, string>> = t.errors.reasons;
  return (
    <section className={styles['part']} aria-label={t.enrolment.report}>
      <h2>{t.enrolment.fromTo(channel, group.name)}</h2>
      <p className={styles['soft']}>
        <span className={styles['state']} data-state={stateName(job.state)}>
          {t.enrolment.states[stateName(job.state)]}
        </span>{' '}
        {t.enrolment.startedAt(f.dateTime(job.createdMs))}
        {job.endedMs > 0 && ` ${t.enrolment.endedAt(f.dateTime(job.endedMs))}`}
      </p>
      {job.failure && <Banner look="bad">{t.enrolment.failed(reasons[job.failure] ?? job.failure)}</Banner>}
      {job.state === EnrolmentState.RUNNING && (
        <Progress label={t.enrolment.handled} done={job.handled} total={Math.max(job.total, job.handled)} />
      )}
      {job.state === EnrolmentState.UNDOING && (
        <Progress label={t.enrolment.undoing} done={job.removed} total={job.counts.added} />
      )}
      <FateChart counts={job.counts} handled={job.handled} />
      {job.counts.asked > 0 && (
        <p>{t.enrolment.answers(job.accepted, job.declined, job.counts.asked - job.accepted - job.declined)}</p>
      )}
      {job.state === EnrolmentState.UNDONE && <p>{t.enrolment.undone(job.removed)}</p>}
      {job.text && <blockquote className={styles['quote']}>{job.text}</blockquote>}
      <Acts job={job} group={group} enrolments={enrolments} />
    </section>
  );
}

function Acts({ job, group, enrolments }: { job: OneEnrolment; group: OneGroup; enrolments: Enrolments }) {
  const { t } = useTexts();
  const act = useAct();
  const [asking, setAsking] = useState<'cancel' | 'undo'>();
  const canUndo = !moving(job) && job.state !== EnrolmentState.UNDONE;
  const running = job.state === EnrolmentState.RUNNING;
  if (!running && !canUndo) return null;
  async function carryOut(what: 'cancel' | 'undo') {
    if (await act.run(() => enrolments[what](job.id))) setAsking(undefined);
  }
  return (
    <div>
      {running && <Button onClick={() => setAsking('cancel')}>{t.enrolment.cancel}</Button>}
      {canUndo && <Button onClick={() => setAsking('undo')}>{t.enrolment.undo}</Button>}
      {asking && (
        <Dialog
          title={t.enrolment[asking]}
          onClose={() => setAsking(undefined)}
          actions={
            <>
              <Button onClick={() => setAsking(undefined)}>{t.enrolment.letItBe}</Button>
              <Button look="danger" busy={act.busy} onClick={() => void carryOut(asking)}>
                {t.enrolment[asking]}
              </Button>
            </>
          }
        >
          {act.error && <Banner look="bad">{act.error}</Banner>}
          <p>{asking === 'cancel' ? t.enrolment.cancelMeans : t.enrolment.undoMeans(job.counts.added, group.name)}</p>
        </Dialog>
      )}
    </div>
  );
}
