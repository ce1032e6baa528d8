//! Response bodies that several routes and streams share.

pub(crate) mod account;
pub(crate) mod change;
pub(crate) mod conflict;
pub(crate) mod receipt;
pub(crate) mod task;
pub(crate) mod tool_call;
