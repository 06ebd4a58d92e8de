import { Radio } from 'lucide-react';
import { useCallback, useEffect, useState } from 'react';

import { Level } from '../../api/gen/muster/v1/channel_pb.ts';
import type { OneChannel } from '../../state/channels.ts';
import type { Scope } from '../../state/scope.ts';
import { administers, keepsOrder, standingOf } from '../../state/standing.ts';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { laterDialog, laterPage } from '../../ui/later.tsx';
import { Tabs } from '../../ui/Tabs.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore, useStoreMaybe } from '../../ui/useStore.ts';
import { useHome, useMe, useRoot } from '../context.tsx';
import { ChannelIcon } from '../shell/Navigation.tsx';
import { Place } from '../shell/Place.tsx';
import { useOpened } from '../useOpened.ts';
import { ChannelActions } from './ChannelActions.tsx';
import { ChannelPeople } from './ChannelPeople.tsx';
import styles from './ChannelPlace.module.css';
import type { Acted, Somebody } from './person.ts';
import { Room } from './Room.tsx';

const RosterPage = laterPage(async () => (await import('./RosterPage.tsx')).default);
const ImportPage = laterPage(async () => (await import('./ImportPage.tsx')).default);
const BansPage = laterPage(async () => (await import('./BansPage.tsx')).default);
const SettingsPage = laterPage(async () => (await import('./SettingsPage.tsx')).default);
const PersonCard = laterDialog(async () => (await import('./PersonCard.tsx')).default);

/** ChannelPlace is a channel: its live room in the middle, its people on the right, and the pages about it. */
export function ChannelPlace({ id, tab }: { id: bigint; tab: string }) {
  const { t } = useTexts();
  const home = useHome();
  const channel = useStore(home.channels.value).byId.get(id);
  const room = useOpened(useCallback((scope: Scope) => home.openRoom(id, scope), [home, id]));
  const value = useStoreMaybe(room?.value);
  const [shown, setShown] = useState<Somebody>();
  const [acted, setActed] = useState<Acted>();
  const missing = channel === undefined;
  useEffect(() => {
    // A place deep in the tree may be opened by its address.
    if (missing) home.channels.refresh(id).catch(() => {}); // the room says that there is none
  }, [home, id, missing]);
  useEffect(() => {
    if (value?.why === 'deleted') home.channels.load().catch(() => {}); // read again soon anyway
  }, [home, value?.why]);
  const inside = tab === '' && value?.phase === 'inside';
  return (
    <Place
      title={channel?.name ?? t.shell.channels}
      icon={
        <span className={styles['icon']}>
          <ChannelIcon />
        </span>
      }
      note={
        <>
          <span className={styles['live']} title={t.channel.liveHint}>
            <Radio size={14} aria-hidden /> {t.channel.live}
          </span>
          {channel?.about && <span className={styles['topic']}> · {channel.about}</span>}
        </>
      }
      actions={channel && <ChannelActions channel={channel} room={room} />}
      aside={
        inside && room ? (
          <ChannelPeople room={room} value={value} channel={channel} acted={acted} onPerson={setShown} />
        ) : undefined
      }
    >
      {tab === '' && room && value && <Room room={room} value={value} name={channel?.name ?? ''} onPerson={setShown} />}
      {tab !== '' && channel && <Sub channel={channel} tab={tab} acted={acted} onPerson={setShown} />}
      {shown && channel && (
        <PersonCard channel={channel} person={shown} onActed={setActed} onClose={() => setShown(undefined)} />
      )}
    </Place>
  );
}

interface SubProps {
  channel: OneChannel;
  tab: string;
  acted: Acted | undefined;
  onPerson: (person: Somebody) => void;
}

/** Sub is a page about a channel; the room stays entered meanwhile. */
function Sub({ channel, tab, acted, onPerson }: SubProps) {
  const { t } = useTexts();
  const { router } = useRoot();
  const me = useMe();
  const standing = standingOf(channel.yourLevel, me.serverRole);
  const pages = [
    { tab: '', label: t.channel.room, on: true },
    { tab: 'roster', label: t.channel.roster, on: true },
    { tab: 'import', label: t.channel.imports.title, on: administers(standing) },
    { tab: 'bans', label: t.channel.bans.title, on: keepsOrder(standing) },
    { tab: 'settings', label: t.channel.settings, on: channel.yourLevel !== Level.UNSPECIFIED || standing.server },
  ];
  const tabs = pages
    .filter((page) => page.on)
    .map((page) => ({
      href: `/c/${channel.id}${page.tab && `/${page.tab}`}`,
      label: page.label,
      current: page.tab === tab,
    }));
  return (
    <div className={styles['sub']}>
      <div className={styles['tabs']}>
        <Tabs label={t.channel.tabs} tabs={tabs} onGo={(href) => router.go(href)} />
      </div>
      {tab === 'roster' && <RosterPage key={String(channel.id)} channel={channel} acted={acted} onPerson={onPerson} />}
      {tab === 'import' && <ImportPage channelId={channel.id} />}
      {tab === 'bans' && <BansPage channelId={channel.id} />}
      {tab === 'settings' && <SettingsPage key={String(channel.id)} channel={channel} />}
      {!pages.some((page) => page.tab === tab) && (
        <EmptyState title={t.shell.notFound}>{t.shell.notFoundHint}</EmptyState>
      )}
    </div>
  );
}
