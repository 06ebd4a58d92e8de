import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

// What each folder may import of the others (README.md, "The folders").
const mayImport: Record<string, readonly string[]> = {
  api: [],
  i18n: [],
  state: ['api'],
  ui: ['i18n'],
  features: ['api', 'state', 'ui', 'i18n'],
};
const root = import.meta.dirname;

function files(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !name.startsWith('gen'))
    .map((name) => join(folder, name));
}

function imports(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map((match) => match[1] ?? '');
}

describe.each(Object.entries(mayImport))('%s', (folder, allowed) => {
  test('imports only what it may', () => {
    const found = files(folder);
    expect(found).not.toEqual([]);
    const bad = found.flatMap((file) =>
      imports(file)
        .filter((name) => name.startsWith('.'))
        .map((name) => join(file, '..', name).split('/')[0] ?? '')
        .filter((other) => other !== folder && !allowed.includes(other))
        .map((other) => `${file} imports ${other}`),
    );
    expect(bad).toEqual([]);
  });

  test('keeps the line budgets', () => {
    const long = files(folder).filter((file) => {
      const lines = readFileSync(join(root, file), 'utf8').split('\n').length;
      return lines > (file.endsWith('.tsx') ? 250 : 500);
    });
    expect(long).toEqual([]);
  });
});

test('state and api know no React', () => {
  const bad = [...files('state'), ...files('api'), ...files('i18n')].filter((file) =>
    imports(file).some((name) => name.startsWith('react')),
  );
  expect(bad).toEqual([]);
});
