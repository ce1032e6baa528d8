// Starts the servers that `chat.mjs` needs, runs it, and stops them: one with the built-in assistant, one whose model is
// slow and one whose model fails.
//
//   node run.mjs [path of the binary `app` [path of the binary `fake-provider`]]

import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withServers } from './servers.mjs';

const here = dirname(fileURLToPath(import.meta.url));

await withServers(async ({ server, provider }) => {
  const env = {
    ...process.env,
    BASE_URL: await server('normal', { LLM_PROVIDER: 'offline' }),
    SLOW_URL: await server('slow', await provider('--latency', '2s')),
    FAILING_URL: await server('failing', await provider('--fault', 'unavailable')),
  };
  const tests = spawn(process.execPath, [join(here, 'chat.mjs')], { env, stdio: 'inherit' });
  process.exitCode = await new Promise((done) => tests.once('exit', (code) => done(code ?? 1)));
});
