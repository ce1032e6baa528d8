//! Tests of the schema on both databases: migrations up and down, constraints, ownership, checksums.

mod checksums;
mod owner;
mod rows;
mod rules;
mod up_down;
mod walk;
