import { configuration } from './harness/configuration.ts';

// What measures runs alone.
export default configuration({ testDir: 'bench', workers: 1, timeout: 300_000 });
