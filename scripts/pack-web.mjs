// pack-web.mjs FROM TO copies a built web client for the program, each file with the compressed forms that are worth it.
// A file that would not change is not touched, so that the Go compiler has nothing to do again; what is gone is removed
// last, so that a compiler that runs meanwhile finds a whole client.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const [from, to] = process.argv.slice(2);
const placeholder = 'placeholder.html'; // the repository's own
const index = 'index.html';
const unfinished = join(to, '..', '.unfinished'); // where the compiler does not look
const packable = /\.(html|js|css|json|svg|webmanifest|txt)$/;

function list(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

function put(name, content) {
  const path = join(to, name);
  made.add(name);
  try {
    if (readFileSync(path).equals(content)) return;
  } catch {
    // it is new
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(unfinished, content);
  renameSync(unfinished, path);
}

const made = new Set([placeholder]);
const files = list(from).filter((name) => !name.endsWith('.map') && name !== placeholder);
if (!files.includes(index)) throw new Error(`${from} has no ${index}: it holds no built client`);
// The page comes last, when everything that it names is there.
for (const name of files.sort((a, b) => (a === index) - (b === index))) {
  const content = readFileSync(join(from, name));
  if (packable.test(name)) {
    const forms = {
      '.br': brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }),
      '.gz': gzipSync(content, { level: 9 }),
    };
    for (const [ending, form] of Object.entries(forms)) {
      if (form.length < content.length * 0.95) put(name + ending, form);
    }
  }
  put(name, content);
}
for (const name of list(to)) if (!made.has(name)) rmSync(join(to, name));
for (const entry of readdirSync(to, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (entry.isDirectory() && readdirSync(path).length === 0) rmSync(path, { recursive: true });
}
utimesSync(join(to, index), new Date(), new Date()); // make compares it with the sources
const total = [...made].map((name) => statSync(join(to, name)).size).reduce((a, b) => a + b, 0);
console.error(`The web client is packed: ${made.size - 1} files, ${Math.ceil(total / 1024)} KiB in ${to}`);
