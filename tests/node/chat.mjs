// Drives running servers with the AI SDK's own client: the transport that a web page's `useChat` uses, and the chat
// behind it. What the frames are, byte for byte, is held by the Rust tests; this says that the real reader takes them.
//
//   BASE_URL     a server that answers                                  (http://127.0.0.1:8000)
//   SLOW_URL     one whose model takes a second or more for each reply  (cases 2 and 4)
//   FAILING_URL  one whose model fails                                  (case 3)
//
// `run.mjs` starts all three and then this.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Chat } from '@ai-sdk/react';
import { DefaultChatTransport, generateId, readUIMessageStream } from 'ai';

const BASE_URL = process.env.BASE_URL ?? 'http://127.0.0.1:8000';
const { SLOW_URL, FAILING_URL } = process.env;

/** Whatever is waited for has to come within this, in milliseconds. */
const DEADLINE = 30_000;

/** Somebody with an account on the server at `url`. */
async function register(url) {
  const account = { email: `${randomUUID()}@example.com`, password: randomUUID() };
  const answer = await fetch(`${url}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(account),
  });
  const session = await answer.json();
  assert.equal(answer.status, 201, JSON.stringify(session));
  const headers = { authorization: `Bearer ${session.access_token}` };
  const api = `${url}/api/${session.user.id}`;
  return {
    api,
    headers,
    call: (method, path) => fetch(`${api}${path}`, { method, headers }),
    async messages(conversation) {
      const answer = await fetch(`${api}/conversations/${conversation}/messages`, { headers });
      assert.equal(answer.status, 200);
      return answer.json();
    },
  };
}

/** The SDK's transport as a page sets it up, which also notes what comes by. */
class NotingTransport extends DefaultChatTransport {
  constructor(somebody) {
    const noted = { chunks: [], answers: [], conversation: undefined };
    super({
      api: `${somebody.api}/chat`,
      headers: somebody.headers,
      // The SDK would ask `${api}/${id}/stream`; the server knows a running turn by its conversation.
      prepareReconnectToStreamRequest: ({ headers }) => ({
        api: `${somebody.api}/conversations/${noted.conversation}/stream`,
        headers,
      }),
      fetch: async (...request) => {
        const answer = await fetch(...request);
        noted.answers.push(answer);
        return answer;
      },
    });
    this.noted = noted;
  }

  /** The types of the chunks so far, in order. */
  get types() {
    return this.noted.chunks.map((chunk) => chunk.type);
  }

  processResponseStream(stream) {
    const note = new TransformStream({
      transform: (chunk, controller) => {
        this.noted.chunks.push(chunk);
        controller.enqueue(chunk);
      },
    });
    return super.processResponseStream(stream).pipeThrough(note);
  }
}

/** Waits until `condition` gives something. */
async function until(what, condition) {
  const begun = Date.now();
  for (;;) {
    const found = condition();
    if (found) return found;
    assert.ok(Date.now() - begun < DEADLINE, `waited in vain for ${what}`);
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

/** A message's parts, one to a line. */
function show(message) {
  for (const part of message.parts) {
    const { type, state } = part;
    if (type === 'text') console.log(`    text (${state}): ${JSON.stringify(part.text)}`);
    else if (type.startsWith('tool-')) {
      const came = part.output === undefined ? part.errorText : part.output.message;
      console.log(`    ${type} (${state}): ${JSON.stringify(part.input)} -> ${JSON.stringify(came)}`);
    } else console.log(`    ${type}`);
  }
  console.log(`    metadata: ${JSON.stringify(message.metadata)}`);
}

/** What the client has made of the stream is what the server has stored. */
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

async function anAnswerIsReadIntoAMessage() {
  const somebody = await register(BASE_URL);
  const transport = new NotingTransport(somebody);
  const chatId = generateId();
  const history = [userMessage('Add a task to buy milk')];

  const stream = await transport.sendMessages({ chatId, messages: history, trigger: 'submit-message' });
  const [answer] = transport.noted.answers;
  assert.equal(answer.headers.get('x-vercel-ai-ui-message-stream'), 'v1');
  assert.match(answer.headers.get('content-type'), /^text\/event-stream/);
  let message;
  const failed = (error) => assert.fail(error);
  for await (const state of readUIMessageStream({ stream, onError: failed })) message = state;
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
  const conversation = message.metadata.conversation_id;
  assertStored(message, (await somebody.messages(conversation)).at(-1));

  // The next message as a page sends it: the whole history goes along and the chat's id names the conversation.
  const chat = new Chat({ id: chatId, transport, messages: [...history, message] });
  await chat.sendMessage({ text: 'Show my tasks' });
  assert.equal(chat.status, 'ready', chat.error?.message);
  assert.equal(chat.messages.length, 4);
  show(chat.lastMessage);
  assert.equal(chat.lastMessage.metadata.conversation_id, conversation);
  const stored = await somebody.messages(conversation);
  assert.equal(stored.length, 4);
  assertStored(chat.lastMessage, stored.at(-1));
}

async function aStoppedTurnEndsAborted() {
  const somebody = await register(SLOW_URL);
  const transport = new NotingTransport(somebody);
  const chat = new Chat({ transport });
  const sent = chat.sendMessage({ text: 'Add a task to buy milk' });
  const conversation = await until('the turn to begin', () => chat.lastMessage?.metadata?.conversation_id);

  assert.equal((await somebody.call('POST', `/conversations/${conversation}/stop`)).status, 202);
  await sent;
  show(chat.lastMessage);
  assert.equal(chat.status, 'ready', chat.error?.message);
  assert.equal(transport.types.at(-1), 'abort');
  assert.equal(chat.lastMessage.metadata.status, 'stopped');
  assert.ok(chat.lastMessage.parts.every((part) => !['streaming', 'input-available'].includes(part.state)));
  assertStored(chat.lastMessage, (await somebody.messages(conversation)).at(-1));

  const again = await somebody.call('POST', `/conversations/${conversation}/stop`);
  assert.equal(again.status, 409);
  assert.equal((await again.json()).code, 'NO_TURN');
}

async function aFailedTurnSurfacesWithItsCode() {
  const somebody = await register(FAILING_URL);
  const transport = new NotingTransport(somebody);
  const chat = new Chat({ transport });
  await chat.sendMessage({ text: 'Add a task to buy milk' });
  show(chat.lastMessage);
  console.log(`    error: ${chat.error?.message}`);
  assert.equal(chat.status, 'error');
  assert.ok(chat.error.message.length > 0);
  assert.equal(transport.types.at(-1), 'error');
  assert.match(chat.lastMessage.metadata.code, /^AI_/);
  assert.equal(chat.lastMessage.metadata.status, 'failed');

  // Another try is the same message, not a second one.
  await chat.regenerate();
  assert.equal(chat.status, 'error');
  const stored = await somebody.messages(chat.lastMessage.metadata.conversation_id);
  assert.deepEqual(
    stored.map(({ role, status }) => [role, status]),
    [
      ['user', 'complete'],
      ['assistant', 'failed'],
    ],
  );
  assertStored(chat.lastMessage, stored.at(-1));
}

async function aRunningStreamIsTakenUpAgain() {
  const somebody = await register(SLOW_URL);
  const first = new NotingTransport(somebody);
  const lost = new Chat({ transport: first });
  const sent = lost.sendMessage({ text: 'Add a task to buy milk' });
  const conversation = await until('the turn to begin', () => lost.lastMessage?.metadata?.conversation_id);
  // `stop` of the SDK closes the connection, as a page does that is reloaded. The turn goes on.
  await lost.stop();
  await sent;
  assert.ok(!first.types.includes('finish'));

  const second = new NotingTransport(somebody);
  second.noted.conversation = conversation;
  const chat = new Chat({ transport: second, messages: lost.messages.slice(0, 1) });
  await chat.resumeStream();
  assert.equal(chat.status, 'ready', chat.error?.message);
  show(chat.lastMessage);
  assert.equal(second.types.at(0), 'start');
  assert.equal(second.types.at(-1), 'finish');
  assert.equal(chat.messages.length, 2);
  assertStored(chat.lastMessage, (await somebody.messages(conversation)).at(-1));

  // Nothing runs any more: there is nothing to take up.
  assert.equal(await second.reconnectToStream({ chatId: chat.id }), null);
}

const cases = [
  ['an answer is read into a message with text and tool parts', anAnswerIsReadIntoAMessage],
  ['a stopped turn ends aborted', aStoppedTurnEndsAborted, { SLOW_URL }],
  ['a failed turn surfaces with its code', aFailedTurnSurfacesWithItsCode, { FAILING_URL }],
  ['a running stream is taken up again', aRunningStreamIsTakenUpAgain, { SLOW_URL }],
];

let passed = 0;
let red = 0;
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
    red += 1;
  }
}
console.log(`${red === 0 ? 'ok' : 'FAILED'}: ${passed} of ${cases.length}`);
process.exitCode = red === 0 ? 0 : 1;
