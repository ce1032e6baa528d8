//! Tests of the whole system with a language model provider that fails or works over the network.

mod conversations;
mod failures;
mod provider;
mod provider_data;
