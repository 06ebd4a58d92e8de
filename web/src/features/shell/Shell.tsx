import { useCallback, useEffect, useState } from 'react';

import type { Route } from '../../state/route.ts';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { laterPage } from '../../ui/later.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome, useRoot } from '../context.tsx';
import { Link } from '../Link.tsx';
import { ConnectionBanner } from './ConnectionBanner.tsx';
import { Guard } from './Guard.tsx';
import { Navigation } from './Navigation.tsx';
import { OverlayContext, type Overlay } from './overlays.ts';
import { bringOverlays, Overlays } from './Overlays.tsx';
import { Place } from './Place.tsx';
import styles from './Shell.module.css';

const ChannelPlace = laterPage(async () => (await import('../channel/ChannelPlace.tsx')).ChannelPlace);
const GroupPlace = laterPage(async () => (await import('../group/GroupPlace.tsx')).GroupPlace);
const HomePlace = laterPage(async () => (await import('./HomePlace.tsx')).default);
const SettingsPlace = laterPage(async () => (await import('../account/SettingsPlace.tsx')).default);
const AdminPlace = laterPage(async () => (await import('../admin/AdminPlace.tsx')).default);
const InvitationsPlace = laterPage(async () => (await import('../enrolment/InvitationsPlace.tsx')).default);
const EnrolPlace = laterPage(async () => (await import('../enrolment/EnrolPlace.tsx')).default);
const EnrolChannelPlace = laterPage(async () => (await import('../enrolment/EnrolChannelPlace.tsx')).default);

/** bringPlace fetches the code of the place that an address leads to. */
export function bringPlace(route: Route): Promise<unknown> {
  switch (route.page) {
    case 'channel':
      return (route.tab === 'enrol' ? EnrolChannelPlace : ChannelPlace).bring();
    case 'group':
      return (route.tab === 'enrol' ? EnrolPlace : GroupPlace).bring();
    case 'home':
      return HomePlace.bring();
    default:
      return Promise.resolve(); // seldom where somebody begins
  }
}

/** Shell is the page of somebody who is signed in: the list on the left, and the place where they are. */
export function Shell() {
  const { router } = useRoot();
  const { t } = useTexts();
  const route = useStore(router.route);
  const [overlay, setOverlay] = useState<Overlay>();
  const close = useCallback(() => setOverlay(undefined), []);
  useRemovals();
  useArrivals();
  useEffect(() => {
    // Rooms and groups are where people go next, and dialogs what they open: they are fetched at the first sign that somebody is about to choose.
    const signs = ['pointermove', 'pointerdown', 'keydown'];
    const still = new AbortController();
    const bring = () => {
      still.abort();
      void Promise.all([ChannelPlace.bring(), GroupPlace.bring(), bringOverlays()]).catch(() => {}); // tried again when one is chosen
    };
    for (const sign of signs) addEventListener(sign, bring, { signal: still.signal, passive: true });
    return () => still.abort();
  }, []);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const over = document.querySelector('dialog[open]') !== null;
      if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        if (!over) setOverlay('jump');
      } else if (event.key === '?' && !over && !writing(event.target)) {
        event.preventDefault();
        setOverlay('keys');
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  return (
    <OverlayContext value={setOverlay}>
      <div className={styles['frame']}>
        <a href="#main" className={styles['skip']} onClick={focusMain}>
          {t.shell.skip}
        </a>
        <ConnectionBanner />
        <div className={styles['columns']} data-at={route.page === 'home' ? 'list' : 'place'}>
          <Navigation route={route} />
          <div className={styles['middle']}>
            <Guard key={guardKey(route)}>
              <RoutePlace route={route} />
            </Guard>
          </div>
        </div>
      </div>
      <Overlays open={overlay} onClose={close} />
    </OverlayContext>
  );
}

function RoutePlace({ route }: { route: Route }) {
  const { t } = useTexts();
  switch (route.page) {
    case 'channel':
      if (route.tab === 'enrol') return <EnrolChannelPlace key={String(route.id)} channelId={route.id} />;
      return <ChannelPlace key={String(route.id)} id={route.id} tab={route.tab} />;
    case 'group':
      if (route.tab === 'enrol') return <EnrolPlace key={String(route.id)} groupId={route.id} jobId={route.item} />;
      return <GroupPlace key={String(route.id)} id={route.id} tab={route.tab} item={route.item} />;
    case 'invitations':
      return <InvitationsPlace />;
    case 'settings':
      return <SettingsPlace tab={route.tab} />;
    case 'admin':
      return <AdminPlace tab={route.tab} />;
    case 'home':
    case 'signup':
      return <HomePlace />;
    case 'unknown':
      return (
        <Place title={t.shell.notFound}>
          <EmptyState title={t.shell.notFound} action={<Link href="/">{t.shell.home}</Link>}>
            {t.shell.notFoundHint}
          </EmptyState>
        </Place>
      );
  }
}

/** useRemovals leaves the place of a group that the account is no longer in, and says so. */
function useRemovals() {
  const home = useHome();
  const { router } = useRoot();
  const { t } = useTexts();
  const tell = useToast();
  useEffect(
    () =>
      home.groups.onRemoved((id, name, why) => {
        if (why !== 'left') tell(t.shell.removedFromGroup(name));
        const at = router.route.get();
        if (at.page === 'group' && at.id === id) router.go('/', 'replace');
      }),
    [home, router, t, tell],
  );
}

/** useArrivals tells of an invitation as it comes, with the way to it. */
function useArrivals() {
  const home = useHome();
  const { router } = useRoot();
  const { t } = useTexts();
  const tell = useToast();
  useEffect(
    () =>
      home.invitations.onArrival((invitation) => {
        const at = router.route.get().page;
        if (at === 'invitations') return; // it is seen there
        tell(t.enrolment.arrived(invitation.inviterNickname, invitation.groupName), false, {
          label: t.enrolment.look,
          onSelect: () => router.go('/invitations'),
        });
      }),
    [home, router, t, tell],
  );
}

/** writing tells whether a key goes into a text. */
function writing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null;
}

function focusMain(event: { preventDefault: () => void }) {
  event.preventDefault();
  document.querySelector<HTMLElement>('#main')?.focus();
}

function guardKey(route: Route): string {
  return 'id' in route ? `${route.page}${route.id}` : route.page;
}
