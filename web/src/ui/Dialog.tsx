import { X } from 'lucide-react';
import { useEffect, useId, useRef, type ReactNode } from 'react';

import { IconButton } from './Button.tsx';
import styles from './Dialog.module.css';
import { useTexts } from './texts.tsx';

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
  /** What closes the dialog, at its foot. */
  actions?: ReactNode;
  wide?: boolean;
  /** Near the top, for what grows and shrinks as somebody types. */
  top?: boolean;
}

/**
 * Dialog is there as long as it is rendered. The browser's own modal dialog keeps the focus inside, makes the rest
 * inert, answers Escape and gives the focus back.
 */
export function Dialog({ title, onClose, children, actions, wide = false, top = false }: DialogProps) {
  const { t } = useTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    // The browser would choose the button that closes.
    element?.querySelector<HTMLElement>('input, textarea, select')?.focus();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className={styles['dialog']}
      data-wide={wide || undefined}
      data-top={top || undefined}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClose={() => {
        // The browser closes by itself what was asked twice to close; whoever renders the dialog has to know.
        if (!dialog.current?.open) onClose();
      }}
    >
      <header className={styles['head']}>
        <h2 id={id}>{title}</h2>
        <IconButton label={t.ui.close} onClick={onClose}>
          <X size={18} aria-hidden />
        </IconButton>
      </header>
      <div className={styles['body']}>{children}</div>
      {actions && <footer className={styles['actions']}>{actions}</footer>}
    </dialog>
  );
}
