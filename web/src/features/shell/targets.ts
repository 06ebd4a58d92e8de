import { ServerRole } from '../../api/gen/muster/v1/account_pb.ts';
import { pathOf } from '../../state/channels.ts';
import { fuzzy } from '../../state/fuzzy.ts';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome, useMe, useRoot } from '../context.tsx';
import { useOverlay } from './overlays.ts';

/** Target is a place to go to, or something to do. */
export interface Target {
  key: string;
  name: string;
  kind: string;
  run: () => void;
}

const most = 12;

/** useTargets finds places and acts by letters of their names, the best first; without letters, places first. */
export function useTargets(wanted: string): Target[] {
  const all = [...usePlaces(), ...useActs()];
  return all
    .map((target) => ({ target, rank: fuzzy(wanted, target.name) }))
    .filter((one): one is { target: Target; rank: number } => one.rank !== undefined)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, most)
    .map((one) => one.target);
}

function usePlaces(): Target[] {
  const { t } = useTexts();
  const { router } = useRoot();
  const me = useMe();
  const { channels, groups } = useHome();
  const tree = useStore(channels.value);
  const mine = useStore(groups.value);
  const to = (href: string, name: string, kind: string): Target => ({
    key: href,
    name,
    kind,
    run: () => router.go(href),
  });
  const inside = (id: bigint) =>
    pathOf(tree, id)
      .slice(0, -1)
      .map((channel) => channel.name)
      .join(' › ');
  const admin = [
    to('/admin', t.shell.administration, t.admin.statistics),
    to('/admin/accounts', t.admin.accounts, t.shell.administration),
    to('/admin/limits', t.admin.limits, t.shell.administration),
    to('/admin/audit', t.admin.audit, t.shell.administration),
  ];
  return [
    ...[...mine.byId.values()].map((group) => to(`/g/${group.id}`, group.name, t.shell.groups)),
    ...[...tree.byId.values()].map(({ id, name }) => to(`/c/${id}`, name, inside(id) || t.shell.channels)),
    to('/invitations', t.shell.invitations, ''),
    to('/settings', t.shell.settings, t.account.profile),
    to('/settings/appearance', t.account.appearance, t.shell.settings),
    to('/settings/password', t.account.security, t.shell.settings),
    to('/settings/sessions', t.account.sessions, t.shell.settings),
    to('/settings/blocked', t.account.blocked, t.shell.settings),
    ...(me.serverRole >= ServerRole.ADMIN ? admin : []),
  ];
}

function useActs(): Target[] {
  const { t } = useTexts();
  const { app } = useRoot();
  const tell = useToast();
  const open = useOverlay();
  const { language } = useStore(app.preferences.value);
  const act = (key: string, name: string, run: () => void): Target => ({ key, name, kind: t.shell.act, run });
  return [
    act('new-channel', t.shell.newChannel, () => open('channel')),
    act('new-group', t.shell.newGroup, () => open('group')),
    act('keys', t.shell.keys.title, () => open('keys')),
    act('theme', t.shell.otherTheme, () => {
      const dark = document.documentElement.dataset['theme'] === 'dark';
      app.preferences.set({ theme: dark ? 'light' : 'dark' });
    }),
    // In the other language: who reads this one does not need it.
    act('language', language === 'en' ? '中文' : 'English', () =>
      app.preferences.set({ language: language === 'en' ? 'zh' : 'en' }),
    ),
    act(
      'sign-out',
      t.shell.signOut,
      () => void app.session.signOut().catch(() => tell(t.errors.codes.unavailable, true)),
    ),
  ];
}
