//! The schema goes up and down on both databases, keeps wrong rows out, and does not change once it has landed.

mod checksums;
mod owner;
mod rows;
mod rules;
mod up_down;
mod walk;
