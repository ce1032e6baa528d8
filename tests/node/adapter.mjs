// Connects the AI SDK's `useChat` (npm: `ai` 7, `@ai-sdk/react`) to Doable. Copy this file into a web page's sources.
// docs/streaming.md shows its use; `chat.mjs` tests it against running servers.
//
// `api` is the server's address followed by `/api/` and the user's id. `headers` returns the request headers with the
// access token: `() => ({ Authorization: `Bearer ${token}` })`.

/** Returns the options of a `DefaultChatTransport`. */
export function transportOptions({ api, headers }) {
  return {
    api: `${api}/chat`,
    headers,
    // The server stores the conversation, so the last message is enough. A body has at most 1 MiB.
    prepareSendMessagesRequest: ({ id, messages, trigger }) => ({ body: { id, trigger, messages: messages.slice(-1) } }),
    prepareReconnectToStreamRequest: ({ id }) => ({ api: `${api}/conversations/${id}/stream` }),
  };
}

/** Loads a conversation as the initial `messages` of `useChat`. A message that is still running comes by its stream. */
export async function loadMessages({ api, headers }, conversation) {
  const response = await fetch(`${api}/conversations/${conversation}/messages`, { headers: headers() });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()).filter(({ status }) => status !== 'running').map(toUiMessage);
}

/** Converts a stored message to a `UIMessage`. */
export function toUiMessage({ id, role, parts, status, changes, undoable, pending }) {
  return { id, role, metadata: { status, changes, undoable, pending }, parts: parts.flatMap(toUiParts) };
}

function toUiParts(part) {
  if (part.type === 'text' || part.type === 'notice') return [{ type: 'text', text: part.text }];
  // A provider's plan, or a type that a later server adds.
  if (part.type !== 'tool_call') return [];
  const call = {
    type: `tool-${part.tool}`,
    toolCallId: part.id,
    input: part.parameters,
    providerExecuted: true,
  };
  return part.result
    ? [{ ...call, state: 'output-available', output: part.result }]
    : [{ ...call, state: 'output-error', errorText: 'The turn ended before this tool ran.' }];
}

/** Returns an error's text: before the first event it is a problem document (RFC 9457), after it plain text. */
export function errorText({ message }) {
  try {
    return JSON.parse(message).message ?? message;
  } catch {
    return message;
  }
}

/** Returns the id of the conversation in the server. `chatId` is the id of `useChat`. */
export function conversationOf(messages, chatId) {
  return messages.findLast(({ metadata }) => metadata?.conversation_id)?.metadata.conversation_id ?? chatId;
}

/** Stops the running turn. The SDK's own `stop()` closes only the connection, and the turn continues. */
export function stopTurn(options, conversation) {
  return post(options, `/conversations/${conversation}/stop`);
}

/** Confirms a pending action: `metadata.pending` of a message. List the messages afterwards. */
export function confirmPending(options, conversation, pending) {
  return post(options, '/chat', { conversation_id: conversation, confirm: pending.id });
}

/** Undoes everything that the turn of an assistant's message changed. */
export function undoTurn(options, conversation, message) {
  return post(options, `/conversations/${conversation}/messages/${message}/undo`);
}

function post({ api, headers }, path, body) {
  const json = body && { 'Content-Type': 'application/json' };
  return fetch(`${api}${path}`, {
    method: 'POST',
    headers: { ...headers(), ...json },
    body: body && JSON.stringify(body),
  });
}
