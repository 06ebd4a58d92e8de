import { useTexts } from '../../ui/texts.tsx';
import styles from './LineChart.module.css';

interface LineChartProps {
  title: string;
  /** The oldest first, at even distances. */
  values: readonly number[];
  /** What holds now, if it is known before there is a line. */
  now?: number;
  write: (value: number) => string;
}

/** So many values fill the chart's width. */
const most = 60;
const width = 240;
const height = 48;

/** LineChart draws how a figure went lately. The line is for the eye; its last, least and most stand beside it as text. */
export function LineChart({ title, values, now, write }: LineChartProps) {
  const { t } = useTexts();
  const top = Math.max(1, ...values) * 1.1;
  const x = (index: number) => width - ((values.length - 1 - index) * width) / (most - 1);
  const y = (value: number) => height - (value / top) * (height - 2) - 1;
  const points = values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
  const last = values.at(-1) ?? now;
  return (
    <section className={styles['chart']} aria-label={title}>
      <h3>{title}</h3>
      <p className={styles['now']}>{last === undefined ? '–' : write(last)}</p>
      <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden>
        {values.length > 1 && (
          <polygon className={styles['under']} points={`${x(0).toFixed(1)},${height} ${points} ${width},${height}`} />
        )}
        {values.length > 1 && <polyline className={styles['line']} points={points} />}
      </svg>
      <p className={styles['range']}>
        {values.length > 1 ? t.admin.range(write(Math.min(...values)), write(Math.max(...values))) : t.admin.measuring}
      </p>
    </section>
  );
}
