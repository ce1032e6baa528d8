// The page of the browser tests: a component with `useChat` and the SDK's default transport, driven by `window`.

import { useChat } from '@ai-sdk/react';
import { DefaultChatTransport } from 'ai';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';

function Page({ id, resume, transport }) {
  window.chat = useChat({ id, resume, transport });
  return null;
}

/** Opens the chat `id`. `fetch` is the browser's own, so each request to another origin has a preflight. */
window.openChat = ({ id, resume, api, headers }) => {
  const transport = new DefaultChatTransport({ api, headers });
  createRoot(document.body).render(createElement(Page, { id, resume, transport }));
};
