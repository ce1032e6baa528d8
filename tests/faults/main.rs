//! The whole system while something that it depends on misbehaves.

mod failures;
mod provider;
mod sessions;
