import { ArrowDown, Radio } from 'lucide-react';
import { memo, useRef, type UIEvent } from 'react';

import type { OpenRoom, RoomValue } from '../../state/room.ts';
import type { Block as BlockOf, Line } from '../../state/said.ts';
import { Button } from '../../ui/Button.tsx';
import { EmptyState } from '../../ui/EmptyState.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { levelName } from '../levels.ts';
import { Talk } from '../Talk.tsx';
import type { Somebody } from './person.ts';
import styles from './RoomLines.module.css';

/** Lines of one person within this time stand under one name. */
const togetherMs = 5 * 60_000;
/** As long as the reader is at the end, so many blocks (80 lines and the last one) are enough to fill any screen. */
const blocksAtEnd = 6;
/** So close to the end, in px, counts as there. */
const threshold = 40;

interface RoomLinesProps {
  room: OpenRoom;
  phase: RoomValue['phase'];
  onPerson: (person: Somebody) => void;
}

/**
 * RoomLines is what was said since this page came in. Hundreds of lines a second may come, so nothing is measured: the
 * browser counts the scrolling from the end (column-reverse), and blocks of lines come and go whole. Each is a layer of
 * its own (RoomLines.module.css), so that lines that only move up are neither laid out nor painted again.
 */
export function RoomLines({ room, phase, onPerson }: RoomLinesProps) {
  const { t } = useTexts();
  const { blocks, held, fresh } = useStore(room.said.value);
  const scroller = useRef<HTMLDivElement>(null);
  if (blocks.length === 0) {
    return (
      <EmptyState
        icon={<Radio size={32} aria-hidden />}
        title={phase === 'inside' ? t.channel.quiet : t.channel.entering}
      >
        {t.channel.liveHint}
      </EmptyState>
    );
  }

  function scrolled({ currentTarget: { scrollTop } }: UIEvent) {
    room.said.hold(scrollTop < -threshold);
  }
  function toEnd() {
    room.said.hold(false);
    scroller.current?.scrollTo({ top: 0 });
  }
  return (
    <>
      <div
        ref={scroller}
        className={styles['scroller']}
        role="log"
        aria-label={t.channel.messages}
        // A region that scrolls has to be reachable by keyboard.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        onScroll={scrolled}
      >
        <div>
          {(held ? blocks : blocks.slice(-blocksAtEnd)).map((block) => (
            <Block key={block.id} block={block} onPerson={onPerson} />
          ))}
        </div>
      </div>
      {held && (
        <div className={styles['toEnd']}>
          <Button icon={<ArrowDown size={16} aria-hidden />} onClick={toEnd}>
            {fresh > 0 ? t.channel.newLines(fresh) : t.channel.toEnd}
          </Button>
        </div>
      )}
    </>
  );
}

interface BlockProps {
  block: BlockOf;
  onPerson: (person: Somebody) => void;
}

const Block = memo(function Block({ block: { lines, before }, onPerson }: BlockProps) {
  return (
    <div className={styles['block']}>
      {lines.map((line, index) => (
        <OneLine key={line.key} line={line} follows={follows(lines[index - 1] ?? before, line)} onPerson={onPerson} />
      ))}
    </div>
  );
});

interface OneLineProps {
  line: Line;
  follows: boolean;
  onPerson: (person: Somebody) => void;
}

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
