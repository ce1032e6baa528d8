//! Connections: parsing, timeouts and limits.

mod request_heads;
mod slow_clients;
mod socket;
mod timeouts;
