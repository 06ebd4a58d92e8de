import { appendFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { FullResult, Reporter, Suite, TestCase, TestError, TestResult } from '@playwright/test/reporter';

const file = process.env['MUSTER_TEST_REPORT'] ?? '/dev/null';

// Report writes a line of JSON for each test as it ends, for the Go test that runs this suite, and one for the whole.
export default class Report implements Reporter {
  #root = '';

  onBegin(config: { rootDir: string }, suite: Suite): void {
    this.#root = config.rootDir;
    this.#write({ planned: suite.allTests().length });
  }

  onTestEnd(test: TestCase, result: TestResult): void {
    const output = [...result.stdout, ...result.stderr].map(String).join('');
    this.#write({
      name: [relative(this.#root, test.location.file).replace(/\.spec\.ts$/, ''), ...test.titlePath().slice(3)].join(
        '/',
      ),
      status:
        result.status === test.expectedStatus ? result.status : result.status === 'passed' ? 'failed' : result.status,
      ms: result.duration,
      output: output + result.errors.map((error) => error.stack ?? error.message ?? '').join('\n'),
    });
  }

  onError(error: TestError): void {
    this.#write({ error: error.stack ?? error.message ?? String(error.value) });
  }

  onEnd(result: FullResult): void {
    this.#write({ ended: result.status });
  }

  printsToStdio(): boolean {
    return false;
  }

  #write(line: object): void {
    // oxlint-disable-next-line no-control-regex -- the colours of a terminal
    appendFileSync(file, JSON.stringify(line).replace(/\\u001b\[[0-9;]*m/g, '') + '\n');
  }
}
