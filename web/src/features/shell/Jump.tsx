import { useEffect, useId, useRef, useState, type KeyboardEvent } from 'react';

import { Dialog } from '../../ui/Dialog.tsx';
import { useTexts } from '../../ui/texts.tsx';
import styles from './Jump.module.css';
import { useTargets, type Target } from './targets.ts';

/** Jump goes to any place, and does what can be done from everywhere, by a few letters of its name. */
export default function Jump({ onClose }: { onClose: () => void }) {
  const { t } = useTexts();
  const [wanted, setWanted] = useState('');
  const [at, setAt] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const found = useTargets(wanted);
  const chosen = Math.min(at, found.length - 1);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [chosen]);

  function go(target: Target | undefined) {
    if (!target) return;
    onClose();
    target.run();
  }
  function onKeyDown(event: KeyboardEvent) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && found.length > 0) {
      event.preventDefault();
      setAt((chosen + step + found.length) % found.length);
    } else if (event.key === 'Enter' && !event.nativeEvent.isComposing) go(found[chosen]);
  }

  return (
    <Dialog title={t.shell.jump} onClose={onClose} top>
      <input
        className={styles['input']}
        role="combobox"
        aria-expanded
        aria-controls={id}
        aria-autocomplete="list"
        aria-activedescendant={found.length > 0 ? `${id}-${chosen}` : undefined}
        aria-label={t.shell.jumpHint}
        placeholder={t.shell.jumpHint}
        autoComplete="off"
        spellCheck={false}
        autoFocus
        value={wanted}
        onChange={(event) => {
          setWanted(event.target.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div ref={list} id={id} role="listbox" aria-label={t.shell.jump} className={styles['list']}>
        {found.map((target, index) => (
          // The keyboard stays in the input, as a combobox has it.
          // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
          <div
            key={target.key}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            className={styles['option']}
            onClick={() => go(target)}
          >
            <span>{target.name}</span>
            <small>{target.kind}</small>
          </div>
        ))}
      </div>
      {found.length === 0 && (
        <p role="status" className={styles['none']}>
          {t.shell.nothingFound}
        </p>
      )}
    </Dialog>
  );
}
