import { SendHorizontal } from 'lucide-react';
import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';

import { IconButton } from '../ui/Button.tsx';
import styles from './Composer.module.css';
import { useHome } from './context.tsx';

interface ComposerProps {
  /** Where the draft is kept, such as "g12". */
  place: string;
  label: string;
  sendLabel: string;
  /** Most bytes of UTF-8. */
  maxBytes: number;
  disabled?: boolean;
  /** What is said under the field: what went wrong, how long to wait. */
  note?: string | undefined;
  /** What stands above the field: what is answered. When it changes the field takes the focus. */
  above?: { key: number; shown: ReactNode; onCancel: () => void } | undefined;
  /** What is chosen for the message beside its text; it stands above the field. */
  options?: ReactNode;
  /** send takes the text; when it rejects or answers false the text stays. */
  onSend: (text: string) => Promise<boolean>;
  onTyping?: () => void;
}

const encoder = new TextEncoder();

/** Composer is where a message is written. What is typed outlives errors, other pages and reloads. */
export function Composer(props: ComposerProps) {
  const { place, label, sendLabel, maxBytes, disabled = false, note, above, options, onSend, onTyping } = props;
  const { drafts } = useHome();
  const [text, setText] = useState(() => drafts.read(place));
  const [busy, setBusy] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const bytes = text.length * 3 > maxBytes ? encoder.encode(text).length : 0;
  const tooLong = bytes > maxBytes;

  useLayoutEffect(() => {
    const element = area.current;
    if (!element) return;
    element.style.height = 'auto';
    element.style.height = `${Math.min(element.scrollHeight, 200)}px`;
  }, [text]);

  const aboveKey = above?.key;
  const aboveBefore = useRef(aboveKey);
  useEffect(() => {
    if (aboveKey !== undefined && aboveKey !== aboveBefore.current) area.current?.focus();
    aboveBefore.current = aboveKey;
  }, [aboveKey]);

  function change(next: string) {
    setText(next);
    drafts.write(place, next);
    if (next !== '') onTyping?.();
  }

  async function send() {
    if (text.trim() === '' || busy || disabled || tooLong) return;
    setBusy(true);
    try {
      if (await onSend(text)) change('');
    } finally {
      setBusy(false);
      area.current?.focus();
    }
  }

  function onKeyDown(event: KeyboardEvent) {
    // Enter and Escape that end the choice of a Chinese word do nothing else; some browsers tell it by 229 only.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return;
    if (event.key === 'Escape') above?.onCancel();
    if (event.key !== 'Enter' || event.shiftKey) return;
    event.preventDefault();
    void send();
  }

  return (
    <form
      className={styles['composer']}
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      {options}
      {above?.shown}
      <div className={styles['box']} data-disabled={disabled || undefined}>
        <textarea
          ref={area}
          rows={1}
          value={text}
          aria-label={label}
          aria-invalid={tooLong || undefined}
          placeholder={label}
          readOnly={disabled}
          onChange={(event) => change(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <IconButton label={sendLabel} type="submit" disabled={disabled || busy || tooLong || text.trim() === ''}>
          <SendHorizontal size={18} aria-hidden />
        </IconButton>
      </div>
      <p className={styles['note']} data-bad={tooLong || undefined} role="status">
        {tooLong ? `${bytes} / ${maxBytes}` : note}
      </p>
    </form>
  );
}
