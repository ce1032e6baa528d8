// Tests `adapter.mjs` and the AI SDK's client against running servers: the transport and the chat state behind a web
// page's `useChat`. The bytes of each frame are tested in Rust; these tests show that the SDK reads them.
//
//   BASE_URL     a server with the built-in assistant                        (http://127.0.0.1:8000)
//   SLOW_URL     a server whose model takes a second or more for each reply  (cases 2 and 4)
//   FAILING_URL  a server whose model fails                                  (case 3)
//
// `run.mjs` starts all three and then runs this file.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Chat } from '@ai-sdk/react';
import { DefaultChatTransport, generateId, readUIMessageStream } from 'ai';
import { confirmPending, conversationOf, errorText, loadMessages, stopTurn, transportOptions, undoTurn } from './adapter.mjs';

const BASE_URL = process.env.BASE_URL ?? 'http://127.0.0.1:8000';
const { SLOW_URL, FAILING_URL } = process.env;

/** Maximum time of each wait, in milliseconds. */
const DEADLINE = 30_000;

/** Registers a user and returns the adapter's options, with functions that read what the server has stored. */
async function register(url) {
  const account = { email: `${randomUUID()}@example.com`, password: randomUUID() };
  const response = await fetch(`${url}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(account),
  });
  const session = await response.json();
  assert.equal(response.status, 201, JSON.stringify(session));
  const headers = () => ({ authorization: `Bearer ${session.access_token}` });
  const api = `${url}/api/${session.user.id}`;
  const get = async (path) => {
    const response = await fetch(`${api}${path}`, { headers: headers() });
    assert.equal(response.status, 200);
    return response.json();
  };
  return {
    api,
    headers,
    messages: (conversation) => get(`/conversations/${conversation}/messages`),
    tasks: () => get('/tasks'),
  };
}

/** The adapter's transport, which also records chunks and responses. */
class RecordingTransport extends DefaultChatTransport {
  constructor(user) {
    const recorded = { chunks: [], responses: [] };
    super({
      ...transportOptions(user),
      fetch: async (...request) => {
        const response = await fetch(...request);
        recorded.responses.push(response);
        return response;
      },
    });
    this.recorded = recorded;
  }

  /** The types of the chunks so far, in order. */
  get types() {
    return this.recorded.chunks.map((chunk) => chunk.type);
  }

  processResponseStream(stream) {
    const record = new TransformStream({
      transform: (chunk, controller) => {
        this.recorded.chunks.push(chunk);
        controller.enqueue(chunk);
      },
    });
    return super.processResponseStream(stream).pipeThrough(record);
  }
}

/** Waits until `condition` returns a truthy value, and returns it. */
async function until(what, condition) {
  const started = Date.now();
  for (;;) {
    const value = condition();
    if (value) return value;
    assert.ok(Date.now() - started < DEADLINE, `timed out waiting for ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

const userMessage = (text) => ({ id: generateId(), role: 'user', parts: [{ type: 'text', text }] });
const text = (message) =>
  message.parts
    .filter((part) => part.type === 'text')
    .map((part) => part.text)
    .join('\n');
const tools = (message) => message.parts.filter((part) => part.type.startsWith('tool-'));

/** Prints a message, one part to a line. */
function show(message) {
  for (const part of message.parts) {
    const { type, state } = part;
    if (type === 'text') console.log(`    text (${state}): ${JSON.stringify(part.text)}`);
    else if (type.startsWith('tool-')) {
      const output = part.output === undefined ? part.errorText : part.output.message;
      console.log(`    ${type} (${state}): ${JSON.stringify(part.input)} -> ${JSON.stringify(output)}`);
    } else console.log(`    ${type}`);
  }
  console.log(`    metadata: ${JSON.stringify(message.metadata)}`);
}

/** Asserts that the client's message equals the stored one. */
function assertStored(message, stored) {
  assert.equal(message.id, stored.id);
  assert.equal(message.metadata.status, stored.status);
  assert.deepEqual(message.metadata.changes, stored.changes);
  assert.equal(message.metadata.undoable, stored.undoable);
  assert.equal(text(message).replace(/\s+/g, ' '), stored.content.replace(/\s+/g, ' '));
  assert.deepEqual(
    tools(message).map((part) => ({ tool: part.type.slice('tool-'.length), parameters: part.input })),
    stored.tool_calls.map(({ tool, parameters }) => ({ tool, parameters })),
  );
}

async function streamedAnswerBecomesMessage() {
  const user = await register(BASE_URL);
  const transport = new RecordingTransport(user);
  const chatId = generateId();
  const history = [userMessage('Add a task to buy milk')];

  const stream = await transport.sendMessages({ chatId, messages: history, trigger: 'submit-message' });
  const [response] = transport.recorded.responses;
  assert.equal(response.headers.get('x-vercel-ai-ui-message-stream'), 'v1');
  assert.match(response.headers.get('content-type'), /^text\/event-stream/);
  let message;
  const onError = (error) => assert.fail(error);
  for await (const state of readUIMessageStream({ stream, onError })) message = state;
  show(message);

  assert.equal(transport.types.at(0), 'start');
  assert.equal(transport.types.at(-1), 'finish');
  const [added] = tools(message);
  assert.equal(added.type, 'tool-add_task');
  assert.equal(added.state, 'output-available');
  assert.equal(added.output.success, true);
  assert.match(JSON.stringify(added.output.data), /buy milk/i);
  assert.ok(message.parts.some((part) => part.type === 'text' && part.state === 'done'));
  assert.equal(typeof message.metadata.usage.tokens_in, 'number');
  const conversation = conversationOf([message], chatId);
  assertStored(message, (await user.messages(conversation)).at(-1));

  // The chat's own id names the conversation for the next message.
  const chat = new Chat({ id: chatId, transport, messages: [...history, message] });
  await chat.sendMessage({ text: 'Show my tasks' });
  assert.equal(chat.status, 'ready', chat.error?.message);
  assert.equal(chat.messages.length, 4);
  show(chat.lastMessage);
  assert.equal(conversationOf(chat.messages, chatId), conversation);
  const stored = await user.messages(conversation);
  assert.equal(stored.length, 4);
  assertStored(chat.lastMessage, stored.at(-1));
}

async function stoppedTurnEndsAborted() {
  const user = await register(SLOW_URL);
  const transport = new RecordingTransport(user);
  const chat = new Chat({ transport });
  const sent = chat.sendMessage({ text: 'Add a task to buy milk' });
  const conversation = await until('the turn to start', () => chat.lastMessage?.metadata?.conversation_id);

  assert.equal((await stopTurn(user, conversation)).status, 202);
  await sent;
  show(chat.lastMessage);
  assert.equal(chat.status, 'ready', chat.error?.message);
  assert.equal(transport.types.at(-1), 'abort');
  assert.equal(chat.lastMessage.metadata.status, 'stopped');
  assert.ok(chat.lastMessage.parts.every((part) => !['streaming', 'input-available'].includes(part.state)));
  assertStored(chat.lastMessage, (await user.messages(conversation)).at(-1));

  const again = await stopTurn(user, conversation);
  assert.equal(again.status, 409);
  assert.equal((await again.json()).code, 'NO_TURN');
}

async function failedTurnReportsItsCode() {
  const user = await register(FAILING_URL);
  const transport = new RecordingTransport(user);
  const chat = new Chat({ transport });
  await chat.sendMessage({ text: 'Add a task to buy milk' });
  show(chat.lastMessage);
  console.log(`    error: ${chat.error?.message}`);
  assert.equal(chat.status, 'error');
  assert.ok(errorText(chat.error).length > 0);
  assert.equal(transport.types.at(-1), 'error');
  assert.match(chat.lastMessage.metadata.code, /^AI_/);
  assert.equal(chat.lastMessage.metadata.status, 'failed');

  // A retry is the same message, not a second one.
  await chat.regenerate();
  assert.equal(chat.status, 'error');
  const stored = await user.messages(conversationOf(chat.messages, chat.id));
  assert.deepEqual(
    stored.map(({ role, status }) => [role, status]),
    [
      ['user', 'complete'],
      ['assistant', 'failed'],
    ],
  );
  assertStored(chat.lastMessage, stored.at(-1));

  // A request that is refused before the stream starts has a problem document as its error.
  const refused = new Chat({ transport: new RecordingTransport({ ...user, headers: () => ({}) }) });
  await refused.sendMessage({ text: 'Show my tasks' });
  const problem = JSON.parse(refused.error.message);
  assert.equal(problem.status, 401);
  assert.equal(errorText(refused.error), problem.message);
}

async function runningStreamIsResumed() {
  const user = await register(SLOW_URL);
  const first = new RecordingTransport(user);
  const lost = new Chat({ transport: first });
  const sent = lost.sendMessage({ text: 'Add a task to buy milk' });
  const conversation = await until('the turn to start', () => lost.lastMessage?.metadata?.conversation_id);
  // `stop` of the SDK closes the connection, as reloading a page does. The turn continues.
  await lost.stop();
  await sent;
  assert.ok(!first.types.includes('finish'));

  const second = new RecordingTransport(user);
  const chat = new Chat({ id: conversation, transport: second, messages: await loadMessages(user, conversation) });
  assert.equal(chat.messages.length, 1);
  await chat.resumeStream();
  assert.equal(chat.status, 'ready', chat.error?.message);
  show(chat.lastMessage);
  assert.equal(second.types.at(0), 'start');
  assert.equal(second.types.at(-1), 'finish');
  assert.equal(chat.messages.length, 2);
  assertStored(chat.lastMessage, (await user.messages(conversation)).at(-1));

  // No turn is running any more.
  assert.equal(await second.reconnectToStream({ chatId: chat.id }), null);
}

async function pendingActionIsConfirmedAndUndone() {
  const user = await register(BASE_URL);
  const chat = new Chat({ transport: new RecordingTransport(user) });
  await chat.sendMessage({ text: 'Add milk, eggs, bread and rice' });
  await chat.sendMessage({ text: 'clear my list' });
  assert.equal(chat.status, 'ready', chat.error?.message);
  show(chat.lastMessage);
  const { pending } = chat.lastMessage.metadata;
  assert.equal(pending.items.length, 4);
  assert.equal((await user.tasks()).length, 4);

  const conversation = conversationOf(chat.messages, chat.id);
  assert.equal((await confirmPending(user, conversation, pending)).status, 200);
  assert.deepEqual(await user.tasks(), []);

  const loaded = await loadMessages(user, conversation);
  assert.deepEqual(loaded.map(({ role }) => role), ['user', 'assistant', 'user', 'assistant', 'user', 'assistant']);
  show(loaded.at(-1));
  assert.equal(loaded.at(-1).metadata.changes.length, 4);
  assert.equal((await undoTurn(user, conversation, loaded.at(-1).id)).status, 200);
  assert.equal((await user.tasks()).length, 4);

  // Loaded messages are accepted as the start of a chat.
  const reopened = new Chat({ id: conversation, transport: new RecordingTransport(user), messages: loaded });
  await reopened.sendMessage({ text: 'Show my tasks' });
  assert.equal(reopened.status, 'ready', reopened.error?.message);
  assert.equal((await user.messages(conversation)).length, 8);
}

const cases = [
  ['a streamed answer becomes a message with text and tool parts', streamedAnswerBecomesMessage],
  ['a stopped turn ends aborted', stoppedTurnEndsAborted, { SLOW_URL }],
  ['a failed turn reports its code', failedTurnReportsItsCode, { FAILING_URL }],
  ['a running stream is resumed', runningStreamIsResumed, { SLOW_URL }],
  ['a pending action is confirmed and undone', pendingActionIsConfirmedAndUndone],
];

let passed = 0;
let failed = 0;
for (const [name, run, needs = {}] of cases) {
  const missing = Object.keys(needs).filter((name) => !needs[name]);
  if (missing.length > 0) {
    console.log(`not run: ${name}: ${missing.join(', ')} is not set`);
    continue;
  }
  console.log(name);
  try {
    await run();
    passed += 1;
  } catch (error) {
    console.error(error);
    failed += 1;
  }
}
console.log(`${failed === 0 ? 'ok' : 'FAILED'}: ${passed} of ${cases.length}`);
process.exitCode = failed === 0 ? 0 : 1;
