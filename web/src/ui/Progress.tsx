import styles from './Progress.module.css';
import { useTexts } from './texts.tsx';

interface ProgressProps {
  label: string;
  done: number;
  total: number;
}

/** Progress shows how far something is, as a bar and in words. */
export function Progress({ label, done, total }: ProgressProps) {
  const { t, f } = useTexts();
  const share = total > 0 ? Math.min(1, done / total) : 0;
  const text = t.ui.progress(f.number(done), f.number(total));
  return (
    <div className={styles['progress']}>
      <div className={styles['words']}>
        <span>{label}</span>
        <span>
          {text} · {f.percent(share)}
        </span>
      </div>
      <div
        role="progressbar"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={total}
        aria-valuenow={done}
        aria-valuetext={text}
        className={styles['bar']}
      >
        <div style={{ transform: `scaleX(${share})` }} />
      </div>
    </div>
  );
}
