// Succeeds when a folder's node_modules holds what its package-lock.json asks for: npm writes down there what it has
// installed. Packages for other systems (optional ones) need not be there.
import { readFileSync } from 'node:fs';

const folder = process.argv[2];
const read = (name) => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')).packages;
const wanted = read('package-lock.json');
let there;
try {
  there = read('node_modules/.package-lock.json');
} catch {
  process.exit(1); // nothing is installed
}
const complete = Object.entries(wanted).every(([path, { version, integrity, optional, peer }]) => {
  if (path === '') return true;
  const found = there[path];
  return found ? found.version === version && found.integrity === integrity : Boolean(optional ?? peer);
});
const nothingElse = Object.entries(there).every(([path, { optional }]) => path in wanted || optional);
process.exit(complete && nothingElse ? 0 : 1);
