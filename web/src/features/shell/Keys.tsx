import { Dialog } from '../../ui/Dialog.tsx';
import { useTexts } from '../../ui/texts.tsx';
import styles from './Keys.module.css';

/** Keys lists what can be done by keyboard. */
export default function Keys({ onClose }: { onClose: () => void }) {
  const { t } = useTexts();
  const keys: [string[], string][] = [
    [['Ctrl', 'K'], t.shell.keys.jump],
    [['?'], t.shell.keys.help],
    [['Tab'], t.shell.keys.tab],
    [['↑', '↓', '←', '→'], t.shell.keys.tree],
    [['Enter'], t.shell.keys.send],
    [['Shift', 'Enter'], t.shell.keys.newLine],
    [['Esc'], t.shell.keys.close],
  ];
  return (
    <Dialog title={t.shell.keys.title} onClose={onClose}>
      <dl className={styles['keys']}>
        {keys.map(([names, what]) => (
          <div key={what}>
            <dt>
              {names.map((name) => (
                <kbd key={name}>{name}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
