import { useCallback } from 'react';

import { explain } from '../../i18n/explain.ts';
import type { Scope } from '../../state/scope.ts';
import type { Sample } from '../../state/statistics.ts';
import { Banner } from '../../ui/Banner.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome } from '../context.tsx';
import { Page } from '../shell/Place.tsx';
import { useOpened } from '../useOpened.ts';
import styles from './AdminPlace.module.css';
import { LineChart } from './LineChart.tsx';

const none = { get: () => ({ samples: [] }), subscribe: () => () => {} };

/** StatisticsPage shows what the server holds, and what it does right now. */
export function StatisticsPage() {
  const { t, f } = useTexts();
  const home = useHome();
  const statistics = useOpened(useCallback((scope: Scope) => home.openStatistics(scope), [home]));
  const { now, failure, samples } = useStore(statistics?.value ?? none);
  const facts = now && [
    [t.admin.accounts, f.number(Number(now.accounts))],
    [t.admin.channels, f.number(Number(now.channels))],
    [t.admin.groups, f.number(Number(now.groups))],
    [t.admin.online, f.number(Number(now.peopleOnline))],
    [t.admin.sent, f.number(Number(now.messagesSent))],
    [t.admin.said, f.number(Number(now.channelMessages))],
    [t.admin.deliveries, f.number(Number(now.deliveries))],
  ];
  const line = (of: (sample: Sample) => number) => samples.map(of);
  const perSecond = (n: number) => t.admin.perSecond(n < 10 ? f.number(Math.round(n * 10) / 10) : f.short(n));
  return (
    <Page wide>
      {failure && <Banner look="bad">{explain(t, f, failure)}</Banner>}
      {!now && !failure && <p role="status">{t.ui.loading}</p>}
      {now && (
        <>
          <h2>{t.admin.holds}</h2>
          <dl className={styles['facts']}>
            {facts?.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
          <h2>{t.admin.rightNow}</h2>
          <div className={styles['charts']}>
            <LineChart
              title={t.admin.connections}
              values={line((s) => s.connections)}
              now={Number(now.connections)}
              write={f.number}
            />
            <LineChart title={t.admin.deliveries} values={line((s) => s.delivered)} write={perSecond} />
            <LineChart title={t.admin.sent} values={line((s) => s.sent)} write={perSecond} />
            <LineChart title={t.admin.said} values={line((s) => s.said)} write={perSecond} />
            <LineChart
              title={t.admin.memory}
              values={line((s) => s.memoryBytes)}
              now={Number(now.memoryBytes)}
              write={(n) => t.admin.mib(f.number(Math.round(n / 1_048_576)))}
            />
          </div>
          <p className={styles['soft']}>
            {t.admin.runs(now.version, now.store)} {t.admin.startedAt(f.dateTime(Number(now.startedMs)))}
          </p>
        </>
      )}
    </Page>
  );
}
