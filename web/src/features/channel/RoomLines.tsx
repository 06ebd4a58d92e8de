import { ArrowDown } from 'lucide-react';
import { memo, useCallback, useRef } from 'react';

import type { Line, OpenRoom, RoomValue } from '../../state/room.ts';
import { Button } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { VirtualList, type VirtualListHandle } from '../../ui/VirtualList.tsx';
import { levelName } from '../levels.ts';
import { Talk } from '../Talk.tsx';
import styles from './ChannelPlace.module.css';
import type { Somebody } from './person.ts';

/** Lines of one person within this time stand under one name. */
const togetherMs = 5 * 60_000;

interface RoomLinesProps {
  room: OpenRoom;
  value: RoomValue;
  onPerson: (person: Somebody) => void;
}

/** RoomLines is what was said since this page came in. */
export function RoomLines({ room, value, onPerson }: RoomLinesProps) {
  const { t } = useTexts();
  const { lines, held, fresh } = value;
  const list = useRef<VirtualListHandle>(null);
  const hold = useCallback((atEnd: boolean) => room.hold(!atEnd), [room]);
  return (
    <>
      <VirtualList
        ref={list}
        items={lines}
        keyOf={(line) => line.key}
        estimate={44}
        from="end"
        role="log"
        label={t.channel.messages}
        onHoldChange={hold}
        render={(line, index) => <OneLine line={line} follows={follows(lines[index - 1], line)} onPerson={onPerson} />}
      />
      {held && (
        <div className={styles['toEnd']}>
          <Button icon={<ArrowDown size={16} aria-hidden />} onClick={() => list.current?.scrollToEnd()}>
            {fresh > 0 ? t.channel.newLines(fresh) : t.channel.toEnd}
          </Button>
        </div>
      )}
    </>
  );
}

interface OneLineProps {
  line: Line;
  follows: boolean;
  onPerson: (person: Somebody) => void;
}

// A busy room changes the list at every frame, but not what was said.
const OneLine = memo(function OneLine({ line, follows, onPerson }: OneLineProps) {
  const { t, f } = useTexts();
  if (line.kind === 'skipped') return <p className={styles['notice']}>{t.channel.skipped(line.count)}</p>;
  if (line.kind === 'away') return <p className={styles['notice']}>{t.channel.away(f.time(line.fromMs))}</p>;
  const level = levelName(line.level);
  return (
    <Talk
      nickname={line.nickname}
      level={level}
      levelLabel={t.ui.levels[level]}
      time={f.time(line.timeMs)}
      follows={follows}
      text={line.text}
      onName={() => onPerson({ id: line.senderId, nickname: line.nickname, level: line.level })}
    />
  );
});

function follows(before: Line | undefined, line: Line): boolean {
  if (before?.kind !== 'said' || line.kind !== 'said') return false;
  return before.senderId === line.senderId && line.timeMs - before.timeMs < togetherMs;
}
