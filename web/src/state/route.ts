import { Store, type Readable } from './store.ts';

/** Route is a place in the client; every place has an address that works after a reload. */
export type Route =
  | { page: 'home' }
  | { page: 'channel'; id: bigint; tab: string }
  /** item is something that the tab is about: one enrolment. */
  | { page: 'group'; id: bigint; tab: string; item?: bigint }
  | { page: 'invitations' }
  | { page: 'settings'; tab: string }
  | { page: 'admin'; tab: string }
  | { page: 'signup'; setup: boolean }
  | { page: 'unknown' };

/** parse reads an address's path. tab is '' on the first page of a place. */
export function parse(path: string): Route {
  const [first = '', second = '', third = '', fourth, ...rest] = path.split('/').slice(1);
  const item = idOf(fourth ?? '');
  if (rest.length > 0 || (fourth !== undefined && (first !== 'g' || item === undefined))) return { page: 'unknown' };
  const id = idOf(second);
  switch (first) {
    case '':
      return { page: 'home' };
    case 'c':
      return id === undefined ? { page: 'unknown' } : { page: 'channel', id, tab: third };
    case 'g':
      if (id === undefined) return { page: 'unknown' };
      return item === undefined ? { page: 'group', id, tab: third } : { page: 'group', id, tab: third, item };
    case 'invitations':
      return { page: 'invitations' };
    case 'settings':
      return { page: 'settings', tab: second };
    case 'admin':
      return { page: 'admin', tab: second };
    case 'signup':
      return { page: 'signup', setup: false };
    case 'setup':
      return { page: 'signup', setup: true };
    default:
      return { page: 'unknown' };
  }
}

function idOf(text: string): bigint | undefined {
  return /^\d{1,19}$/.test(text) ? BigInt(text) : undefined;
}

/** href is the address of a place. */
export function href(route: Route): string {
  switch (route.page) {
    case 'channel':
      return `/c/${route.id}${route.tab && `/${route.tab}`}`;
    case 'group':
      return `/g/${route.id}${route.tab && `/${route.tab}`}${route.item === undefined ? '' : `/${route.item}`}`;
    case 'invitations':
      return '/invitations';
    case 'settings':
      return `/settings${route.tab && `/${route.tab}`}`;
    case 'admin':
      return `/admin${route.tab && `/${route.tab}`}`;
    case 'signup':
      return route.setup ? '/setup' : '/signup';
    case 'home':
    case 'unknown':
      return '/';
  }
}

/** The part of the browser that the router moves. */
export interface Address {
  path: () => string;
  push: (path: string) => void;
  replace: (path: string) => void;
  onMove: (listener: () => void) => void;
}

/** Router holds where the client is; going back and forward are the browser's. */
export class Router {
  #address: Address;
  #route: Store<Route>;
  #moved = false;

  constructor(address: Address) {
    this.#address = address;
    this.#route = new Store(parse(address.path()));
    address.onMove(() => this.#move());
  }

  /** moved says that the client has been at another place before this one. */
  get moved(): boolean {
    return this.#moved;
  }

  get route(): Readable<Route> {
    return this.#route;
  }

  /** go moves to an address of this client; replace leaves no step back. */
  go(to: string, how: 'push' | 'replace' = 'push'): void {
    if (to === this.#address.path()) return;
    this.#address[how](to);
    this.#move();
  }

  #move(): void {
    this.#moved = true;
    this.#route.set(parse(this.#address.path()));
  }
}
