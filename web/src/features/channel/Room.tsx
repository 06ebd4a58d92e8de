import { DoorOpen } from 'lucide-react';

import { explain } from '../../i18n/explain.ts';
import type { OpenRoom, RoomValue } from '../../state/room.ts';
import { Button } from '../../ui/Button.tsx';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { useTexts } from '../../ui/texts.tsx';
import styles from './ChannelPlace.module.css';
import type { Somebody } from './person.ts';
import { RoomComposer } from './RoomComposer.tsx';
import { RoomLines } from './RoomLines.tsx';

interface RoomProps {
  room: OpenRoom;
  value: RoomValue;
  name: string;
  onPerson: (person: Somebody) => void;
}

/** Room is what is said in a channel now. */
export function Room({ room, value, name, onPerson }: RoomProps) {
  const { t, f } = useTexts();
  if (value.phase === 'out') {
    const reasons: Partial<Record<string, string>> = t.channel.out;
    const reason = value.failure?.reason ?? value.why ?? '';
    const why = reasons[reason] ?? (value.failure ? explain(t, f, value.failure) : reason);
    const gone = reason === 'deleted' || reason === 'channel_not_found';
    return (
      <EmptyState
        icon={<DoorOpen size={32} aria-hidden />}
        title={why}
        action={gone ? undefined : <Button onClick={() => void room.enter()}>{t.channel.enterAgain}</Button>}
      />
    );
  }
  return (
    <>
      <div className={styles['lines']}>
        <RoomLines room={room} phase={value.phase} onPerson={onPerson} />
      </div>
      <RoomComposer room={room} value={value} name={name} />
    </>
  );
}
