//! What the ports of `domain` promise about storage, on SQLite and on PostgreSQL, and what this crate promises beyond.

mod away;
mod conversation;
mod fixture;
mod isolation;
mod limits;
mod message;
mod options;
mod owner;
mod plans;
mod session;
mod sqlite;
mod system;
mod task;
mod task_change;
mod task_effect;
mod task_effect_race;
mod task_list;
mod turn;
mod turn_fence;
mod turn_offer;
mod turn_once;
mod turn_once_race;
mod turn_race;
mod turn_resume;
mod turn_stored;
mod user;
