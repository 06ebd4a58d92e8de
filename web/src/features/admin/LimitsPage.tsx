import { Banner } from '../../ui/Banner.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useRoot } from '../context.tsx';
import { Page } from '../shell/Place.tsx';
import styles from './AdminPlace.module.css';

/** LimitsPage shows the bounds that the server tells its clients; they are set in its configuration. */
export function LimitsPage() {
  const { t, f } = useTexts();
  const connection = useStore(useRoot().app.connection);
  const limits = connection.phase === 'online' ? connection.welcome.limits : undefined;
  const bytes = (n: bigint) => t.admin.bytes(f.number(Number(n)));
  const facts = limits && [
    [t.admin.maxGroupText, bytes(limits.maxGroupTextBytes), t.admin.maxTextHint],
    [t.admin.maxChannelText, bytes(limits.maxChannelTextBytes), t.admin.maxTextHint],
    [t.admin.maxFrame, bytes(limits.maxFrameBytes), t.admin.maxFrameHint],
    [t.admin.rate, t.admin.perSecond(f.number(limits.messagesPerSecond)), t.admin.rateHint],
    [t.admin.burst, f.number(Number(limits.burst)), t.admin.burstHint],
    [t.admin.ping, t.admin.seconds(f.number(Number(limits.idlePingMs) / 1000)), t.admin.pingHint],
  ];
  return (
    <Page wide>
      <p className={styles['soft']}>{t.admin.limitsHint}</p>
      {!facts && <Banner look="warn">{t.errors.reasons.offline}</Banner>}
      <dl className={styles['facts']} data-wide>
        {facts?.map(([name, value, hint]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              {value} <small>{hint}</small>
            </dd>
          </div>
        ))}
      </dl>
    </Page>
  );
}
