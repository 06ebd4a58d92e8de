import { create, fromBinary, toBinary } from '@bufbuild/protobuf';

import { backoffMs, retryOfClose } from './backoff.ts';
import { failureOfFrame, unreachable, type Failure, type Retry } from './errors.ts';
import {
  ClientFrameSchema,
  ServerFramesSchema,
  Retry as WireRetry,
  type ServerFrame,
  type SessionClosed,
} from './gen/muster/v1/live_pb.ts';
import type { Call, CallAnswer, CallInit, Live, LiveEvent, LiveStatus } from './live.ts';

const subprotocol = 'muster.v1.proto';
/** A connection that stood so long has earned a quick return. */
const stableMs = 10_000;
/** Silence after which a sign of life is asked for, and how long it may take. */
const silentMs = 25_000;
const probeMs = 8_000;
const handshakeMs = 10_000;

/** The part of a browser's WebSocket that is used here. */
export type Wire = Pick<WebSocket, 'send' | 'close' | 'binaryType' | 'onopen' | 'onmessage' | 'onclose' | 'onerror'>;

export interface SocketOptions {
  open: (subprotocol: string) => Wire;
  token: () => string;
  device: string;
  /** Whether the page can be seen. */
  visible: () => boolean;
  random?: () => number;
}

interface Waiting {
  resolve: (value: never) => void;
  reject: (failure: Failure) => void;
}

/** LiveSocket keeps one WebSocket to the server open and comes back by itself (docs/protocol.md). */
export class LiveSocket implements Live {
  #options: SocketOptions;
  #status: LiveStatus = { phase: 'idle' };
  #statusListeners = new Set<(status: LiveStatus) => void>();
  #eventListeners = new Set<(event: LiveEvent) => void>();
  #wire: Wire | undefined;
  #lastId = 0n;
  #waiting = new Map<bigint, Waiting>();
  #attempt = 0;
  #onlineSince = 0;
  #heardAt = 0;
  #closed: SessionClosed | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #watchTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SocketOptions) {
    this.#options = options;
  }

  status(): LiveStatus {
    return this.#status;
  }

  onStatus(listener: (status: LiveStatus) => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  onEvent(listener: (event: LiveEvent) => void): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  start(): void {
    if (this.#status.phase !== 'idle' && this.#status.phase !== 'ended') return;
    this.#attempt = 0;
    this.#open();
  }

  stop(): void {
    this.#drop(1000);
    this.#set({ phase: 'idle' });
  }

  retryNow(): void {
    if (this.#status.phase === 'waiting') this.#open();
    else if (this.#status.phase === 'online') this.#probe();
  }

  /** setVisible tells the server whether somebody looks, and uses the moment to see whether the connection lives. */
  setVisible(visible: boolean): void {
    if (this.#status.phase === 'online') this.#probe();
    else if (visible) this.retryNow();
  }

  call<K extends Call>(kind: K, value: CallInit<K>): Promise<CallAnswer<K>> {
    if (this.#status.phase !== 'online') return Promise.reject(unreachable('offline'));
    return this.#request(kind, value);
  }

  typing(where: { channelId?: bigint; groupId?: bigint }): void {
    if (this.#status.phase !== 'online') return;
    this.#send(create(ClientFrameSchema, { body: { case: 'typing', value: where } }));
  }

  #request<K extends Call>(kind: K, value: CallInit<K>): Promise<CallAnswer<K>> {
    const id = ++this.#lastId;
    return new Promise<CallAnswer<K>>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      // The pair is one of ClientFrame's cases by CallInit; TypeScript cannot follow the correlation.
      this.#send(create(ClientFrameSchema, { id, body: { case: kind, value } as never }));
    });
  }

  #send(frame: Parameters<typeof toBinary<typeof ClientFrameSchema>>[1]): void {
    this.#wire?.send(toBinary(ClientFrameSchema, frame) as Uint8Array<ArrayBuffer>);
  }

  #open(): void {
    this.#drop(1000);
    this.#closed = undefined;
    this.#set({ phase: 'connecting', attempt: this.#attempt });
    const wire = this.#options.open(subprotocol);
    this.#wire = wire;
    wire.binaryType = 'arraybuffer';
    wire.onopen = () => {
      if (wire === this.#wire) this.#hello();
    };
    wire.onmessage = (message) => {
      if (wire === this.#wire) this.#hear(message.data as ArrayBuffer);
    };
    wire.onclose = (event) => {
      if (wire === this.#wire) this.#ended(event.code);
    };
    this.#watchTimer = setTimeout(() => this.#ended(0), handshakeMs);
  }

  #hello(): void {
    const id = ++this.#lastId;
    this.#waiting.set(id, { resolve: () => {}, reject: () => this.#wire?.close() });
    const { token, device, visible } = this.#options;
    const hello = { token: token(), device, background: !visible() };
    this.#send(create(ClientFrameSchema, { id, body: { case: 'hello', value: hello } }));
  }

  #hear(data: ArrayBuffer): void {
    this.#heardAt = Date.now();
    for (const frame of fromBinary(ServerFramesSchema, new Uint8Array(data)).frames) this.#take(frame);
  }

  #take(frame: ServerFrame): void {
    const { id, body } = frame;
    if (body.case === undefined) return; // a frame of a newer server
    if (body.case === 'welcome') {
      this.#onlineSince = Date.now();
      this.#watch();
      this.#waiting.delete(id);
      this.#set({ phase: 'online', welcome: body.value });
      return;
    }
    if (body.case === 'sessionClosed') this.#closed = body.value;
    const waiting = this.#waiting.get(id);
    if (waiting) {
      this.#waiting.delete(id);
      if (body.case === 'error') waiting.reject(failureOfFrame(body.value));
      else waiting.resolve(body.value as never);
      return;
    }
    for (const listener of this.#eventListeners) listener(body);
  }

  /** watch asks for a sign of life when there was none for long: a dead network often closes nothing. */
  #watch(): void {
    clearTimeout(this.#watchTimer);
    this.#watchTimer = setTimeout(() => {
      if (Date.now() - this.#heardAt >= silentMs) this.#probe();
      else this.#watch();
    }, silentMs);
  }

  #probe(): void {
    clearTimeout(this.#watchTimer);
    this.#watchTimer = setTimeout(() => this.#ended(0), probeMs);
    const done = () => this.#watch();
    this.#request('background', { on: !this.#options.visible() }).then(done, (failure: Failure) => {
      if (failure.reason !== 'connection_lost') done();
    });
  }

  #ended(code: number): void {
    const told = this.#closed;
    const retry = told ? retryOfWire(told.retry, told.code) : retryOfClose(code);
    const reason = told?.reason ?? '';
    this.#drop(1000);
    if (retry === 'never') {
      this.#set({ phase: 'ended', reason });
      return;
    }
    if (this.#onlineSince > 0 && Date.now() - this.#onlineSince >= stableMs) this.#attempt = 0;
    this.#onlineSince = 0;
    const wait = backoffMs(this.#attempt, retry, Number(told?.retryAfterMs ?? 0n), this.#options.random ?? Math.random);
    this.#attempt += 1;
    this.#set({ phase: 'waiting', attempt: this.#attempt, retryAtMs: Date.now() + wait });
    this.#retryTimer = setTimeout(() => this.#open(), wait);
  }

  #drop(code: number): void {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#watchTimer);
    const wire = this.#wire;
    this.#wire = undefined;
    if (wire) {
      wire.onopen = wire.onmessage = wire.onclose = wire.onerror = null;
      wire.close(code);
    }
    const lost = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const waiting of lost) waiting.reject(unreachable('connection_lost'));
  }

  #set(status: LiveStatus): void {
    this.#status = status;
    for (const listener of this.#statusListeners) listener(status);
  }
}

function retryOfWire(retry: WireRetry, code: number): Retry {
  if (retry === WireRetry.NOW) return 'now';
  if (retry === WireRetry.LATER) return 'later';
  if (retry === WireRetry.NEVER) return 'never';
  return retryOfClose(code);
}

/** openSocket opens the browser's own socket to the server that sent the page. */
export function openSocket(protocol: string): Wire {
  const url = new URL('/live', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return new WebSocket(url, protocol);
}
