import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';

import { Button } from './Button.tsx';
import styles from './Toast.module.css';

interface Note {
  key: number;
  text: string;
  bad: boolean;
  action: ToastAction | undefined;
}

interface ToastAction {
  label: string;
  onSelect: () => void;
}

type Tell = (text: string, bad?: boolean, action?: ToastAction) => void;

const ToastContext = createContext<Tell>(() => {});

/** useToast tells something that has happened and needs no answer; action leads to where it happened. */
export function useToast(): Tell {
  return useContext(ToastContext);
}

const shownMs = 5_000;
let lastKey = 0;

export function ToastPlace({ children }: { children: ReactNode }) {
  const [notes, setNotes] = useState<readonly Note[]>([]);
  const place = useRef<HTMLDivElement>(null);
  const tell = useCallback<Tell>((text, bad = false, action) => {
    const note = { key: ++lastKey, text, bad, action };
    setNotes((all) => [...all.slice(-2), note]);
    const ms = bad || action ? 2 * shownMs : shownMs;
    setTimeout(() => setNotes((all) => all.filter((one) => one.key !== note.key)), ms);
  }, []);
  const newest = notes.at(-1)?.key;
  useEffect(() => {
    // The top layer has an order: what is shown last lies above a dialog that was opened before.
    if (newest === undefined) return;
    place.current?.hidePopover();
    place.current?.showPopover();
  }, [newest]);
  const region = useMemo(
    () => (
      <div ref={place} className={styles['place']} role="status" aria-live="polite" popover="manual">
        {notes.map((note) => (
          <div key={note.key} className={styles['toast']} data-bad={note.bad || undefined}>
            {note.text}
            {note.action && (
              <Button
                look="quiet"
                onClick={() => {
                  note.action?.onSelect();
                  setNotes((all) => all.filter((one) => one.key !== note.key));
                }}
              >
                {note.action.label}
              </Button>
            )}
          </div>
        ))}
      </div>
    ),
    [notes],
  );
  return (
    <ToastContext value={tell}>
      {children}
      {region}
    </ToastContext>
  );
}
