import { ShieldCheck } from 'lucide-react';
import { useEffect, useState } from 'react';

import type { GetStatisticsResponse } from '../../api/gen/muster/v1/admin_pb.ts';
import { Banner } from '../../ui/Banner.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useAct, useHome } from '../context.tsx';
import { Page, Place } from '../shell/Place.tsx';
import styles from './AdminPlace.module.css';

/** AdminPlace is for the server's administrators. */
export default function AdminPlace(_: { tab: string }) {
  const { t, f } = useTexts();
  const { clients } = useHome();
  const act = useAct();
  const [statistics, setStatistics] = useState<GetStatisticsResponse>();
  useEffect(() => {
    void act.run(async () => setStatistics(await clients.admin.getStatistics({})));
    // Read once when the page is opened.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [clients]);
  const facts = statistics && [
    [t.admin.version, statistics.version],
    [t.admin.store, statistics.store],
    [t.admin.started, f.dateTime(Number(statistics.startedMs))],
    [t.admin.accounts, f.number(Number(statistics.accounts))],
    [t.admin.channels, f.number(Number(statistics.channels))],
    [t.admin.groups, f.number(Number(statistics.groups))],
    [t.admin.connections, f.number(Number(statistics.connections))],
    [t.admin.online, f.number(Number(statistics.peopleOnline))],
    [t.admin.sent, f.number(Number(statistics.messagesSent))],
  ];
  return (
    <Place title={t.admin.title} icon={<ShieldCheck size={18} aria-hidden />}>
      <Page>
        {act.error && <Banner look="bad">{act.error}</Banner>}
        <h2>{t.admin.statistics}</h2>
        <dl className={styles['facts']}>
          {facts?.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </Page>
    </Place>
  );
}
