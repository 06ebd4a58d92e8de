import { Hash, Inbox, LogOut, MoreHorizontal, Plus, Search, Settings, ShieldCheck } from 'lucide-react';
import { ServerRole } from '../../api/gen/muster/v1/account_pb.ts';
import { unreadOf } from '../../state/groups.ts';
import type { Route } from '../../state/route.ts';
import { Avatar } from '../../ui/Avatar.tsx';
import { Badge } from '../../ui/Badge.tsx';
import { Button, IconButton } from '../../ui/Button.tsx';
import { Menu } from '../../ui/Menu.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useAct, useHome, useMe, useRoot } from '../context.tsx';
import { Link } from '../Link.tsx';
import { ChannelTree } from './ChannelTree.tsx';
import styles from './Navigation.module.css';
import { useOverlay } from './overlays.ts';

/** Navigation is the left column: the channels, the groups, and the account. */
export function Navigation({ route }: { route: Route }) {
  const { t } = useTexts();
  const open = useOverlay();
  return (
    <nav className={styles['nav']} aria-label={t.shell.navigation}>
      <header className={styles['head']}>
        <Link href="/" className={styles['product']}>
          <img src="/favicon.svg" alt="" width={24} height={24} />
          {t.shell.product}
        </Link>
        <IconButton label={`${t.shell.jump} (Ctrl K)`} aria-keyshortcuts="Control+K" onClick={() => open('jump')}>
          <Search size={18} aria-hidden />
        </IconButton>
      </header>
      <div className={styles['lists']}>
        <InvitationsLink current={route.page === 'invitations'} />
        <section aria-labelledby="nav-channels">
          <div className={styles['section']}>
            <h2 id="nav-channels">{t.shell.channels}</h2>
            <IconButton label={t.shell.newChannel} onClick={() => open('channel')}>
              <Plus size={16} aria-hidden />
            </IconButton>
          </div>
          <ChannelTree current={route.page === 'channel' ? route.id : undefined} />
          <FirstChannel />
        </section>
        <section aria-labelledby="nav-groups">
          <div className={styles['section']}>
            <h2 id="nav-groups">{t.shell.groups}</h2>
            <IconButton label={t.shell.newGroup} onClick={() => open('group')}>
              <Plus size={16} aria-hidden />
            </IconButton>
          </div>
          <GroupLinks current={route.page === 'group' ? route.id : undefined} />
        </section>
      </div>
      <Account />
    </nav>
  );
}

function InvitationsLink({ current }: { current: boolean }) {
  const { t, f } = useTexts();
  const count = useStore(useHome().invitations.value).open.length;
  return (
    <Link href="/invitations" className={styles['row']} aria-current={current ? 'page' : undefined}>
      <Inbox size={18} aria-hidden />
      <span className={styles['name']}>{t.shell.invitations}</span>
      {count > 0 && <Badge label={t.shell.openInvitations(count)}>{f.short(count)}</Badge>}
    </Link>
  );
}

/** FirstChannel is there while no channel is. */
function FirstChannel() {
  const { t } = useTexts();
  const { loaded, byId } = useStore(useHome().channels.value);
  const open = useOverlay();
  if (!loaded || byId.size > 0) return null;
  return (
    <div className={styles['none']}>
      <Button look="quiet" onClick={() => open('channel')}>
        {t.shell.firstChannel}
      </Button>
    </div>
  );
}

function GroupLinks({ current }: { current: bigint | undefined }) {
  const { t, f } = useTexts();
  const { loaded, byId } = useStore(useHome().groups.value);
  const open = useOverlay();
  if (!loaded && byId.size === 0) return <p className={styles['none']}>{t.ui.loading}</p>;
  if (byId.size === 0) {
    return (
      <div className={styles['none']}>
        <p>{t.shell.noGroups}</p>
        <Button look="quiet" onClick={() => open('group')}>
          {t.shell.firstGroup}
        </Button>
      </div>
    );
  }
  const groups = [...byId.values()].sort((a, b) => b.activeMs - a.activeMs || f.collator.compare(a.name, b.name));
  return (
    <ul>
      {groups.map((group) => {
        const unread = unreadOf(group);
        return (
          <li key={String(group.id)}>
            <Link
              href={`/g/${group.id}`}
              className={styles['row']}
              data-strong={unread > 0 || undefined}
              aria-current={group.id === current ? 'page' : undefined}
            >
              <Avatar name={group.name} size="small" level="member" square />
              <span className={styles['name']}>{group.name}</span>
              {unread > 0 && <Badge label={t.shell.unread(unread)}>{f.short(unread)}</Badge>}
            </Link>
          </li>
        );
      })}
    </ul>
  );
}

function Account() {
  const { t } = useTexts();
  const { app, router } = useRoot();
  const me = useMe();
  const act = useAct({ toast: true });
  const items = [
    { label: t.shell.settings, icon: <Settings size={16} aria-hidden />, onSelect: () => router.go('/settings') },
    ...(me.serverRole >= ServerRole.ADMIN
      ? [
          {
            label: t.shell.administration,
            icon: <ShieldCheck size={16} aria-hidden />,
            onSelect: () => router.go('/admin'),
          },
        ]
      : []),
    {
      label: t.shell.signOut,
      icon: <LogOut size={16} aria-hidden />,
      onSelect: () => void act.run(() => app.session.signOut()),
    },
  ];
  return (
    <footer className={styles['account']}>
      <Avatar name={me.nickname || me.name} level="member" />
      <div className={styles['who']}>
        <strong>{me.nickname || me.name}</strong>
        <small>{me.name}</small>
      </div>
      <Menu label={t.shell.account} items={items}>
        <MoreHorizontal size={18} aria-hidden />
      </Menu>
    </footer>
  );
}

/** ChannelIcon is how a channel is drawn everywhere. */
export function ChannelIcon() {
  return <Hash size={18} aria-hidden />;
}
