// Starts servers and fake providers on free ports of this machine, for `run.mjs` and `browser.mjs`.
//
// Both take the paths of the binaries `app` and `fake-provider` as their arguments; the default paths are those of
// `cargo build -p app -p tests --bins`.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Maximum time until a process listens, in milliseconds. */
const START_TIMEOUT = 30_000;
/** Maximum time between SIGTERM and SIGKILL, in milliseconds. */
const STOP_TIMEOUT = 12_000;

const here = dirname(fileURLToPath(import.meta.url));

/** The folder of the debug binaries. */
function targetDirectory() {
  const metadata = execFileSync('cargo', ['metadata', '--format-version', '1', '--no-deps'], {
    cwd: here,
    maxBuffer: 1 << 26,
  });
  return join(JSON.parse(metadata).target_directory, 'debug');
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

const children = [];

/** Starts `program` and returns when it listens on `port`. Its output is shown only if it does not. */
async function start(program, args, env, cwd, port) {
  const child = spawn(program, args, { cwd, env: { PATH: process.env.PATH, SHUTDOWN_DRAIN: '0s', ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let output = '';
  const record = (bytes) => (output = (output + bytes).slice(-4000));
  child.stdout.on('data', record);
  child.stderr.on('data', record);
  let ended;
  child.once('error', (error) => (ended = error.message));
  child.once('exit', (code, signal) => (ended ??= `exited with ${code ?? signal}`));
  for (const started = Date.now(); !(await listens(port)); await new Promise((done) => setTimeout(done, 50))) {
    if (ended) throw new Error(`${program}: ${ended}\n${output}`);
    if (Date.now() - started > START_TIMEOUT) throw new Error(`${program} does not listen on ${port}\n${output}`);
  }
}

function listens(port) {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => done(true)).once('error', () => done(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exit = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  const timeout = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT);
  await exit;
  clearTimeout(timeout);
}

/**
 * Calls `work` with two functions, and stops what they have started:
 *
 * - `server(name, settings)` starts a server with its own database and returns its URL.
 * - `provider(...arguments)` starts a fake provider and returns the settings of a server that uses it.
 */
export async function withServers(work) {
  const directory = await mkdtemp(join(tmpdir(), 'doable-chat-'));
  const app = resolve(process.argv[2] ?? join(targetDirectory(), 'app'));
  const fakeProvider = resolve(process.argv[3] ?? join(targetDirectory(), 'fake-provider'));
  const server = async (name, settings) => {
    const port = await freePort();
    const env = {
      HOST: '127.0.0.1',
      PORT: String(port),
      DATABASE_URL: `sqlite:${join(directory, `${name}.db`)}`,
      JWT_SECRET: `a secret for one run ${Math.random()} ${Math.random()}`,
      ...settings,
    };
    await start(app, [], env, directory, port);
    return `http://127.0.0.1:${port}`;
  };
  const provider = async (...args) => {
    const port = await freePort();
    await start(fakeProvider, ['--port', String(port), ...args], {}, directory, port);
    const url = `http://127.0.0.1:${port}`;
    return { LLM_PROVIDER: 'cohere', COHERE_API_KEY: 'none', COHERE_BASE_URL: url };
  };
  try {
    return await work({ server, provider });
  } finally {
    await Promise.all(children.map(stop));
    await rm(directory, { recursive: true, force: true });
  }
}
