//! Shared by the tests: the application on mocked ports, requests, responses and fixtures.

mod chat;
mod document;
mod ledger;
mod monitor;
mod ports;
mod socket;
mod stream_reader;
mod test_response;
mod tokens;
mod turn_signals;

pub(crate) use chat::{
    CHAT, chat_request, conversation, conversation_repo, ports_with_llm, receipt, repo_starting_turns, started_turn,
};
pub(crate) use document::{DOCUMENT, operations, resolve};
pub(crate) use ledger::{accept_commits, entry, renamed};
pub(crate) use monitor::RecordingMonitor;
pub(crate) use ports::{
    API_TOKEN, CONVERSATION, KEEP_ALIVE, ME, MESSAGE, OPERATION, OTHER, Ports, TASK, TOKEN, anonymous, fill_path, head,
    json, me, now, session_status, signed_in, task, user,
};
pub(crate) use socket::{exchange, raw_chat_request, with_server};
pub(crate) use stream_reader::{Chunk, Event, FakeLedger, StreamReader, events};
pub(crate) use test_response::TestResponse;
pub(crate) use tokens::mock_tokens;
