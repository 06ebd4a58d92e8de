import {
  Ban,
  DoorOpen,
  LogOut,
  MoreHorizontal,
  Plus,
  Settings,
  Upload,
  UserPlus,
  Users,
  UsersRound,
} from 'lucide-react';
import { memo, useState } from 'react';

import { failureOf } from '../../api/errors.ts';
import { JoinPolicy, Level } from '../../api/gen/muster/v1/channel_pb.ts';
import type { OneChannel } from '../../state/channels.ts';
import type { OpenRoom } from '../../state/room.ts';
import { administers, keepsOrder, standingOf } from '../../state/standing.ts';
import { Button } from '../../ui/Button.tsx';
import { laterDialog } from '../../ui/later.tsx';
import { Menu, type MenuItem } from '../../ui/Menu.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useStoreMaybe } from '../../ui/useStore.ts';
import { useAct, useHome, useMe, useRoot } from '../context.tsx';

const LeaveRoster = laterDialog(async () => (await import('./LeaveRoster.tsx')).default);
const NewChannel = laterDialog(async () => (await import('./NewChannel.tsx')).default);

interface ChannelActionsProps {
  channel: OneChannel;
  room: OpenRoom | undefined;
}

/** ChannelActions is what one can do with a channel: join and leave, and the way to its pages. */
export const ChannelActions = memo(function ChannelActions({ channel, room }: ChannelActionsProps) {
  const { t } = useTexts();
  const home = useHome();
  const me = useMe();
  const { router } = useRoot();
  const tell = useToast();
  const act = useAct({ toast: true });
  const [open, setOpen] = useState<'leave' | 'hand over' | 'new'>();
  const phase = useStoreMaybe(room?.value)?.phase;
  const standing = standingOf(channel.yourLevel, me.serverRole);
  const member = channel.yourLevel !== Level.UNSPECIFIED;
  const to = (tab: string) => () => router.go(`/c/${channel.id}/${tab}`);

  async function join() {
    await home.clients.channel.joinRoster({ channelId: channel.id });
    await home.channels.refresh(channel.id);
    tell(t.channel.joined);
  }

  async function leave() {
    try {
      await home.clients.channel.leaveRoster({ channelId: channel.id });
    } catch (error) {
      if (failureOf(error).reason !== 'last_owner') throw error;
      setOpen('hand over');
      return;
    }
    setOpen(undefined);
    tell(t.channel.left);
    await home.channels.refresh(channel.id);
  }

  const icon = { size: 16, 'aria-hidden': true };
  const items: (MenuItem | false)[] = [
    { label: t.channel.roster, icon: <UsersRound {...icon} />, onSelect: to('roster') },
    administers(standing) && { label: t.channel.imports.title, icon: <Upload {...icon} />, onSelect: to('import') },
    channel.yourLevel >= Level.ADMIN && { label: t.channel.enrol, icon: <Users {...icon} />, onSelect: to('enrol') },
    keepsOrder(standing) && { label: t.channel.bans.title, icon: <Ban {...icon} />, onSelect: to('bans') },
    administers(standing) && { label: t.channel.newInside, icon: <Plus {...icon} />, onSelect: () => setOpen('new') },
    (member || standing.server) && {
      label: t.channel.settings,
      icon: <Settings {...icon} />,
      onSelect: to('settings'),
    },
    phase === 'inside' && { label: t.channel.exit, icon: <DoorOpen {...icon} />, onSelect: () => room?.exit() },
    member && {
      label: t.channel.leave,
      icon: <LogOut {...icon} />,
      danger: true,
      onSelect: () => setOpen('leave'),
    },
  ];

  return (
    <>
      {!member && channel.joinPolicy === JoinPolicy.OPEN && (
        <Button
          look="primary"
          busy={act.busy}
          title={`${t.channel.visitor}. ${t.channel.visitorHint}`}
          icon={<UserPlus {...icon} />}
          onClick={() => void act.run(join)}
        >
          {t.channel.join}
        </Button>
      )}
      <Menu label={t.channel.acts(channel.name)} items={items.filter((item) => item !== false)}>
        <MoreHorizontal size={18} aria-hidden />
      </Menu>
      {open === 'new' && <NewChannel parentId={channel.id} onClose={() => setOpen(undefined)} />}
      {(open === 'leave' || open === 'hand over') && (
        <LeaveRoster
          name={channel.name}
          handOver={open === 'hand over'}
          busy={act.busy}
          onLeave={() => void act.run(leave)}
          onRoster={() => {
            setOpen(undefined);
            to('roster')();
          }}
          onClose={() => setOpen(undefined)}
        />
      )}
    </>
  );
});
