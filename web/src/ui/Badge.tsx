import styles from './Badge.module.css';

interface BadgeProps {
  /** What is seen, short. */
  children: string;
  /** What is heard. */
  label: string;
  /** loud: asks to be looked at. soft: tells. */
  look?: 'loud' | 'soft';
}

export function Badge({ children, label, look = 'loud' }: BadgeProps) {
  return (
    <span className={styles['badge']} data-look={look}>
      <span aria-hidden>{children}</span>
      <span className="visually-hidden">{label}</span>
    </span>
  );
}
