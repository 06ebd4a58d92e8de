import { Store, type Readable } from './store.ts';

/** Route is a place in the client; every place has an address that works after a reload. */
export type Route =
  | { page: 'home' }
  | { page: 'channel'; id: bigint; tab: string }
  | { page: 'group'; id: bigint; tab: string }
  | { page: 'invitations' }
  | { page: 'settings'; tab: string }
  | { page: 'admin'; tab: string }
  | { page: 'signup'; setup: boolean }
  | { page: 'unknown' };

/** parse reads an address's path. tab is '' on the first page of a place. */
export function parse(path: string): Route {
  const [first = '', second = '', third = '', ...rest] = path.split('/').slice(1);
  if (rest.length > 0) return { page: 'unknown' };
  const id = /^\d{1,19}$/.test(second) ? BigInt(second) : undefined;
  switch (first) {
    case '':
      return { page: 'home' };
    case 'c':
      return id === undefined ? { page: 'unknown' } : { page: 'channel', id, tab: third };
    case 'g':
      return id === undefined ? { page: 'unknown' } : { page: 'group', id, tab: third };
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

/** href is the address of a place. */
export function href(route: Route): string {
  switch (route.page) {
    case 'channel':
      return `/c/${route.id}${route.tab && `/${route.tab}`}`;
    case 'group':
      return `/g/${route.id}${route.tab && `/${route.tab}`}`;
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

  constructor(address: Address) {
    this.#address = address;
    this.#route = new Store(parse(address.path()));
    address.onMove(() => this.#route.set(parse(address.path())));
  }

  get route(): Readable<Route> {
    return this.#route;
  }

  /** go moves to an address of this client; replace leaves no step back. */
  go(to: string, how: 'push' | 'replace' = 'push'): void {
    if (to === this.#address.path()) return;
    this.#address[how](to);
    this.#route.set(parse(this.#address.path()));
  }
}
