import { explain } from '../../i18n/explain.ts';
import type { Enrolments } from '../../state/enrolments.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome } from '../context.tsx';
import { Link } from '../Link.tsx';
import styles from './Enrolment.module.css';
import { stateName } from './states.ts';

/** EnrolmentHistory lists a group's enrolments, the newest first. */
export function EnrolmentHistory({ groupId, enrolments }: { groupId: bigint; enrolments: Enrolments }) {
  const { t, f } = useTexts();
  const { loaded, failure, jobs, more } = useStore(enrolments.value);
  const { byId } = useStore(useHome().channels.value);
  return (
    <section className={styles['part']}>
      <h2>{t.enrolment.history}</h2>
      {failure && <Banner look="bad">{explain(t, f, failure)}</Banner>}
      {loaded && !failure && jobs.length === 0 && <p className={styles['soft']}>{t.enrolment.noHistory}</p>}
      <ul className={styles['jobs']}>
        {jobs.map((job) => (
          <li key={String(job.id)}>
            <Link href={`/g/${groupId}/enrol/${job.id}`}>
              <strong>{byId.get(job.channelId)?.name ?? t.enrolment.someChannel}</strong>
              <span className={styles['state']} data-state={stateName(job.state)}>
                {t.enrolment.states[stateName(job.state)]}
              </span>
              <small>
                {f.dateTime(job.createdMs)} · {t.enrolment.did(job.counts.added, job.counts.asked)}
              </small>
            </Link>
          </li>
        ))}
      </ul>
      {more && (
        <div>
          <Button onClick={() => void enrolments.more()}>{t.ui.more}</Button>
        </div>
      )}
    </section>
  );
}
