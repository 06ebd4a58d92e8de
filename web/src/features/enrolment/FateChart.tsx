import { type Counts, fates } from '../../state/enrolments.ts';
import { useTexts } from '../../ui/texts.tsx';
import styles from './Enrolment.module.css';

/** FateChart shows what became of people: one bar, and the same in a table. */
export function FateChart({ counts, handled }: { counts: Counts; handled: number }) {
  const { t, f } = useTexts();
  const shown = fates.filter((fate) => counts[fate] > 0);
  const all = Math.max(1, handled);
  const share = (fate: keyof Counts) => counts[fate] / all;
  const before = (end: number) => shown.slice(0, end).reduce((n, fate) => n + share(fate), 0);
  return (
    <div className={styles['chart']}>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden className={styles['bar']}>
        {shown.map((fate, i) => (
          <rect key={fate} x={before(i) * 100} width={share(fate) * 100} height={6} data-fate={fate} />
        ))}
      </svg>
      <table className={styles['fates']}>
        <caption className="visually-hidden">{t.enrolment.whatBecame}</caption>
        <tbody>
          {(shown.length > 0 ? shown : (['added'] as const)).map((fate) => (
            <tr key={fate}>
              <th scope="row">
                <span className={styles['key']} data-fate={fate} aria-hidden /> {t.enrolment.fates[fate]}
              </th>
              <td>{f.number(counts[fate])}</td>
              <td>{f.percent(share(fate))}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">{t.enrolment.handled}</th>
            <td colSpan={2}>{f.number(handled)}</td>
          </tr>
        </tfoot>
      </table>
    </div>
  );
}
