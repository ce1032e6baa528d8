//! The contract of `RateLimiter` on both adapters, and what the one on Redis does when the server fails. Redis's clock
//! cannot be set: its tests let time pass by moving what is stored into the past, and limits restore so slowly that the
//! time that really passes does not matter.

mod contract;
mod outages;
mod refusals;
mod server;
mod storage;
mod subject;
mod tls;
