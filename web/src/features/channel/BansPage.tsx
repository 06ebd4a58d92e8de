import { useState } from 'react';

import type { ChannelBan } from '../../api/gen/muster/v1/channel_pb.ts';
import { Pages } from '../../state/pages.ts';
import { Button } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useAct, useHome } from '../context.tsx';
import styles from './BansPage.module.css';
import { PagedList } from './PagedList.tsx';

/** BansPage lists who is kept out of a channel, and takes bans back. */
export default function BansPage({ channelId }: { channelId: bigint }) {
  const { t, f } = useTexts();
  const { clients } = useHome();
  const tell = useToast();
  const act = useAct({ toast: true });
  const [pages] = useState(
    () =>
      new Pages<ChannelBan>(async (pageToken) => {
        const page = await clients.channel.listBans({ channelId, pageSize: 100, pageToken });
        return { rows: page.bans, next: page.nextPageToken };
      }),
  );
  async function unban(ban: ChannelBan) {
    await clients.channel.unban({ channelId, accountId: ban.accountId });
    tell(t.channel.bans.unbanned(ban.name));
    pages.again();
  }
  return (
    <PagedList
      pages={pages}
      rowHeight={64}
      label={t.channel.bans.list}
      empty={t.channel.bans.none}
      keyOf={(ban) => String(ban.accountId)}
      render={(ban) => (
        <div className={styles['ban']}>
          <span className={styles['who']}>
            <strong>@{ban.name}</strong>
            <small title={ban.reason}>
              {t.channel.bans.since(f.dateTime(Number(ban.createdMs)))}
              {ban.reason && ` · ${ban.reason}`}
            </small>
          </span>
          <span className={styles['until']}>
            {ban.untilMs > 0n ? t.channel.bans.until(f.dateTime(Number(ban.untilMs))) : t.channel.bans.ever}
          </span>
          <Button
            busy={act.busy}
            aria-label={t.channel.bans.unbanNamed(ban.name)}
            onClick={() => void act.run(() => unban(ban))}
          >
            {t.channel.bans.unban}
          </Button>
        </div>
      )}
    />
  );
}
