import { Check, Hash, Upload, UserPlus, Users } from 'lucide-react';
import type { ReactNode } from 'react';

import { Level } from '../../api/gen/muster/v1/channel_pb.ts';
import { Role } from '../../api/gen/muster/v1/group_pb.ts';
import { unreadOf } from '../../state/groups.ts';
import { Button } from '../../ui/Button.tsx';
import { useTexts } from '../../ui/texts.tsx';
import { useStore } from '../../ui/useStore.ts';
import { useHome, useRoot } from '../context.tsx';
import { InvitationCard } from '../enrolment/InvitationCard.tsx';
import { Link } from '../Link.tsx';
import styles from './HomePlace.module.css';
import { useOverlay } from './overlays.ts';
import { Page, Place } from './Place.tsx';

const mostCards = 3;
const mostRows = 5;

/** HomePlace is the start: who asks something, what is new, and what a newcomer does first. */
export default function HomePlace() {
  const { t } = useTexts();
  const home = useHome();
  const { loaded, open } = useStore(home.invitations.value);
  return (
    <Place title={t.shell.welcome}>
      <Page>
        <p className={styles['soft']}>
          {t.shell.welcomeHint} {t.shell.steps.keys}
        </p>
        {loaded && open.length > 0 && (
          <section className={styles['part']} aria-labelledby="home-invitations">
            <h2 id="home-invitations">{t.shell.openInvitations(open.length)}</h2>
            {open.slice(0, mostCards).map((invitation) => (
              <InvitationCard key={String(invitation.id)} invitation={invitation} heading="h3" />
            ))}
            {open.length > mostCards && <Link href="/invitations">{t.shell.allInvitations}</Link>}
          </section>
        )}
        <News />
        <FirstSteps />
      </Page>
    </Place>
  );
}

/** News are the groups with something unread, and the rooms where people are. */
function News() {
  const { t, f } = useTexts();
  const home = useHome();
  const groups = [...useStore(home.groups.value).byId.values()]
    .filter((group) => unreadOf(group) > 0)
    .sort((a, b) => unreadOf(b) - unreadOf(a))
    .slice(0, mostRows);
  const rooms = [...useStore(home.channels.value).byId.values()]
    .filter((channel) => channel.presentCount > 0)
    .sort((a, b) => b.presentCount - a.presentCount)
    .slice(0, mostRows);
  if (groups.length + rooms.length === 0) return null;
  return (
    <section className={styles['part']} aria-labelledby="home-news">
      <h2 id="home-news">{t.shell.news}</h2>
      <ul className={styles['rows']}>
        {groups.map((group) => (
          <li key={`g${group.id}`}>
            <Link href={`/g/${group.id}`}>
              <Users size={18} aria-hidden /> <strong>{group.name}</strong>
              <span>{t.shell.unread(unreadOf(group))}</span>
            </Link>
          </li>
        ))}
        {rooms.map((channel) => (
          <li key={`c${channel.id}`}>
            <Link href={`/c/${channel.id}`}>
              <Hash size={18} aria-hidden /> <strong>{channel.name}</strong>
              <span title={f.number(channel.presentCount)}>{t.shell.peopleInside(channel.presentCount)}</span>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** FirstSteps lead from an empty server to a group full of people; they are gone when all are done. */
function FirstSteps() {
  const { t } = useTexts();
  const home = useHome();
  const { router } = useRoot();
  const open = useOverlay();
  const tree = useStore(home.channels.value);
  const mine = useStore(home.groups.value);
  if (!tree.loaded || !mine.loaded) return null;
  const channels = [...tree.byId.values()].filter((channel) => channel.yourLevel >= Level.ADMIN);
  const groups = [...mine.byId.values()].filter((group) => group.role !== Role.MEMBER);
  const channel = channels.find((one) => one.rosterCount > 1) ?? channels[0];
  const group = groups[0];
  const full = groups.some((one) => one.memberCount > 1);
  const rostered = channels.some((one) => one.rosterCount > 1);
  // Who only takes part has nothing to set up.
  if (full || (channels.length + groups.length === 0 && tree.byId.size + mine.byId.size > 0)) return null;
  const text = t.shell.steps;
  return (
    <section className={styles['part']} aria-labelledby="home-steps">
      <h2 id="home-steps">{text.title}</h2>
      <ol className={styles['steps']}>
        <Step icon={<Hash size={20} aria-hidden />} done={channels.length > 0} {...text.channel}>
          <Button look={channels.length > 0 ? 'plain' : 'primary'} onClick={() => open('channel')}>
            {t.shell.newChannel}
          </Button>
        </Step>
        <Step icon={<Upload size={20} aria-hidden />} done={rostered} {...text.roster}>
          {channel && <Button onClick={() => router.go(`/c/${channel.id}/import`)}>{text.rosterAct}</Button>}
        </Step>
        <Step icon={<Users size={20} aria-hidden />} done={groups.length > 0} {...text.group}>
          <Button onClick={() => open('group')}>{t.shell.newGroup}</Button>
        </Step>
        <Step icon={<UserPlus size={20} aria-hidden />} done={false} {...text.enrol}>
          {group && <Button onClick={() => router.go(`/g/${group.id}/enrol`)}>{t.enrolment.enrol}</Button>}
        </Step>
      </ol>
    </section>
  );
}

interface StepProps {
  icon: ReactNode;
  name: string;
  why: string;
  done: boolean;
  children: ReactNode;
}

function Step({ icon, name, why, done, children }: StepProps) {
  const { t } = useTexts();
  return (
    <li className={styles['step']} data-done={done || undefined}>
      <span className={styles['mark']}>{done ? <Check size={20} aria-hidden /> : icon}</span>
      <div>
        <h3>
          {name}
          {done && <span className="visually-hidden"> {t.shell.steps.done}</span>}
        </h3>
        <p>{why}</p>
      </div>
      {!done && children}
    </li>
  );
}
