import './ui/tokens.css';

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { createClients, type Credentials } from './api/clients.ts';
import { LiveSocket, openSocket } from './api/socket.ts';
import { applyTheme, Client } from './features/Client.tsx';
import { bringPlace } from './features/shell/Shell.tsx';
import { App } from './state/app.ts';
import { browserKept } from './state/kept.ts';
import { Router } from './state/route.ts';
import { Scope } from './state/scope.ts';
import { deviceName } from './state/session.ts';
import { bringReading } from './ui/texts.tsx';

/** How long the page stays empty for a first view that is whole; after that it says what it waits for. */
const patienceMs = 400;

function storage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined; // forbidden by the browser's settings
  }
}

/** takeToken takes the one-time token out of the address, so that it stays neither there nor in the history. */
function takeToken(): string {
  const token = decodeURIComponent(location.hash.slice(1));
  if (token !== '') history.replaceState(null, '', location.pathname);
  return token;
}

function main(): void {
  const root = document.querySelector('#root');
  if (!root) throw new Error('the page has no place for the client');
  const scope = new Scope();
  const visible = () => document.visibilityState === 'visible';
  const credentials: Credentials = { token: '' };
  const live = new LiveSocket({
    open: openSocket,
    token: () => credentials.token,
    device: deviceName(navigator.userAgent),
    visible,
  });
  scope.listen(document, 'visibilitychange', () => live.setVisible(visible()));
  scope.listen(window, 'online', () => live.retryNow());
  scope.listen(window, 'offline', () => live.retryNow());
  const app = new App(
    {
      clients: createClients(credentials),
      credentials,
      live,
      kept: browserKept(storage(), window),
      visible,
      // A page that is not seen has no frames.
      nextFrame: (act) => (visible() ? requestAnimationFrame(act) : setTimeout(act, 250)),
      userAgent: navigator.userAgent,
      languages: navigator.languages,
    },
    scope,
  );
  const setupToken = takeToken();
  const router = new Router({
    path: () => location.pathname,
    push: (path) => history.pushState(null, '', path),
    replace: (path) => history.replaceState(null, '', path),
    onMove: (listener) => addEventListener('popstate', listener),
  });
  applyTheme(app.preferences.value.get().theme);
  // All that the first view needs is on its way at once, and it is rendered once, when it can be shown whole.
  const first = [
    bringReading(app.preferences.value.get().language),
    bringPlace(router.route.get()),
    app.session.begin().then(() => app.ready()),
  ];
  const render = () =>
    createRoot(root).render(
      <StrictMode>
        <Client root={{ app, router, setupToken }} />
      </StrictMode>,
    );
  void Promise.race([Promise.allSettled(first), new Promise((resume) => setTimeout(resume, patienceMs))]).then(render);
}

main();
