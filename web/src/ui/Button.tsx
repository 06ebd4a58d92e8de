import type { ButtonHTMLAttributes, ReactNode, Ref } from 'react';

import styles from './Button.module.css';
import { classes } from './classes.ts';

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** primary: the one thing to do here. plain: everything else. quiet: among text. danger: cannot be undone. */
  look?: 'primary' | 'plain' | 'quiet' | 'danger';
  /** The act is under way: the button waits and says so. */
  busy?: boolean;
  icon?: ReactNode;
  ref?: Ref<HTMLButtonElement>;
}

export function Button({ look = 'plain', busy = false, icon, children, className, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      className={classes(styles['button'], styles[look], className)}
      aria-busy={busy || undefined}
      disabled={disabled === true || busy}
      {...rest}
    >
      {icon}
      {children}
    </button>
  );
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** What it does; readers hear it, and the pointer shows it. */
  label: string;
  ref?: Ref<HTMLButtonElement>;
}

/** IconButton shows an icon only. */
export function IconButton({ label, className, children, ...rest }: IconButtonProps) {
  return (
    <button type="button" className={classes(styles['icon'], className)} aria-label={label} title={label} {...rest}>
      {children}
    </button>
  );
}
