//! Errors: their codes, their bodies (RFC 9457), and the mapping from errors to both.

mod code;
mod details;
mod error;
mod provider;

pub(crate) use code::Code;
pub(crate) use details::{MEDIA_TYPE, Problem, ProblemBody};
pub(crate) use error::{ApiError, RequestError, turn_failure};
