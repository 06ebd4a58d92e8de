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
        if (line === '') continue;
        const frame: Json = JSON.parse(line);
        const found = this.#waiting.get(frame.id);
        if (!found) continue; // an event
        this.#waiting.delete(frame.id);
        found(frame);
      }
    });
  }

  static async connect(person: Person): Promise<Live> {
    const socket = new WebSocket(`${person.server.url.replace(/^http/, 'ws')}/live`, 'muster.v1.json');
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

  /** fill writes "message 1" and so on into a group, in this order. */
  async fill(groupId: string, count: number): Promise<void> {
    const most = 60; // under way at once, below the server's 64
    const under: Promise<Json>[] = [];
    for (let i = 1; i <= count; i++) {
      under.push(this.ask({ send: { groupId, clientMessageId: `fill-${groupId}-${i}`, text: `message ${i}` } }));
      if (under.length >= most) await under.shift();
    }
    await Promise.all(under);
  }

  close(): void {
    this.#socket.terminate();
  }
}
