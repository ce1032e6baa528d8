//! Number of statements that account operations send, without `BEGIN` and `COMMIT`.

use std::num::NonZeroU16;

use domain::api_token::ApiTokenRepo as _;
use domain::page::PageRequest;
use domain::session::{Client, CodePurpose, Rotation, SessionRepo as _};
use domain::system::SystemRepo as _;
use domain::user::{UserPatch, UserRepo as _};
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, external, id, new_api_token, new_code, new_password, new_session, new_user, token};

on_both_databases!(
    authentication_reads_are_one_statement,
    a_write_is_one_statement_and_a_refused_link_two,
    a_write_to_several_tables_takes_few_statements,
);

/// Asserts the number of statements that a call sends.
macro_rules! sends {
    ($count:literal, $fixture:ident . $repo:ident . $method:ident ( $($argument:expr),* $(,)? )) => {{
        $fixture.statements();
        let answer = $fixture.$repo.$method($($argument),*).await;
        assert_eq!($fixture.statements().len(), $count, stringify!($method));
        answer
    }};
}

async fn authentication_reads_are_one_statement(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let session = fixture.session(owner).await?;
    let new = new_api_token(at(1))?;
    fixture.api_tokens.create(owner, session, new.clone()).await?;
    fixture.users.link(owner, session, external("1")?, at(1)).await?;
    sends!(1, fixture.sessions.status(owner, session, at(1)))?;
    sends!(1, fixture.sessions.status(owner, id(), at(1))).err();
    sends!(1, fixture.sessions.list(owner, PageRequest::first(NonZeroU16::MIN), at(1)))?;
    sends!(1, fixture.api_tokens.list(owner, PageRequest::first(NonZeroU16::MIN)))?;
    sends!(1, fixture.users.get(owner))?;
    sends!(1, fixture.users.credentials(owner))?;
    sends!(1, fixture.system.api_token(&new.hash))?;
    sends!(1, fixture.system.api_token(&token()))?;
    sends!(1, fixture.system.user_by_external_account(&external("1")?))?;
    Ok(())
}

async fn a_write_is_one_statement_and_a_refused_link_two(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = sends!(1, fixture.users.create(new_user("ada@example.com")?))?.id;
    let session = fixture.session(owner).await?;
    let (token, code) = (new_api_token(at(1))?, new_code(CodePurpose::Link, Some(session)));
    sends!(1, fixture.users.update(owner, UserPatch::default(), at(1)))?;
    sends!(1, fixture.sessions.touch(owner, session, Client::default(), at(1)))?;
    sends!(1, fixture.sessions.create_code(owner, code.clone()))?;
    sends!(1, fixture.system.redeem_code(&code.hash, CodePurpose::Link, at(1)))?;
    sends!(1, fixture.system.spend_state(&code.hash, at(1)))?;
    sends!(1, fixture.api_tokens.create(owner, session, token.clone()))?;
    sends!(1, fixture.api_tokens.touch(owner, token.id, at(2)))?;
    sends!(1, fixture.api_tokens.delete(owner, token.id))?;
    sends!(1, fixture.api_tokens.delete(owner, token.id)).err();
    sends!(1, fixture.users.link(owner, session, external("1")?, at(1)))?;
    sends!(2, fixture.users.link(owner, session, external("1")?, at(1)))?;
    sends!(2, fixture.users.link(owner, session, external("2")?, at(1))).err();
    sends!(2, fixture.users.link(owner, id(), external("2")?, at(1))).err();
    sends!(1, fixture.sessions.end(owner, session))?;
    sends!(1, fixture.users.delete(owner, 1)).err();
    sends!(1, fixture.users.delete(owner, 0))?;
    Ok(())
}

async fn a_write_to_several_tables_takes_few_statements(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let new = new_session(at(100_000_000));
    sends!(2, fixture.sessions.create(owner, new.clone()))?;
    sends!(1, fixture.sessions.create(id(), new_session(at(9)))).err();
    let rotation = Rotation {
        spent: new.refresh,
        next: token(),
        client: Client::default(),
        at: at(1),
        replaced_since: at(1),
        expires_at: at(200_000_000),
    };
    sends!(3, fixture.sessions.rotate(owner, new.id, rotation.clone()))?;
    sends!(3, fixture.sessions.rotate(owner, new.id, rotation.clone()))?;
    sends!(3, fixture.sessions.rotate(owner, new.id, Rotation { replaced_since: at(2), ..rotation })).err();
    sends!(2, fixture.sessions.end_all(owner))?;
    sends!(6, fixture.users.change_password(owner, new_password(0), at(1)))?;
    sends!(1, fixture.users.change_password(owner, new_password(0), at(1))).err();
    sends!(2, fixture.users.create_external(new_user("ada@example.com")?, external("1")?))?;
    sends!(1, fixture.users.create_external(new_user("eve@example.com")?, external("1")?)).err();
    sends!(2, fixture.users.create_external(new_user("ada@example.com")?, external("2")?)).err();
    sends!(4, fixture.system.delete_expired(at(1)))?;
    Ok(())
}
