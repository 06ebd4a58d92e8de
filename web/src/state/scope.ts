/** Scope ends what was begun in it: subscriptions, timers, and scopes of their own. */
export class Scope {
  #ends: (() => void)[] = [];
  #ended = false;

  get ended(): boolean {
    return this.#ended;
  }

  /** add has end called when the scope ends; at once if it has. */
  add(end: () => void): void {
    if (this.#ended) end();
    else this.#ends.push(end);
  }

  /** listen subscribes to an event of the browser for as long as the scope lasts. */
  listen(target: EventTarget, event: string, listener: (event: Event) => void): void {
    target.addEventListener(event, listener);
    this.add(() => target.removeEventListener(event, listener));
  }

  /** every calls act each ms milliseconds. */
  every(ms: number, act: () => void): void {
    const timer = setInterval(act, ms);
    this.add(() => clearInterval(timer));
  }

  /** child is a scope that ends with this one, or before. */
  child(): Scope {
    const child = new Scope();
    this.add(() => child.end());
    return child;
  }

  /** end ends everything, the youngest first; a second time does nothing. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const end of this.#ends.reverse()) end();
    this.#ends = [];
  }
}
