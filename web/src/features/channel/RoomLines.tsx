import type { Line } from '../../state/room.ts';
import { useTexts } from '../../ui/texts.tsx';
import { VirtualList } from '../../ui/VirtualList.tsx';
import { levelName } from '../levels.ts';
import { Talk } from '../Talk.tsx';
import styles from './ChannelPlace.module.css';

/** Lines of one person within this time stand under one name. */
const togetherMs = 5 * 60_000;

/** RoomLines is what was said since this page came in. */
export function RoomLines({ lines }: { lines: readonly Line[] }) {
  const { t, f } = useTexts();
  return (
    <VirtualList
      items={lines}
      keyOf={(line) => line.key}
      estimate={44}
      from="end"
      role="log"
      label={t.channel.messages}
      render={(line, index) => {
        if (line.kind === 'skipped') return <p className={styles['skipped']}>{t.channel.skipped(line.count)}</p>;
        const level = levelName(line.level);
        return (
          <Talk
            nickname={line.nickname}
            level={level}
            levelLabel={t.ui.levels[level]}
            time={f.time(line.timeMs)}
            follows={follows(lines[index - 1], line)}
            text={line.text}
          />
        );
      }}
    />
  );
}

function follows(before: Line | undefined, line: Line): boolean {
  if (before?.kind !== 'said' || line.kind !== 'said') return false;
  return before.senderId === line.senderId && line.timeMs - before.timeMs < togetherMs;
}
