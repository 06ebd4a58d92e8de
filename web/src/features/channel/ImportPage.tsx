import { FileUp } from 'lucide-react';
import { useEffect, useId, useState, type DragEvent } from 'react';

import { ServerRole } from '../../api/gen/muster/v1/account_pb.ts';
import { explain } from '../../i18n/explain.ts';
import type { Home } from '../../state/app.ts';
import { RosterImport, type ImportValue } from '../../state/rosterImport.ts';
import { Banner } from '../../ui/Banner.tsx';
import { Button } from '../../ui/Button.tsx';
import { Progress } from '../../ui/Progress.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome, useMe } from '../context.tsx';
import { Page } from '../shell/Place.tsx';
import { BadLines } from './BadLines.tsx';
import styles from './ImportPage.module.css';

const kilobyte = 1_000;

/** importOf is the import of a channel that is under way, or the place to begin one. */
function importOf(home: Home, channelId: bigint): RosterImport {
  const known = home.imports.get(channelId);
  if (known) return known;
  const made = new RosterImport(channelId, (messages) => home.sendRoster(messages));
  home.imports.set(channelId, made);
  return made;
}

/** ImportPage puts people on the roster from a file, and says what became of every line. */
export default function ImportPage({ channelId }: { channelId: bigint }) {
  const { t, f } = useTexts();
  const home = useHome();
  const job = importOf(home, channelId);
  const value = useStore(job.value);
  const running = value.phase === 'running' || value.phase === 'waiting';
  useEffect(() => {
    if (value.phase === 'done') home.channels.refresh(channelId).catch(() => {}); // read again soon anyway
  }, [home, channelId, value.phase]);
  useEffect(() => {
    if (!running) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [running]);
  if (value.phase === 'idle') return <Choose job={job} />;
  return (
    <Page>
      {value.phase === 'failed' && (
        <Banner look="bad">
          {value.problem ? t.channel.imports.files[value.problem] : value.failure && explain(t, f, value.failure)}
        </Banner>
      )}
      {value.phase === 'waiting' && <Banner look="warn">{t.channel.imports.waiting}</Banner>}
      {value.phase === 'done' && <Banner>{t.channel.imports.done(value.fileName)}</Banner>}
      {value.phase === 'stopped' && <Banner look="warn">{t.channel.imports.stopped}</Banner>}
      {value.phase !== 'done' && (
        <Progress
          label={t.channel.imports.progress(value.fileName)}
          done={Math.ceil(value.sent / kilobyte)}
          total={Math.ceil(value.size / kilobyte)}
        />
      )}
      <Counts value={value} />
      {running && <p className={styles['hint']}>{t.channel.imports.leave}</p>}
      <div className={styles['buttons']}>
        {running ? (
          <Button onClick={() => job.stop()}>{t.channel.imports.stop}</Button>
        ) : (
          <Button look="primary" onClick={() => job.clear()}>
            {t.channel.imports.another}
          </Button>
        )}
      </div>
      {value.bad > 0 && <BadLines value={value} />}
    </Page>
  );
}

function Counts({ value }: { value: ImportValue }) {
  const { t, f } = useTexts();
  const counts = [
    { label: t.channel.imports.added, count: value.added },
    { label: t.channel.imports.changed, count: value.changed },
    { label: t.channel.imports.unchanged, count: value.unchanged },
    ...(value.accountsCreated > 0 ? [{ label: t.channel.imports.created, count: value.accountsCreated }] : []),
    { label: t.channel.imports.bad, count: value.bad, bad: value.bad > 0 },
  ];
  return (
    <dl className={styles['counts']}>
      {counts.map(({ label, count, bad }) => (
        <div key={label} data-bad={bad || undefined}>
          <dt>{label}</dt>
          <dd>{f.number(count)}</dd>
        </div>
      ))}
    </dl>
  );
}

const example = 'account,nickname,level\nanna,Anna,admin\nben,,member\n';

function Choose({ job }: { job: RosterImport }) {
  const { t } = useTexts();
  const me = useMe();
  const id = useId();
  const [over, setOver] = useState(false);
  const [create, setCreate] = useState(false);

  function begin(file: File | undefined) {
    if (file) void job.start(file, create);
  }
  function drop(event: DragEvent) {
    event.preventDefault();
    setOver(false);
    begin(event.dataTransfer.files[0]);
  }
  return (
    <Page>
      <p>{t.channel.imports.lead}</p>
      {me.serverRole >= ServerRole.ADMIN && (
        <div className={styles['check']}>
          <input
            id={`${id}-create`}
            type="checkbox"
            checked={create}
            aria-describedby={`${id}-help`}
            onChange={(e) => setCreate(e.target.checked)}
          />
          <label htmlFor={`${id}-create`}>{t.channel.imports.create}</label>
          <small id={`${id}-help`}>{t.channel.imports.createHelp}</small>
        </div>
      )}
      <div
        className={styles['drop']}
        data-over={over || undefined}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <FileUp size={32} aria-hidden />
        <input
          id={id}
          type="file"
          accept=".csv,.tsv,.txt,.jsonl,.ndjson,.json,text/csv,application/x-ndjson"
          onChange={(event) => begin(event.target.files?.[0])}
        />
        <label htmlFor={id}>{t.channel.imports.choose}</label>
        <span>{t.channel.imports.drop}</span>
      </div>
      <p className={styles['hint']}>{t.channel.imports.safe}</p>
      <section className={styles['report']}>
        <h2>{t.channel.imports.example}</h2>
        <pre className={styles['example']}>{example}</pre>
      </section>
    </Page>
  );
}
