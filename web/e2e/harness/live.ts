import { WebSocket } from 'ws';
import type { Json, Person } from './server.ts';

/** Live is a person's live socket without a browser, in JSON: for crowds, and for filling groups. */
export class Live {
  #socket: WebSocket;
  #next = 1;
  #waiting = new Map<string, (answer: Json) => void>();

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => {
      for (const line of String(data).split('\n')) {
        if (!/^\{\s*"id"/.test(line)) continue; // an event: only answers have an id, and it comes first
        const frame: Json = JSON.parse(line);
        const found = this.#waiting.get(frame.id);
        if (!found) continue;
        this.#waiting.delete(frame.id);
        found(frame);
      }
    });
  }

  static async connect(person: Person): Promise<Live> {
    const socket = new WebSocket(`${person.server.url.replace(/^http/, 'ws')}/live`, 'muster.v1.json', {
      perMessageDeflate: false,
    });
    await new Promise((found, failed) => socket.once('open', found).once('error', failed));
    const live = new Live(socket);
    await live.ask({ hello: { token: person.token, device: 'harness' } });
    return live;
  }

  /** ask sends a frame and waits for its answer. */
  async ask(frame: object): Promise<Json> {
    const id = String(this.#next++);
    const answer = await new Promise<Json>((found) => {
      this.#waiting.set(id, found);
      this.#socket.send(JSON.stringify({ id, ...frame }));
    });
    if (answer.error) throw new Error(`${answer.error.code} ${answer.error.message}`);
    return answer;
  }

  /**
   * fill writes "message 1" and so on into a group, some 10,000 a second. The first and the last stand where they belong;
   * of what is under way at once in between one may change places with another.
   */
  async fill(groupId: string, count: number): Promise<void> {
    await this.#fill(groupId, 1, 1);
    await this.#fill(groupId, 2, count - 1);
    await this.#fill(groupId, count, count);
  }

  #fill(groupId: string, first: number, last: number): Promise<void> {
    const most = 60; // under way at once, below the server's 64
    let sent = first - 1;
    let under = 0;
    return new Promise((filled, failed) => {
      const next = () => {
        const id = String(this.#next++);
        const text = `message ${++sent}`;
        under += 1;
        this.#waiting.set(id, (answer) => {
          under -= 1;
          if (answer.error) failed(new Error(`${answer.error.code} ${answer.error.message}`));
          else if (sent < last) next();
          else if (under === 0) filled();
        });
        this.#socket.send(JSON.stringify({ id, send: { groupId, clientMessageId: `fill-${groupId}-${sent}`, text } }));
      };
      while (sent < Math.min(first + most, last)) next();
    });
  }

  close(): void {
    this.#socket.terminate();
  }
}
