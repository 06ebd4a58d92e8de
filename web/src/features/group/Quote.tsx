import { CornerUpRight, X } from 'lucide-react';
import { useEffect } from 'react';

import type { Entry } from '../../state/log.ts';
import type { Quotes } from '../../state/quotes.ts';
import { IconButton } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import styles from './Quote.module.css';

interface QuoteProps {
  quotes: Quotes;
  /** The message that is answered. */
  seq: number;
  onJump: () => void;
}

function useQuoted(quotes: Quotes, seq: number): Entry | undefined {
  useStore(quotes.value);
  useEffect(() => void quotes.ask(seq), [quotes, seq]);
  return quotes.of(seq);
}

/** Quote is the line above an answer: what it answers, and the way there. */
export function Quote({ quotes, seq, onJump }: QuoteProps) {
  const { t } = useTexts();
  const entry = useQuoted(quotes, seq);
  const label = entry ? t.group.quoted(entry.nickname) : t.group.quotedUnknown;
  return (
    <button type="button" className={styles['quote']} aria-label={label} title={label} onClick={onJump}>
      <CornerUpRight size={14} aria-hidden />
      <Words entry={entry} />
    </button>
  );
}

/** Answering stands above the composer while somebody answers a message. */
export function Answering({ quotes, seq, onJump, onCancel }: QuoteProps & { onCancel: () => void }) {
  const { t } = useTexts();
  const entry = useQuoted(quotes, seq);
  const name = entry?.nickname ?? '';
  return (
    <div className={styles['answering']} role="group" aria-label={t.group.replying(name)}>
      <Quote quotes={quotes} seq={seq} onJump={onJump} />
      <IconButton label={t.group.cancelReply} onClick={onCancel}>
        <X size={16} aria-hidden />
      </IconButton>
    </div>
  );
}

function Words({ entry }: { entry: Entry | undefined }) {
  const { t } = useTexts();
  if (!entry) return <span>{t.group.quotedUnknown}</span>;
  const text = entry.kind === 'tombstone' ? t.group.tombstone : entry.text.slice(0, 200);
  return (
    <>
      <strong>{entry.nickname}</strong> <span dir="auto">{text}</span>
    </>
  );
}
