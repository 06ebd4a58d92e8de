import { createContext, useCallback, useContext, useMemo, useState, type ReactNode } from 'react';

import styles from './Toast.module.css';

interface Note {
  key: number;
  text: string;
  bad: boolean;
}

type Tell = (text: string, bad?: boolean) => void;

const ToastContext = createContext<Tell>(() => {});

/** useToast tells something that has happened and needs no answer. */
export function useToast(): Tell {
  return useContext(ToastContext);
}

const shownMs = 5_000;
let lastKey = 0;

export function ToastPlace({ children }: { children: ReactNode }) {
  const [notes, setNotes] = useState<readonly Note[]>([]);
  const tell = useCallback<Tell>((text, bad = false) => {
    const note = { key: ++lastKey, text, bad };
    setNotes((all) => [...all.slice(-2), note]);
    setTimeout(() => setNotes((all) => all.filter((one) => one.key !== note.key)), bad ? 2 * shownMs : shownMs);
  }, []);
  const region = useMemo(
    () => (
      <div className={styles['place']} role="status" aria-live="polite">
        {notes.map((note) => (
          <div key={note.key} className={styles['toast']} data-bad={note.bad || undefined}>
            {note.text}
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
