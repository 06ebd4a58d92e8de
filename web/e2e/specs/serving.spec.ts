import { request as send, type IncomingMessage } from 'node:http';
import { expect, test } from '../harness/fixtures.ts';

/** fetched asks for something as a browser that takes gzip alone would. */
function fetched(url: string): Promise<{ answer: IncomingMessage; bytes: number }> {
  return new Promise((found, failed) => {
    send(url, { headers: { 'Accept-Encoding': 'gzip' } }, (answer) => {
      let bytes = 0;
      answer.on('data', (piece: Buffer) => (bytes += piece.length));
      answer.on('end', () => found({ answer, bytes }));
    })
      .on('error', failed)
      .end();
  });
}

test('the first load asks this server alone, for at most 180 kB of gzipped script', async ({ server, open, t }) => {
  const owner = await server.owner();
  const page = await open(owner, { signedIn: true, path: '/nowhere' });
  const asked = new Set<string>();
  page.on('request', (request) => asked.add(request.url()));
  await page.goto('/');
  await expect(page.getByRole('heading', { name: t.shell.welcome, level: 1 })).toBeVisible();
  await page.waitForLoadState('networkidle');
  const strangers = [...asked].filter((url) => new URL(url).origin !== server.url && !url.startsWith('data:'));
  expect(strangers).toEqual([]);
  let total = 0;
  for (const url of asked) {
    if (!new URL(url).pathname.endsWith('.js')) continue;
    const { answer, bytes } = await fetched(url);
    expect(answer.headers['content-encoding']).toBe('gzip');
    expect(answer.headers['cache-control']).toContain('immutable');
    total += bytes;
  }
  test.info().annotations.push({ type: 'kB of script', description: (total / 1000).toFixed(1) });
  expect(total).toBeGreaterThan(10_000);
  expect(total).toBeLessThanOrEqual(180_000);
});

test('the page is asked for again each time, and its policy holds whoever tries', async ({ server, open, watch }) => {
  const page = await open(server);
  const answer = await page.reload();
  expect(answer?.headers()['cache-control']).toBe('no-cache');
  expect(answer?.headers()['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
  watch.allow(/^POLICY|Trusted|Content Security Policy/);
  const tried = await page.evaluate(async () => {
    const acts = [
      () => (document.body.innerHTML = '<img src=x onerror=pwned(1)>'),
      () => new Function('pwned(2)')(),
      () => document.createElement('script').setAttribute('src', 'https://example.org/x.js'),
      () => document.body.setAttribute('onclick', 'pwned(3)'),
    ];
    // What a test evaluates is let through like a debugger's; what a timer runs is the page's own.
    return new Promise<string[]>((found) =>
      setTimeout(() =>
        found(
          acts.map((act) => {
            try {
              act();
              return 'done';
            } catch (error) {
              return (error as Error).name;
            }
          }),
        ),
      ),
    );
  });
  expect(tried).toEqual(['TypeError', 'EvalError', 'TypeError', 'TypeError']);
});
