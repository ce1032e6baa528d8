//! Tests of the whole application on mocked ports. Every response is checked against the OpenAPI document.

mod all_routes;
mod connection;
mod routes;
mod support;
