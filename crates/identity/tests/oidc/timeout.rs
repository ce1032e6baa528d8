//! Timeouts of calls and of refreshes.

use std::fmt::Debug;
use std::pin::pin;
use std::task::Poll;

use chrono::TimeDelta;
use domain::account::IdentityProvider as _;
use futures_util::poll;
use test_openid::{Endpoint, Fault};

use crate::fixture::{Fixture, expect_unavailable};

const JUST_BEFORE_TIMEOUT: TimeDelta = TimeDelta::milliseconds(4_999);
const MILLISECOND: TimeDelta = TimeDelta::milliseconds(1);

/// Returns the outcome of a future that must be ready; awaiting it could hang.
#[track_caller]
fn expect_ready<T: Debug>(polled: Poll<T>) -> T {
    match polled {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the future is pending"),
    }
}

#[tokio::test]
async fn begin_times_out_after_5_seconds() {
    for endpoint in [Endpoint::Discovery, Endpoint::Keys] {
        let fixture = Fixture::new().await;
        fixture.server.set_fault(endpoint, Fault::NoResponse);
        let mut beginning = pin!(fixture.begin());
        fixture.run_until_request(&mut beginning, endpoint, 1).await;
        fixture.advance(JUST_BEFORE_TIMEOUT);
        assert!(poll!(&mut beginning).is_pending(), "{endpoint:?}");
        fixture.advance(MILLISECOND);
        assert!(
            expect_unavailable(expect_ready(poll!(&mut beginning))).contains("did not respond in time"),
            "{endpoint:?}"
        );
    }
}

#[tokio::test]
async fn finish_times_out_after_5_seconds() {
    let fixture = Fixture::new().await;
    fixture.server.set_fault(Endpoint::Token, Fault::NoResponse);
    let (code, proof) = fixture.authorize().await;
    let mut finishing = pin!(fixture.provider.finish(code, proof));
    fixture.run_until_request(&mut finishing, Endpoint::Token, 1).await;
    fixture.advance(JUST_BEFORE_TIMEOUT);
    assert!(poll!(&mut finishing).is_pending());
    fixture.advance(MILLISECOND);
    assert!(expect_unavailable(expect_ready(poll!(&mut finishing))).contains("did not respond in time"));
}

#[tokio::test]
async fn timeout_covers_all_requests_of_a_call() {
    let fixture = Fixture::new().await;
    let (code, proof) = fixture.authorize().await;
    fixture.server.rotate_keys();
    fixture.server.set_fault(Endpoint::Keys, Fault::NoResponse);
    fixture.server.set_fault(Endpoint::Token, Fault::NoResponse);
    let mut finishing = pin!(fixture.provider.finish(code.clone(), proof.clone()));
    fixture.run_until_request(&mut finishing, Endpoint::Token, 1).await;
    fixture.advance(JUST_BEFORE_TIMEOUT);
    assert!(poll!(&mut finishing).is_pending());
    fixture.advance(MILLISECOND);
    expect_unavailable(expect_ready(poll!(&mut finishing)));

    // The code is still unused. This time the keys are missing.
    fixture.server.clear_fault(Endpoint::Token);
    let mut finishing = pin!(fixture.provider.finish(code, proof));
    fixture.run_until_request(&mut finishing, Endpoint::Keys, 2).await;
    fixture.advance(JUST_BEFORE_TIMEOUT);
    assert!(poll!(&mut finishing).is_pending());
    fixture.advance(MILLISECOND);
    assert!(expect_unavailable(expect_ready(poll!(&mut finishing))).contains("did not respond in time"));
}

#[tokio::test]
async fn call_that_waits_for_another_fetch_has_its_own_timeout() {
    let fixture = Fixture::new().await;
    fixture.server.set_fault(Endpoint::Discovery, Fault::NoResponse);
    let mut first = pin!(fixture.begin());
    fixture.run_until_request(&mut first, Endpoint::Discovery, 1).await;
    fixture.advance(TimeDelta::seconds(1));
    let mut second = pin!(fixture.begin());
    assert!(poll!(&mut second).is_pending());

    fixture.advance(TimeDelta::seconds(4));
    expect_unavailable(expect_ready(poll!(&mut first)));
    // The second call fetches itself in its remaining time.
    fixture.run_until_request(&mut second, Endpoint::Discovery, 2).await;
    fixture.advance(TimeDelta::milliseconds(999));
    assert!(poll!(&mut second).is_pending());
    fixture.advance(MILLISECOND);
    expect_unavailable(expect_ready(poll!(&mut second)));
}

#[tokio::test]
async fn cancelled_fetch_does_not_block_others() {
    let fixture = Fixture::new().await;
    fixture.server.set_fault(Endpoint::Discovery, Fault::NoResponse);
    {
        let mut cancelled = pin!(fixture.begin());
        fixture.run_until_request(&mut cancelled, Endpoint::Discovery, 1).await;
    }
    fixture.server.clear_fault(Endpoint::Discovery);
    fixture.sign_in().await.unwrap();
}

#[tokio::test]
async fn refresh_of_usable_metadata_times_out_after_2_seconds() {
    let fixture = Fixture::new().await;
    fixture.sign_in().await.unwrap();
    fixture.advance(TimeDelta::hours(1));
    fixture.server.set_fault(Endpoint::Keys, Fault::NoResponse);

    let mut first = pin!(fixture.begin());
    fixture.run_until_request(&mut first, Endpoint::Keys, 2).await;
    // Other calls do not wait for the refresh.
    expect_ready(poll!(pin!(fixture.begin()))).unwrap();
    fixture.advance(TimeDelta::milliseconds(1_999));
    assert!(poll!(&mut first).is_pending());
    fixture.advance(MILLISECOND);
    expect_ready(poll!(&mut first)).unwrap();
    expect_ready(poll!(pin!(fixture.begin()))).unwrap();
    assert_eq!(fixture.fetches(), (2, 2));
    assert_eq!(fixture.failures.all().len(), 1);
}
