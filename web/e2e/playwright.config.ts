import { configuration } from './harness/configuration.ts';

export default configuration({ testDir: 'specs' });
