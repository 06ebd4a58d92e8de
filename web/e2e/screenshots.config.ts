import { configuration } from './harness/configuration.ts';

export default configuration({ testDir: 'screenshots', workers: 1 });
