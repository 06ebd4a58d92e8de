import { useState } from 'react';

import type { AuditEntry } from '../../api/gen/muster/v1/admin_pb.ts';
import { Pages } from '../../state/pages.ts';
import { Button } from '../../ui/Button.tsx';
import { classes } from '../../ui/classes.ts';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { PagedList } from '../channel/PagedList.tsx';
import { useHome } from '../context.tsx';
import styles from './AdminPlace.module.css';

/** AuditPage lists the administrative acts, the newest first; choosing one's object shows only what was done to that. */
export function AuditPage() {
  const { t, f } = useTexts();
  const { clients } = useHome();
  const nameOf = useNames();
  const [narrow] = useState(() => matchMedia('(max-width: 719px)').matches);
  const [object, setObject] = useState('');
  const reader = (of: string) => async (pageToken: string) => {
    const page = await clients.admin.listAudit({ object: of, pageSize: 100, pageToken });
    return { rows: page.entries, next: page.nextPageToken };
  };
  const [pages] = useState(() => new Pages<AuditEntry>(reader('')));
  const actions: Partial<Record<string, string>> = t.admin.actions;
  function only(next: string) {
    setObject(next);
    pages.again(reader(next));
  }
  return (
    <>
      <div className={styles['bar']}>
        <p role="status">{object === '' ? t.admin.auditHint : t.admin.auditOnly(nameOf(object))}</p>
        {object !== '' && <Button onClick={() => only('')}>{t.admin.auditAll}</Button>}
      </div>
      <PagedList
        pages={pages}
        rowHeight={narrow ? 84 : 60}
        label={t.admin.audit}
        empty={t.admin.auditNone}
        keyOf={(entry) => String(entry.id)}
        render={(entry) => (
          <div className={classes(styles['row'], styles['entry'])}>
            <time className={styles['when']} dateTime={new Date(Number(entry.timeMs)).toISOString()}>
              {f.dateTime(Number(entry.timeMs))}
            </time>
            <span className={styles['who']}>
              <strong title={entry.action}>{actions[entry.action] ?? entry.action}</strong>
              <small title={entry.detail}>
                {entry.actorName || String(entry.actorId)}
                {entry.detail && ` · ${entry.detail}`}
              </small>
            </span>
            {entry.object.includes(':') && object === '' && (
              <Button
                look="quiet"
                className={styles['object']}
                title={entry.object}
                aria-label={t.admin.auditOnly(nameOf(entry.object))}
                onClick={() => only(entry.object)}
              >
                <span>{nameOf(entry.object)}</span>
              </Button>
            )}
          </div>
        )}
      />
    </>
  );
}

/** useNames puts a name to an object of the log, such as "group:123": its own where it is known, else its kind and id. */
function useNames(): (object: string) => string {
  const { t } = useTexts();
  const home = useHome();
  const groups = useStore(home.groups.value).byId;
  const channels = useStore(home.channels.value).byId;
  const kinds: Partial<Record<string, (id: string) => string>> = t.admin.kinds;
  return (object) => {
    const [kind = '', id = ''] = object.split(':');
    const known = /^\d+$/.test(id) ? (kind === 'group' ? groups : channels).get(BigInt(id)) : undefined;
    if (known && (kind === 'group' || kind === 'channel')) return known.name;
    return kinds[kind]?.(id) ?? object;
  };
}
