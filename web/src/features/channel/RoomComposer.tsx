import { memo } from 'react';

import { failureOf } from '../../api/errors.ts';
import { Level } from '../../api/gen/muster/v1/channel_pb.ts';
import { explain } from '../../i18n/explain.ts';
import type { OpenRoom, RoomValue } from '../../state/room.ts';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import { useNow } from '../../ui/useStore.ts';
import { Composer } from '../Composer.tsx';
import { useHome } from '../context.tsx';
import { useLimits } from '../useLimits.ts';

interface RoomComposerProps {
  room: OpenRoom;
  value: RoomValue;
  name: string;
}

/** RoomComposer is where one speaks in a room, with the channel's slow mode and least level. */
export const RoomComposer = memo(function RoomComposer({ room, value, name }: RoomComposerProps) {
  const { t, f } = useTexts();
  const tell = useToast();
  const home = useHome();
  const limits = useLimits();
  const now = useNow(500, value.quietUntilMs > 0);
  const wait = Math.ceil((value.quietUntilMs - now) / 1000);
  const mute = value.yourLevel < value.speakLevel;
  const slow = value.slowModeMs > 0 && value.yourLevel < Level.MODERATOR;

  function note(): string | undefined {
    if (mute) return t.channel.mayNotSpeak;
    if (wait > 0) return t.channel.slowWait(wait);
    const { typing } = value;
    const told = slow ? [t.channel.slowMode(Math.ceil(value.slowModeMs / 1000))] : [];
    if (typing.length > 0) told.push(t.channel.writing(f.list([...typing]), typing.length));
    return told.join(' · ');
  }

  async function say(text: string): Promise<boolean> {
    try {
      await room.say(text);
      return true;
    } catch (error) {
      tell(explain(t, f, failureOf(error)), true);
      return false;
    }
  }

  return (
    <Composer
      place={`c${room.channelId}`}
      label={mute ? t.channel.mayNotSpeak : t.channel.say(name)}
      sendLabel={t.channel.send}
      maxBytes={limits.channelTextBytes}
      disabled={mute || value.phase !== 'inside'}
      note={note()}
      onSend={say}
      onTyping={() => home.typing({ channelId: room.channelId })}
    />
  );
}, sameRules);

// What is said changes the room at every frame, and nothing here.
function sameRules(a: RoomComposerProps, b: RoomComposerProps): boolean {
  const fields = ['phase', 'yourLevel', 'speakLevel', 'slowModeMs', 'quietUntilMs', 'typing'] as const;
  return a.room === b.room && a.name === b.name && fields.every((field) => a.value[field] === b.value[field]);
}
