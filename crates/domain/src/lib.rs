//! The domain of Doable: entities, value types, use cases, and the ports (traits) that adapters implement.
//!
//! Pure: I/O, the async runtime, time and randomness are behind the ports, which `app` wires to adapters.
//!
//! | module | contents |
//! |---|---|
//! | [`task`] | tasks, [`task::TaskRepo`], [`task::TaskService`] |
//! | [`change`] | the ledger of changes: [`change::Ledger`], [`change::ChangeRepo`], [`change::ChangeService`] |
//! | [`tool`] | the tools of assistants: [`tool::ToolExecutor`], [`tool::TaskTools`] |
//! | [`chat`] | [`chat::ChatService`]: turns, their events and [`chat::TurnSignals`] |
//! | [`conversation`] | stored conversations with their messages and turns, and [`conversation::ConversationRepo`] |
//! | [`llm`] | [`llm::LlmClient`]: a call of a language model as a stream of events |
//! | [`account`] | [`account::AccountService`]: register, log in, refresh, log out, authenticate |
//! | [`user`], [`session`], [`api_token`] | accounts, their sessions and their API tokens, with their repositories |
//! | [`secret`] | random tokens and codes, of which only hashes are stored |
//! | [`system`] | [`system::SystemRepo`]: queries without an owner |
//! | [`runtime`] | [`runtime::Clock`], [`runtime::Timer`], [`runtime::IdGenerator`], [`runtime::Background`], [`runtime::FailureLog`], [`runtime::event_log::EventLog`], [`runtime::rate_limit::RateLimiter`], [`runtime::readiness::Readiness`] |

pub mod account;
pub mod api_token;
pub mod change;
pub mod chat;
pub mod conversation;
pub mod id;
pub mod llm;
pub mod page;
pub mod patch;
pub mod principal;
pub mod runtime;
pub mod secret;
pub mod session;
pub mod storage;
pub mod system;
pub mod task;
pub mod text;
pub mod tool;
pub mod user;
