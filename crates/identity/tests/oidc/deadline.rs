//! A provider that takes its time: there is an answer after 5 seconds, by the clock's word.

use std::fmt::Debug;
use std::pin::pin;
use std::task::Poll;

use chrono::TimeDelta;
use domain::account::IdentityProvider as _;
use futures_util::poll;
use test_openid::{Fault, Page};

use crate::fixture::{Fixture, unavailable};

const ALMOST: TimeDelta = TimeDelta::milliseconds(4_999);
const THE_REST: TimeDelta = TimeDelta::milliseconds(1);

/// What came of it: waiting any longer might have no end.
#[track_caller]
fn by_now<T: Debug>(polled: Poll<T>) -> T {
    match polled {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("it is still waiting"),
    }
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_given_up_after_5_seconds_when_somebody_begins() {
    for page in [Page::Discovery, Page::Keys] {
        let fixture = Fixture::new().await;
        fixture.server.fail(page, Fault::Silent);
        let mut beginning = pin!(fixture.begin());
        fixture.until_asked(&mut beginning, page, 1).await;
        fixture.advance(ALMOST);
        assert!(poll!(&mut beginning).is_pending(), "{page:?}");
        fixture.advance(THE_REST);
        assert!(unavailable(by_now(poll!(&mut beginning))).contains("did not answer in time"), "{page:?}");
    }
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_given_up_after_5_seconds_when_somebody_is_back() {
    let fixture = Fixture::new().await;
    fixture.server.fail(Page::Token, Fault::Silent);
    let (code, proof) = fixture.back().await;
    let mut finishing = pin!(fixture.provider.finish(code, proof));
    fixture.until_asked(&mut finishing, Page::Token, 1).await;
    fixture.advance(ALMOST);
    assert!(poll!(&mut finishing).is_pending());
    fixture.advance(THE_REST);
    assert!(unavailable(by_now(poll!(&mut finishing))).contains("did not answer in time"));
}

#[tokio::test]
async fn the_5_seconds_are_for_all_that_is_asked_together() {
    let fixture = Fixture::new().await;
    let (code, proof) = fixture.back().await;
    fixture.server.rotate_keys();
    fixture.server.fail(Page::Keys, Fault::Silent);
    fixture.server.fail(Page::Token, Fault::Silent);
    let mut finishing = pin!(fixture.provider.finish(code.clone(), proof.clone()));
    fixture.until_asked(&mut finishing, Page::Token, 1).await;
    fixture.advance(ALMOST);
    assert!(poll!(&mut finishing).is_pending());
    fixture.advance(THE_REST);
    unavailable(by_now(poll!(&mut finishing)));

    // The code was not used up; now it is the keys that do not come.
    fixture.server.mend(Page::Token);
    let mut finishing = pin!(fixture.provider.finish(code, proof));
    fixture.until_asked(&mut finishing, Page::Keys, 2).await;
    fixture.advance(ALMOST);
    assert!(poll!(&mut finishing).is_pending());
    fixture.advance(THE_REST);
    assert!(unavailable(by_now(poll!(&mut finishing))).contains("did not answer in time"));
}

#[tokio::test]
async fn whoever_waits_for_anothers_fetch_is_answered_after_5_seconds_of_their_own() {
    let fixture = Fixture::new().await;
    fixture.server.fail(Page::Discovery, Fault::Silent);
    let mut first = pin!(fixture.begin());
    fixture.until_asked(&mut first, Page::Discovery, 1).await;
    fixture.advance(TimeDelta::seconds(1));
    let mut second = pin!(fixture.begin());
    assert!(poll!(&mut second).is_pending());

    fixture.advance(TimeDelta::seconds(4));
    unavailable(by_now(poll!(&mut first)));
    // Its turn has come: it asks by itself, in the time that it has left.
    fixture.until_asked(&mut second, Page::Discovery, 2).await;
    fixture.advance(TimeDelta::milliseconds(999));
    assert!(poll!(&mut second).is_pending());
    fixture.advance(THE_REST);
    unavailable(by_now(poll!(&mut second)));
}

#[tokio::test]
async fn whoever_goes_away_does_not_keep_the_others_from_asking() {
    let fixture = Fixture::new().await;
    fixture.server.fail(Page::Discovery, Fault::Silent);
    {
        let mut gone = pin!(fixture.begin());
        fixture.until_asked(&mut gone, Page::Discovery, 1).await;
    }
    fixture.server.mend(Page::Discovery);
    fixture.sign_in().await.unwrap();
}

#[tokio::test]
async fn something_newer_is_waited_for_2_seconds_where_there_is_something_to_go_on_with() {
    let fixture = Fixture::new().await;
    fixture.sign_in().await.unwrap();
    fixture.advance(TimeDelta::hours(1));
    fixture.server.fail(Page::Keys, Fault::Silent);

    let mut first = pin!(fixture.begin());
    fixture.until_asked(&mut first, Page::Keys, 2).await;
    // Nobody else waits at all.
    by_now(poll!(pin!(fixture.begin()))).unwrap();
    fixture.advance(TimeDelta::milliseconds(1_999));
    assert!(poll!(&mut first).is_pending());
    fixture.advance(THE_REST);
    by_now(poll!(&mut first)).unwrap();
    by_now(poll!(pin!(fixture.begin()))).unwrap();
    assert_eq!(fixture.fetched(), (2, 2));
    assert_eq!(fixture.heard.all().len(), 1);
}
