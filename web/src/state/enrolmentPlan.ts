import type { Clients } from '../api/clients.ts';
import { Failure, failureOf } from '../api/errors.ts';
import { Level } from '../api/gen/muster/v1/channel_pb.ts';
import { type Enrolment, EnrolPolicy } from '../api/gen/muster/v1/enrolment_pb.ts';
import type { Drafts } from './drafts.ts';
import { countsOf, type Counts } from './enrolments.ts';
import type { Scope } from './scope.ts';
import { Store, type Readable } from './store.ts';
import { uuidv7 } from './uuid.ts';

export { EnrolPolicy };

/** The levels that a roster has. */
const levels = [Level.OWNER, Level.ADMIN, Level.MODERATOR, Level.MEMBER, Level.VIP, Level.GUEST] as const;

type Policies = Readonly<Record<number, EnrolPolicy>>;

/** Plan is what an administrator has chosen so far. */
export interface Plan {
  /** 0n: none yet. */
  channelId: bigint;
  /** By level. */
  policies: Policies;
  text: string;
  /** How long an invitation stays open; 0: as the server has it. */
  expiryDays: number;
}

/** PreviewLine is what would become of the people of one level. */
export interface PreviewLine {
  level: Level;
  people: number;
  would: Counts;
}

export interface Preview {
  lines: readonly PreviewLine[];
  total: number;
  /** How many enrolments the group and the account may still start in the window. */
  groupLeft: number;
  requesterLeft: number;
  /** When one becomes possible again, if none is left. */
  retryAtMs: number;
}

export interface EnrolmentPlanValue {
  plan: Plan;
  /** Of this plan or, while a newer one is being computed (stale), of the one before. */
  preview: Preview | undefined;
  stale: boolean;
  failure: Failure | undefined;
}

const dayMs = 86_400_000;
const settleMs = 150;

const untouched: Plan = {
  channelId: 0n,
  policies: {
    [Level.OWNER]: EnrolPolicy.DIRECT,
    [Level.ADMIN]: EnrolPolicy.DIRECT,
    [Level.MODERATOR]: EnrolPolicy.DIRECT,
    [Level.MEMBER]: EnrolPolicy.DIRECT,
    [Level.VIP]: EnrolPolicy.ASK,
    [Level.GUEST]: EnrolPolicy.ASK,
  },
  text: '',
  expiryDays: 0,
};

/**
 * EnrolmentPlan is an enrolment that is being prepared: what was chosen, kept over reloads, and what it would do. The
 * key that makes a start happen once is kept with it, so that a start whose answer was lost is found again.
 */
export class EnrolmentPlan {
  #clients: Clients;
  #drafts: Drafts;
  #groupId: bigint;
  #scope: Scope;
  #value: Store<EnrolmentPlanValue>;
  #asked = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(clients: Clients, drafts: Drafts, groupId: bigint, scope: Scope) {
    this.#clients = clients;
    this.#drafts = drafts;
    this.#groupId = groupId;
    this.#scope = scope;
    const plan = parse(drafts.read(this.#place)) ?? untouched;
    this.#value = new Store<EnrolmentPlanValue>({ plan, preview: undefined, stale: false, failure: undefined });
    scope.add(() => clearTimeout(this.#timer));
    void this.preview();
  }

  get value(): Readable<EnrolmentPlanValue> {
    return this.#value;
  }

  /** change chooses something else; a moment later the preview follows. */
  change(fields: Partial<Plan>): void {
    const { plan, preview } = this.#value.get();
    const changed = { ...plan, ...fields };
    this.#drafts.write(this.#place, write(changed));
    // Another plan is another act: its start must not be taken for the one before.
    this.#drafts.write(this.#keyPlace, '');
    const counts = fields.channelId !== undefined || fields.policies !== undefined;
    const shown = changed.channelId === plan.channelId ? preview : undefined;
    this.#value.patch({ plan: changed, preview: shown, stale: counts || this.#value.get().stale, failure: undefined });
    if (!counts) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.preview(), settleMs);
  }

  /** policy chooses what happens to the people of a level. */
  policy(level: Level, policy: EnrolPolicy): void {
    this.change({ policies: { ...this.#value.get().plan.policies, [level]: policy } });
  }

  /** preview asks the server what the plan would do; only the newest question's answer counts. */
  async preview(): Promise<void> {
    const mine = ++this.#asked;
    const { plan } = this.#value.get();
    if (plan.channelId === 0n) return this.#value.patch({ preview: undefined, stale: false });
    this.#value.patch({ stale: true });
    const { channelId } = plan;
    const request = { groupId: this.#groupId, channelId, policies: listed(plan.policies) };
    const over = () => mine !== this.#asked || this.#scope.ended;
    try {
      const answer = await this.#clients.enrolment.previewEnrolment(request);
      if (over()) return;
      const preview = {
        lines: answer.levels.map((l) => ({ level: l.level, people: Number(l.people), would: countsOf(l.would) })),
        total: Number(answer.total),
        groupLeft: Number(answer.groupLeft),
        requesterLeft: Number(answer.requesterLeft),
        retryAtMs: Date.now() + Number(answer.retryAfterMs),
      };
      this.#value.patch({ preview, stale: false, failure: undefined });
    } catch (thrown) {
      if (!over()) this.#value.patch({ preview: undefined, stale: false, failure: failureOf(thrown) });
    }
  }

  /** start begins the enrolment; tried again after a lost answer it finds the job that it began. */
  async start(): Promise<Enrolment | undefined> {
    const { plan } = this.#value.get();
    const key = this.#drafts.read(this.#keyPlace) || uuidv7(Date.now());
    this.#drafts.write(this.#keyPlace, key);
    const { enrolment } = await this.#clients.enrolment.startEnrolment({
      groupId: this.#groupId,
      channelId: plan.channelId,
      policies: listed(plan.policies),
      text: plan.text,
      invitationExpiryMs: BigInt(plan.expiryDays * dayMs),
      idempotencyKey: key,
    });
    this.#drafts.write(this.#place, '');
    this.#drafts.write(this.#keyPlace, '');
    return enrolment;
  }

  get #place(): string {
    return planPlace(this.#groupId);
  }

  get #keyPlace(): string {
    return `${this.#place}.key`;
  }
}

/** planFrom has the plan of a group begin with a channel; what else was chosen stays. */
export function planFrom(drafts: Drafts, groupId: bigint, channelId: bigint): void {
  const plan = parse(drafts.read(planPlace(groupId))) ?? untouched;
  drafts.write(planPlace(groupId), write({ ...plan, channelId }));
}

function planPlace(groupId: bigint): string {
  return `enrol${groupId}`;
}

function listed(policies: Policies) {
  return levels.map((level) => ({ level, policy: policies[level] ?? EnrolPolicy.SKIP }));
}

function write(plan: Plan): string {
  return JSON.stringify({ ...plan, channelId: String(plan.channelId) });
}

function parse(text: string): Plan | undefined {
  if (text === '') return undefined;
  try {
    const kept = JSON.parse(text) as Partial<Record<keyof Plan, unknown>>;
    const chosen = (kept.policies ?? {}) as Record<string, unknown>;
    const policies = { ...untouched.policies };
    for (const level of levels) {
      const policy = chosen[level];
      if (policy === EnrolPolicy.DIRECT || policy === EnrolPolicy.ASK || policy === EnrolPolicy.SKIP) {
        policies[level] = policy;
      }
    }
    return {
      channelId: BigInt(String(kept.channelId)),
      policies,
      text: typeof kept.text === 'string' ? kept.text : '',
      expiryDays: typeof kept.expiryDays === 'number' ? kept.expiryDays : 0,
    };
  } catch {
    return undefined; // of another version, or damaged
  }
}
