//! Tests of the HTTP API against a running server.

mod account {
    //! Accounts, sessions and sign-in.

    mod auth;
    mod google;
    mod refresh;
    mod sessions;
}
mod chat {
    //! Turns, their answers and what they change.

    mod conversations;
    mod idempotency;
    mod leases;
    mod pending {
        //! Pending actions: deletions and edits beyond the limit wait for a confirmation.

        mod confirmation;
        mod fixture;
        mod limit;
    }
    mod receipts;
    mod streaming;
    mod turns;
}
mod sync {
    //! The ledger, its events and undo.

    mod events;
    mod ledger;
    mod undo;
}

mod access_matrix;
mod all_routes;
mod frontends;
mod health;
mod idempotency;
mod isolation;
mod limits;
mod metrics;
mod nginx;
mod pooler;
mod shared_limits;
mod statements;
mod tasks;
mod text;
mod trash;
