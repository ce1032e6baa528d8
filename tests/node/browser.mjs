// Tests the AI SDK in Chromium, in a page on another origin than the server's: versions 5, 6 and 7 with the SDK's default
// transport and addresses.
//
//   node browser.mjs [path of the binary `app` [path of the binary `fake-provider`]]
//
//   CHROMIUM   path of the browser; by default, the first of the usual names in PATH

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import puppeteer from 'puppeteer-core';
import { freePort, withServers } from './servers.mjs';

/** Maximum time of each wait, in milliseconds. */
const DEADLINE = 30_000;
/** The packages of each version of the SDK, as package.json names them. */
const VERSIONS = [
  { version: 5, ai: 'ai-5', react: 'ai-react-5' },
  { version: 6, ai: 'ai-6', react: 'ai-react-6' },
  { version: 7, ai: 'ai', react: '@ai-sdk/react' },
];
/** Headers that a page with tracing sends along (Sentry, W3C Trace Context), which need a preflight. */
const TRACING = { 'sentry-trace': '0-0', baggage: 'a=b', traceparent: '00-0-0-00', 'x-requested-with': 'XMLHttpRequest' };

const here = dirname(fileURLToPath(import.meta.url));

function chromium() {
  const names = [process.env.CHROMIUM, 'chromium', 'chromium-browser', 'google-chrome'].filter(Boolean);
  for (const name of names) {
    try {
      return execFileSync('which', [name], { encoding: 'utf8' }).trim();
    } catch {
      // The next name is tried.
    }
  }
  throw new Error('no Chromium: install it, or set CHROMIUM to its path');
}

/** Builds the page with one version of the SDK. */
async function script({ ai, react }) {
  const { outputFiles } = await build({
    entryPoints: [join(here, 'browser', 'page.mjs')],
    bundle: true,
    write: false,
    format: 'esm',
    define: { 'process.env.NODE_ENV': '"production"' },
    alias: { ai, '@ai-sdk/react': react },
    absWorkingDir: here,
  });
  return outputFiles[0].text;
}

/** Serves the page of each version at `/<version>`, and returns the origin. */
async function servePages(port) {
  const scripts = new Map();
  for (const names of VERSIONS) scripts.set(`/${names.version}.js`, await script(names));
  const server = createServer((request, response) => {
    const code = scripts.get(request.url);
    response.setHeader('content-type', code ? 'text/javascript' : 'text/html');
    response.end(code ?? `<!doctype html><link rel=icon href=data:><body><script type=module src=${request.url}.js></script>`);
  });
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  return server;
}

async function register(url) {
  const response = await fetch(`${url}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: `${randomUUID()}@example.com`, password: randomUUID() }),
  });
  const session = await response.json();
  assert.equal(response.status, 201, JSON.stringify(session));
  return {
    api: `${url}/api/${session.user.id}/chat`,
    tasks: `${url}/api/${session.user.id}/tasks`,
    headers: { Authorization: `Bearer ${session.access_token}`, ...TRACING },
  };
}

/** Opens a page with the chat `id`, and returns functions that drive it. */
async function openChat(context, page, user, id, resume) {
  const tab = await context.newPage();
  const problems = [];
  tab.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  tab.on('pageerror', (error) => problems.push(String(error)));
  const requests = [];
  tab.on('request', (request) => requests.push(`${request.method()} ${new URL(request.url()).pathname}`));
  await tab.goto(page);
  await tab.waitForFunction('window.openChat', { timeout: DEADLINE });
  await tab.evaluate((options) => window.openChat(options), { id, resume, api: user.api, headers: user.headers });
  await tab.waitForFunction('window.chat', { timeout: DEADLINE });
  const wait = (condition) =>
    tab.waitForFunction(condition, { timeout: DEADLINE, polling: 10 }).catch(async (error) => {
      const state = await tab.evaluate(() => ({ status: chat.status, error: String(chat.error), messages: chat.messages }));
      throw new Error(`waiting for ${condition}: ${JSON.stringify(state)} ${problems.join('\n')}`, { cause: error });
    });
  return {
    tab,
    requests,
    problems,
    wait,
    // Not awaited in the page: sending ends with the answer.
    send: (text) => tab.evaluate((text) => void chat.sendMessage({ text }), text),
    stop: () => tab.evaluate(() => chat.stop()),
    messages: () => tab.evaluate(() => chat.messages),
    json: (url) => tab.evaluate(async (url, headers) => (await fetch(url, { headers })).json(), url, user.headers),
  };
}

const types = (message) => message.parts.map(({ type }) => type);

async function answerStreams({ context, page, normal }) {
  const user = await register(normal);
  const chat = await openChat(context, page, user, randomUUID(), false);
  await chat.send('Add a task to buy milk');
  await chat.wait("chat.status === 'ready' && chat.messages.length === 2 || chat.status === 'error'");
  const [, answer] = await chat.messages();
  assert.ok(types(answer).includes('tool-add_task') && types(answer).includes('text'), JSON.stringify(answer));
  const tasks = await chat.json(user.tasks);
  assert.deepEqual(tasks.map(({ title }) => title), ['buy milk']);

  // The chat's own id names the conversation.
  await chat.send('Show my tasks');
  await chat.wait("chat.status === 'ready' && chat.messages.length === 4 || chat.status === 'error'");
  assert.match(JSON.stringify((await chat.messages()).at(-1).parts), /milk/i);
  assert.deepEqual(chat.problems, []);
}

async function stoppedStreamIsResumed({ context, page, slow }) {
  const user = await register(slow);
  const id = randomUUID();
  const chat = await openChat(context, page, user, id, false);
  await chat.send('Add a task to buy milk');
  // Still `submitted`: the SDK calls it `streaming` from the first part on.
  await chat.wait('chat.messages.at(-1)?.metadata?.conversation_id');
  await chat.stop();
  await chat.wait("chat.status === 'ready'");
  assert.ok(!JSON.stringify(await chat.messages()).includes('output-available'));
  await chat.tab.close();

  // The page is opened again: the SDK asks for the stream of this chat, which begins at the start of the turn.
  const again = await openChat(context, page, user, id, true);
  await again.wait("chat.status === 'ready' && chat.messages.length === 1 || chat.status === 'error'");
  const [answer] = await again.messages();
  assert.equal(answer.role, 'assistant');
  assert.ok(types(answer).includes('tool-add_task') && types(answer).includes('text'), JSON.stringify(answer));
  assert.ok(again.requests.some((request) => request.endsWith(`/chat/${id}/stream`)), again.requests.join('\n'));
  assert.deepEqual(again.problems, []);
}

async function chatWithoutTurnHasNothingToResume({ context, page, normal }) {
  const user = await register(normal);
  const id = randomUUID();
  const chat = await openChat(context, page, user, id, true);
  const response = await chat.tab
    .waitForResponse((response) => response.url().endsWith('/stream') && response.request().method() === 'GET', { timeout: 3000 })
    .catch(() => null);
  // The request may have been answered before the wait began.
  if (response) assert.equal(response.status(), 204);
  await chat.send('Add a task to buy milk');
  await chat.wait("chat.status === 'ready' && chat.messages.length === 2 || chat.status === 'error'");
  assert.ok(chat.requests.some((request) => request.endsWith(`/chat/${id}/stream`)), chat.requests.join('\n'));
  assert.deepEqual(chat.problems, []);
}

const cases = [
  ['an answer streams', answerStreams],
  ['a stopped stream is resumed', stoppedStreamIsResumed],
  ['a chat without a turn has nothing to resume', chatWithoutTurnHasNothingToResume],
];

let failed = 0;
await withServers(async ({ server, provider }) => {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const pages = await servePages(port);
  const settings = { CORS_ORIGINS: origin };
  const normal = await server('normal', { ...settings, LLM_PROVIDER: 'offline' });
  const slow = await server('slow', { ...settings, ...(await provider('--latency', '2s')) });
  const browser = await puppeteer.launch({ executablePath: chromium(), args: ['--no-sandbox'] });
  try {
    console.log(await browser.version());
    for (const { version } of VERSIONS) {
      for (const [name, run] of cases) {
        const context = await browser.createBrowserContext();
        const label = `AI SDK ${version}: ${name}`;
        try {
          await run({ context, page: `${origin}/${version}`, normal, slow });
          console.log(`ok: ${label}`);
        } catch (error) {
          failed += 1;
          console.error(`FAILED: ${label}`, error);
        } finally {
          await context.close();
        }
      }
    }
  } finally {
    await browser.close();
    pages.close();
  }
});
console.log(`${failed === 0 ? 'ok' : 'FAILED'}: ${VERSIONS.length * cases.length - failed} of ${VERSIONS.length * cases.length}`);
process.exitCode = failed === 0 ? 0 : 1;
