import { Radio } from 'lucide-react';
import { useCallback } from 'react';

import { Level } from '../../api/gen/muster/v1/channel_pb.ts';
import { explain } from '../../i18n/explain.ts';
import type { OpenRoom, RoomValue } from '../../state/room.ts';
import type { Scope } from '../../state/scope.ts';
import { Button } from '../../ui/Button.tsx';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore, useStoreMaybe } from '../../ui/useStore.ts';
import { useHome } from '../context.tsx';
import { EnrolButton } from '../enrolment/EnrolButton.tsx';
import { ChannelIcon } from '../shell/Navigation.tsx';
import { Place } from '../shell/Place.tsx';
import { useOpened } from '../useOpened.ts';
import styles from './ChannelPlace.module.css';
import { RoomComposer } from './RoomComposer.tsx';
import { RoomLines } from './RoomLines.tsx';
import { RoomPeople } from './RoomPeople.tsx';

/** ChannelPlace is a channel: its live room in the middle, who is there on the right. */
export function ChannelPlace({ id }: { id: bigint; tab: string }) {
  const { t } = useTexts();
  const home = useHome();
  const channel = useStore(home.channels.value).byId.get(id);
  const room = useOpened(useCallback((scope: Scope) => home.openRoom(id, scope), [home, id]));
  const value = useStoreMaybe(room?.value);
  const aside = value?.phase === 'inside' ? <RoomPeople value={value} /> : undefined;
  return (
    <Place
      title={channel?.name ?? t.shell.channels}
      icon={<ChannelIcon />}
      note={
        <span className={styles['live']} title={t.channel.liveHint}>
          <Radio size={14} aria-hidden /> {t.channel.live}
        </span>
      }
      actions={channel && channel.yourLevel >= Level.ADMIN && <EnrolButton to={`/c/${id}/enrol`} />}
      aside={aside}
    >
      {room && value && <Room room={room} value={value} name={channel?.name ?? ''} />}
    </Place>
  );
}

function Room({ room, value, name }: { room: OpenRoom; value: RoomValue; name: string }) {
  const { t, f } = useTexts();
  if (value.phase === 'out') {
    const reasons: Partial<Record<string, string>> = t.channel.out;
    const why = value.failure ? explain(t, f, value.failure) : (reasons[value.why ?? ''] ?? value.why);
    return (
      <EmptyState
        title={why ?? ''}
        action={<Button onClick={() => void room.enter()}>{t.channel.enterAgain}</Button>}
      />
    );
  }
  return (
    <>
      <div className={styles['lines']}>
        {value.lines.length > 0 ? (
          <RoomLines lines={value.lines} />
        ) : (
          <EmptyState
            icon={<Radio size={32} aria-hidden />}
            title={value.phase === 'inside' ? t.channel.quiet : t.channel.entering}
          >
            {t.channel.liveHint}
          </EmptyState>
        )}
      </div>
      <RoomComposer room={room} value={value} name={name} />
    </>
  );
}
