//! The sessions of many users at once.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::SessionId;
use domain::session::{Client, SessionRepo as _};
use domain::system::SystemRepo as _;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, id, new_session};

on_both_databases!(
    the_status_of_active_sessions_is_returned_for_all_at_once,
    the_use_of_sessions_is_recorded_for_all_at_once_and_a_later_one_is_kept,
);

async fn the_status_of_active_sessions_is_returned_for_all_at_once(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, bob) = (fixture.user().await?, fixture.user().await?);
    let active = [fixture.session(ada).await?, fixture.session(ada).await?, fixture.session(bob).await?];
    let ended = fixture.session(bob).await?;
    fixture.sessions.end(bob, ended).await?;
    let expired = fixture.sessions.create(ada, new_session(at(5))).await?.id;
    fixture.session(ada).await?;
    let mut sessions: Vec<SessionId> = (0..9_000).map(|_| id()).collect();
    sessions.extend([active.as_slice(), &[ended, expired]].concat());
    let found: BTreeMap<_, _> = fixture.system.session_statuses(&sessions, at(5)).await?.into_iter().collect();
    assert_eq!(found.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from(active));
    for (owner, session) in [(ada, active[0]), (ada, active[1]), (bob, active[2])] {
        assert_eq!(found[&session], fixture.sessions.status(owner, session, at(5)).await?);
    }
    Ok(())
}

async fn the_use_of_sessions_is_recorded_for_all_at_once_and_a_later_one_is_kept(
    test: TestDatabase,
) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let (ada, bob) = (fixture.user().await?, fixture.user().await?);
    let [early, later, other] = [fixture.session(ada).await?, fixture.session(ada).await?, fixture.session(bob).await?];
    fixture.sessions.touch(ada, later, Client::default(), at(9)).await?;
    fixture.system.touch_sessions(&[early, later, id()], at(5)).await?;
    for (owner, session, used_at) in [(ada, early, at(5)), (ada, later, at(9)), (bob, other, at(0))] {
        assert_eq!(fixture.sessions.status(owner, session, at(10)).await?.last_used_at, used_at);
    }
    Ok(())
}
