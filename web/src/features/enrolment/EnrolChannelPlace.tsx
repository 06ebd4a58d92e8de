import { Plus, UserPlus } from 'lucide-react';
import { useState } from 'react';

import { Level } from '../../api/gen/muster/v1/channel_pb.ts';
import { Role } from '../../api/gen/muster/v1/group_pb.ts';
import { planFrom } from '../../state/enrolmentPlan.ts';
import { Avatar } from '../../ui/Avatar.tsx';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome, useRoot } from '../context.tsx';
import { Link } from '../Link.tsx';
import { NewGroup } from '../shell/Create.tsx';
import { Page, Place } from '../shell/Place.tsx';
import styles from './Enrolment.module.css';

/** EnrolChannelPlace begins an enrolment at the channel: into which group? */
export default function EnrolChannelPlace({ channelId }: { channelId: bigint }) {
  const { t } = useTexts();
  const home = useHome();
  const { router } = useRoot();
  const [making, setMaking] = useState(false);
  const channels = useStore(home.channels.value);
  const { byId } = useStore(home.groups.value);
  const channel = channels.byId.get(channelId);
  if (!channel) {
    return (
      <Place title={t.enrolment.enrol}>
        <EmptyState title={channels.loaded ? t.errors.reasons.channel_not_found : t.ui.loading} />
      </Place>
    );
  }
  const groups = [...byId.values()]
    .filter((group) => group.role !== Role.MEMBER)
    .sort((a, b) => a.name.localeCompare(b.name));
  function choose(groupId: bigint) {
    planFrom(home.drafts, groupId, channelId);
    router.go(`/g/${groupId}/enrol`);
  }
  return (
    <Place title={t.enrolment.enrol} icon={<UserPlus size={18} aria-hidden />} note={channel.name}>
      <Page>
        <p>
          <Link href={`/c/${channelId}`}>{t.enrolment.backToChannel(channel.name)}</Link>
        </p>
        {channel.yourLevel < Level.ADMIN ? (
          <Banner look="warn">{t.errors.reasons.not_channel_admin}</Banner>
        ) : (
          <section className={styles['part']}>
            <h2>{t.enrolment.whichGroup(channel.name)}</h2>
            <p className={styles['soft']}>{t.enrolment.whichGroupHint}</p>
            {groups.length > 0 && (
              <ul className={styles['groups']}>
                {groups.map((group) => (
                  <li key={String(group.id)}>
                    <button type="button" onClick={() => choose(group.id)}>
                      <Avatar name={group.name} level="member" square />
                      <span>
                        <strong>{group.name}</strong>
                        <small>{t.group.members(group.memberCount)}</small>
                      </span>
                    </button>
                  </li>
                ))}
              </ul>
            )}
            <div>
              <Button icon={<Plus size={16} aria-hidden />} onClick={() => setMaking(true)}>
                {t.shell.newGroup}
              </Button>
            </div>
          </section>
        )}
        {making && <NewGroup onClose={() => setMaking(false)} onMade={choose} />}
      </Page>
    </Place>
  );
}
