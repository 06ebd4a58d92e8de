import { useId, useRef, type KeyboardEvent, type ReactNode } from 'react';

import { IconButton } from './Button.tsx';
import styles from './Menu.module.css';

export interface MenuItem {
  label: string;
  icon?: ReactNode;
  danger?: boolean;
  disabled?: boolean;
  onSelect: () => void;
}

interface MenuProps {
  label: string;
  /** The button's icon. */
  children: ReactNode;
  items: readonly MenuItem[];
}

const room = 8;

/** Menu is a button that opens a list of acts, in the browser's top layer; Escape and a click beside it close it. */
export function Menu({ label, children, items }: MenuProps) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const menu = useRef<HTMLDivElement>(null);

  function place() {
    const list = menu.current;
    const at = button.current?.getBoundingClientRect();
    if (!list || !at) return;
    list.showPopover();
    const { width, height } = list.getBoundingClientRect();
    const below = at.bottom + 4 + height < innerHeight - room;
    list.style.top = `${below ? at.bottom + 4 : Math.max(room, at.top - 4 - height)}px`;
    list.style.left = `${Math.max(room, Math.min(at.right - width, innerWidth - width - room))}px`;
    focusAt(0);
  }

  function focusAt(index: number) {
    const all = [...(menu.current?.querySelectorAll<HTMLButtonElement>('button:enabled') ?? [])];
    all.at(index % all.length)?.focus();
  }

  function onKeyDown(event: KeyboardEvent) {
    const all = [...(menu.current?.querySelectorAll<HTMLButtonElement>('button:enabled') ?? [])];
    const now = all.indexOf(document.activeElement as HTMLButtonElement);
    const moves: Record<string, number> = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: -1 };
    const to = moves[event.key];
    if (to !== undefined) {
      event.preventDefault();
      focusAt(to);
    } else if (event.key === 'Tab') menu.current?.hidePopover();
  }

  return (
    <>
      <IconButton ref={button} label={label} aria-haspopup="menu" aria-controls={id} onClick={place}>
        {children}
      </IconButton>
      <div
        ref={menu}
        id={id}
        role="menu"
        tabIndex={-1}
        aria-label={label}
        popover="auto"
        className={styles['menu']}
        onKeyDown={onKeyDown}
      >
        {items.map((item) => (
          <button
            key={item.label}
            type="button"
            role="menuitem"
            className={styles['item']}
            data-danger={item.danger || undefined}
            disabled={item.disabled}
            onClick={() => {
              menu.current?.hidePopover();
              button.current?.focus();
              item.onSelect();
            }}
          >
            {item.icon}
            {item.label}
          </button>
        ))}
      </div>
    </>
  );
}
