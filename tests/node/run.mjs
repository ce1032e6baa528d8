// Starts what `chat.mjs` needs on free ports of this machine, runs it, and stops everything again:
// a server with the built-in assistant, one whose model is slow and one whose model fails.
//
//   node run.mjs [path of the binary `app` [path of the binary `fake-provider`]]
//
// Without paths: where `cargo build -p app -p tests` puts them. Only processes that it started are ended.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How long a process may take to listen, in milliseconds. */
const START = 30_000;
/** How long a process may take to end before it is ended the hard way, in milliseconds. */
const END = 12_000;

const here = dirname(fileURLToPath(import.meta.url));

function built() {
  const metadata = execFileSync('cargo', ['metadata', '--format-version', '1', '--no-deps'], {
    cwd: here,
    maxBuffer: 1 << 26,
  });
  return join(JSON.parse(metadata).target_directory, 'debug');
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

const children = [];

/** Starts `program` and returns when something listens on `port`. What it says is shown only if it ends too early. */
async function start(program, args, env, cwd, port) {
  const child = spawn(program, args, { cwd, env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let said = '';
  const hear = (bytes) => (said = (said + bytes).slice(-4000));
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  let ended;
  child.once('error', (error) => (ended = error.message));
  child.once('exit', (code, signal) => (ended ??= `it ended with ${code ?? signal}`));
  for (const begun = Date.now(); !(await listens(port)); await new Promise((done) => setTimeout(done, 50))) {
    if (ended) throw new Error(`${program}: ${ended}\n${said}`);
    if (Date.now() - begun > START) throw new Error(`${program} does not listen on ${port}\n${said}`);
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
  const hard = setTimeout(() => child.kill('SIGKILL'), END);
  await exit;
  clearTimeout(hard);
}

const directory = await mkdtemp(join(tmpdir(), 'doable-chat-'));
try {
  const app = resolve(process.argv[2] ?? join(built(), 'app'));
  const fakeProvider = resolve(process.argv[3] ?? join(built(), 'fake-provider'));

  /** A server with a database of its own; with these settings. */
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
  /** The settings for a provider that behaves as `args` say. */
  const provider = async (...args) => {
    const port = await freePort();
    await start(fakeProvider, ['--port', String(port), ...args], {}, directory, port);
    const url = `http://127.0.0.1:${port}`;
    return { LLM_PROVIDER: 'cohere', COHERE_API_KEY: 'none', COHERE_BASE_URL: url };
  };

  const env = {
    ...process.env,
    BASE_URL: await server('normal', { LLM_PROVIDER: 'offline' }),
    SLOW_URL: await server('slow', await provider('--latency', '2s')),
    FAILING_URL: await server('failing', await provider('--fault', 'unavailable')),
  };
  const probe = spawn(process.execPath, [join(here, 'chat.mjs')], { env, stdio: 'inherit' });
  process.exitCode = await new Promise((done) => probe.once('exit', (code) => done(code ?? 1)));
} finally {
  await Promise.all(children.map(stop));
  await rm(directory, { recursive: true, force: true });
}
