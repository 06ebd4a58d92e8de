import { Copy, Download } from 'lucide-react';

import type { BadLine, ImportValue } from '../../state/rosterImport.ts';
import { Button } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useToast } from '../../ui/Toast.tsx';
import styles from './ImportPage.module.css';

/** BadLines is the report of an import: which lines were not taken, and why. It can be copied and downloaded. */
export function BadLines({ value }: { value: ImportValue }) {
  const { t, f } = useTexts();
  const tell = useToast();
  const { imports } = t.channel;
  const problemOf = (bad: BadLine) => (bad.problem ? imports.lines[bad.problem] : (bad.said ?? ''));
  const header = [imports.line, imports.problem, imports.content];
  const rows = () => value.badLines.map((bad) => [String(bad.line), problemOf(bad), bad.text ?? '']);

  async function copy() {
    const text = [header, ...rows()].map((row) => row.join('\t')).join('\n');
    try {
      await navigator.clipboard.writeText(text);
      tell(imports.copied);
    } catch {
      tell(imports.notCopied, true); // browsers let only encrypted pages copy
    }
  }
  function download() {
    const text = [header, ...rows()].map((row) => row.map(quoted).join(',')).join('\r\n');
    // Spreadsheets take a file without the mark for one in the system's own encoding.
    const url = URL.createObjectURL(new Blob([`\uFEFF${text}\r\n`], { type: 'text/csv' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = `${value.fileName.replace(/\.\w+$/, '')}-bad-lines.csv`;
    link.click();
    URL.revokeObjectURL(url);
  }
  return (
    <section className={styles['report']} aria-labelledby="bad-lines">
      <h2 id="bad-lines">
        {imports.bad} ({f.number(value.bad)})
      </h2>
      <p className={styles['hint']}>{imports.fix}</p>
      <div className={styles['buttons']}>
        <Button icon={<Copy size={16} aria-hidden />} onClick={() => void copy()}>
          {imports.copy}
        </Button>
        <Button icon={<Download size={16} aria-hidden />} onClick={download}>
          {imports.download}
        </Button>
      </div>
      {value.bad > value.badLines.length && <p>{imports.badFirst(f.number(value.badLines.length))}</p>}
      {/* A region that scrolls has to be reachable by keyboard. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className={styles['table']} role="group" aria-labelledby="bad-lines" tabIndex={0}>
        <table>
          <thead>
            <tr>
              {header.map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {value.badLines.map((bad, index) => (
              <tr key={index}>
                <td>{f.number(bad.line)}</td>
                <td>{problemOf(bad)}</td>
                <td>{bad.text}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** quoted is a cell of CSV; what a spreadsheet would take for a formula gets an apostrophe. */
function quoted(cell: string): string {
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return `"${safe.replaceAll('"', '""')}"`;
}
