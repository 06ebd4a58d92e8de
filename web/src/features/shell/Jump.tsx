import { useId, useState, type KeyboardEvent } from 'react';

import { Dialog } from '../../ui/Dialog.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome, useRoot } from '../context.tsx';
import styles from './Jump.module.css';

interface Target {
  href: string;
  name: string;
  kind: string;
}

const most = 12;

/** Jump goes to any place by a few letters of its name. */
export function Jump({ onClose }: { onClose: () => void }) {
  const { t } = useTexts();
  const { router } = useRoot();
  const [wanted, setWanted] = useState('');
  const [at, setAt] = useState(0);
  const id = useId();
  const found = useTargets(wanted);
  const chosen = Math.min(at, found.length - 1);

  function go(target: Target | undefined) {
    if (!target) return;
    onClose();
    router.go(target.href);
  }
  function onKeyDown(event: KeyboardEvent) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && found.length > 0) {
      event.preventDefault();
      setAt((chosen + step + found.length) % found.length);
    } else if (event.key === 'Enter') go(found[chosen]);
  }

  return (
    <Dialog title={t.shell.jump} onClose={onClose}>
      <input
        className={styles['input']}
        role="combobox"
        aria-expanded
        aria-controls={id}
        aria-activedescendant={found.length > 0 ? `${id}-${chosen}` : undefined}
        aria-label={t.shell.jumpHint}
        placeholder={t.shell.jumpHint}
        autoFocus
        value={wanted}
        onChange={(event) => {
          setWanted(event.target.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div id={id} role="listbox" aria-label={t.shell.jump} className={styles['list']}>
        {found.map((target, index) => (
          // The keyboard stays in the input, as a combobox has it.
          // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
          <div
            key={target.href}
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
      {found.length === 0 && <p className={styles['none']}>{t.shell.nothingFound}</p>}
    </Dialog>
  );
}

/** useTargets finds places whose name has the wanted letters: those that begin with them first. */
function useTargets(wanted: string): Target[] {
  const { t } = useTexts();
  const { channels, groups } = useHome();
  const tree = useStore(channels.value);
  const mine = useStore(groups.value);
  const all: Target[] = [
    ...[...mine.byId.values()].map((group) => ({ href: `/g/${group.id}`, name: group.name, kind: t.shell.groups })),
    ...[...tree.byId.values()].map((channel) => ({
      href: `/c/${channel.id}`,
      name: channel.name,
      kind: t.shell.channels,
    })),
    { href: '/invitations', name: t.shell.invitations, kind: '' },
    { href: '/settings', name: t.shell.settings, kind: '' },
  ];
  const letters = wanted.trim().toLocaleLowerCase();
  const rank = (target: Target) => target.name.toLocaleLowerCase().indexOf(letters);
  return all
    .filter((target) => rank(target) >= 0)
    .sort((a, b) => Math.min(rank(a), 1) - Math.min(rank(b), 1))
    .slice(0, most);
}
