import type { MessageInitShape } from '@bufbuild/protobuf';

import type { ClientFrameSchema, ServerFrame, Welcome } from './gen/muster/v1/live_pb.ts';

// What the rest of the client sees of the live socket. Tests of the state put a fake here.

type ServerBody = ServerFrame['body'];
type ServerCase = Exclude<ServerBody['case'], undefined>;
type ValueOf<C extends ServerCase> = Extract<ServerBody, { case: C }>['value'];

type ClientBody = Exclude<NonNullable<MessageInitShape<typeof ClientFrameSchema>['body']>, { case: undefined }>;

/** Which frame answers which. */
interface Answers {
  enter: 'entered';
  exit: 'ok';
  say: 'said';
  send: 'sent';
  sync: 'synced';
  history: 'history';
  read: 'ok';
  answer: 'answered';
  background: 'ok';
  people: 'present';
}

export type Call = keyof Answers;
export type CallInit<K extends Call> = Extract<ClientBody, { case: K }> extends { value: infer V } ? V : never;
export type CallAnswer<K extends Call> = ValueOf<Answers[K]>;

/** An event is a frame that answers nothing. */
export type LiveEvent = Exclude<ServerBody, { case: undefined }>;

/**
 * LiveStatus is where the connection is.
 * - idle: not started, or stopped.
 * - connecting: the socket opens, or waits for its welcome.
 * - online: welcomed; calls are answered.
 * - waiting: it failed; the next attempt is at retryAtMs.
 * - ended: the session is no more; nothing reconnects until start is called again.
 */
export type LiveStatus =
  | { phase: 'idle' }
  | { phase: 'connecting'; attempt: number }
  | { phase: 'online'; welcome: Welcome }
  | { phase: 'waiting'; attempt: number; retryAtMs: number }
  | { phase: 'ended'; reason: string };

/** Live is the connection that lasts. */
export interface Live {
  status(): LiveStatus;
  onStatus(listener: (status: LiveStatus) => void): () => void;
  onEvent(listener: (event: LiveEvent) => void): () => void;
  /** call sends a request; it rejects with a Failure, at once when there is no connection. */
  call<K extends Call>(kind: K, value: CallInit<K>): Promise<CallAnswer<K>>;
  /** typing sends a hint that nobody answers. */
  typing(where: { channelId?: bigint; groupId?: bigint }): void;
  start(): void;
  stop(): void;
  /** retryNow ends a wait. */
  retryNow(): void;
}
