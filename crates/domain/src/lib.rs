//! The heart of Doable: what a task, a conversation and an account are, what may be done with them, and which
//! ports the outside world has to fill.
//!
//! Deliberately not here: I/O, an async runtime, a clock, randomness, a database, HTTP. They come in through the
//! ports (traits) that adapters implement and `app` wires together.
//!
//! | module | what it holds |
//! |---|---|
//! | [`task`] | tasks, [`task::TaskRepo`], [`task::TaskService`] |
//! | [`tool`] | the five tools: [`tool::ToolExecutor`], [`tool::TaskTools`] |
//! | [`chat`] | [`chat::ChatService`]: a message in, a finished turn out |
//! | [`conversation`], [`message`], [`turn`] | what a chat leaves behind, and [`conversation::ConversationRepo`] |
//! | [`llm`] | [`llm::LlmClient`]: one call of a language model as a stream of events |
//! | [`account`] | [`account::AccountService`]: register, log in, refresh, log out, authenticate |
//! | [`user`], [`session`], [`api_token`] | accounts, their sessions and their API tokens, with their repositories |
//! | [`secret`] | random texts that open something, of which only hashes are stored |
//! | [`rate_limit`] | [`rate_limit::RateLimiter`]: how often somebody may do something |
//! | [`system`] | [`system::SystemRepo`]: the few look-ups without an owner |
//! | [`runtime`] | [`runtime::Clock`], [`runtime::IdGenerator`], [`runtime::Background`], [`runtime::FailureLog`]; [`turn::TurnSignals`] is in [`turn`] |

pub mod account;
pub mod api_token;
pub mod change;
pub mod chat;
pub mod conversation;
pub mod health;
pub mod id;
pub mod llm;
pub mod message;
pub mod page;
pub mod patch;
pub mod principal;
pub mod rate_limit;
pub mod runtime;
pub mod secret;
pub mod session;
pub mod storage;
pub mod system;
pub mod task;
pub mod text;
pub mod tool;
pub mod turn;
pub mod user;
