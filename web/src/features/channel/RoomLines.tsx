import { ArrowDown } from 'lucide-react';
import { memo, useRef, type UIEvent } from 'react';

import type { Line, OpenRoom, RoomValue } from '../../state/room.ts';
import { Button } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { levelName } from '../levels.ts';
import { Talk } from '../Talk.tsx';
import type { Somebody } from './person.ts';
import styles from './RoomLines.module.css';

/** Lines of one person within this time stand under one name. */
const togetherMs = 5 * 60_000;
/** So many lines are rendered together, and left alone when others come. */
const blockLines = 16;
/** As long as the reader is at the end, so many blocks are enough to fill any screen. */
const blocksAtEnd = 5;
/** So close to the end, in px, counts as there. */
const threshold = 40;

interface RoomLinesProps {
  room: OpenRoom;
  value: RoomValue;
  onPerson: (person: Somebody) => void;
}

/**
 * RoomLines is what was said since this page came in. Hundreds of lines a second may come, so nothing is measured: the
 * browser counts the scrolling from the end (column-reverse), and blocks of lines come and go whole.
 */
export function RoomLines({ room, value, onPerson }: RoomLinesProps) {
  const { t } = useTexts();
  const { lines, held, fresh } = value;
  const scroller = useRef<HTMLDivElement>(null);
  const blocks = blocksOf(lines);

  function scrolled({ currentTarget: { scrollTop } }: UIEvent) {
    room.hold(scrollTop < -threshold);
  }
  function toEnd() {
    room.hold(false);
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
            <Block key={block.id} lines={block.lines} before={block.before} onPerson={onPerson} />
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

interface BlockOf {
  id: number;
  lines: Line[];
  /** The line before the first one. */
  before: Line | undefined;
}

function blocksOf(lines: readonly Line[]): BlockOf[] {
  const blocks: BlockOf[] = [];
  for (const [index, line] of lines.entries()) {
    const id = Math.floor(line.key / blockLines);
    const last = blocks.at(-1);
    if (last?.id === id) last.lines.push(line);
    else blocks.push({ id, lines: [line], before: lines[index - 1] });
  }
  return blocks;
}

interface BlockProps {
  lines: readonly Line[];
  before: Line | undefined;
  onPerson: (person: Somebody) => void;
}

const Block = memo(function Block({ lines, before, onPerson }: BlockProps) {
  return (
    <div className={styles['block']}>
      {lines.map((line, index) => (
        <OneLine key={line.key} line={line} follows={follows(lines[index - 1] ?? before, line)} onPerson={onPerson} />
      ))}
    </div>
  );
}, sameBlock);

// Lines never change in place; the first ones of a block may be dropped, and others be added at its end.
function sameBlock(a: BlockProps, b: BlockProps): boolean {
  return (
    a.lines.length === b.lines.length &&
    a.lines[0] === b.lines[0] &&
    a.lines.at(-1) === b.lines.at(-1) &&
    a.onPerson === b.onPerson
  );
}

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
