//! Tests of hashes and of the limits of the pool.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::poll;
use tokio::sync::oneshot;

use super::*;

const PASSWORD: &str = "correct horse battery staple";

fn password() -> Password {
    Password::unvalidated(PASSWORD)
}

fn hasher() -> Argon2Hasher {
    Argon2Hasher::new(Argon2Cost::CHEAPEST, HashingLimits::default()).unwrap()
}

fn limits(concurrent: usize, queued: usize) -> HashingLimits {
    HashingLimits { concurrent: concurrent.try_into().unwrap(), queued }
}

/// Argon2id that records the cost of each verified hash.
struct RecordingFunction {
    inner: Argon2id,
    costs: Mutex<Vec<String>>,
}

impl HashFunction for RecordingFunction {
    fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        self.inner.hash(password)
    }

    fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<bool, HashError> {
        let matches = self.inner.verify(password, hash)?;
        let cost = hash.expose().split('$').nth(3).unwrap().to_owned();
        self.costs.lock().unwrap_or_else(PoisonError::into_inner).push(cost);
        Ok(matches)
    }
}

/// A hash function that waits for a message of the test.
struct GatedFunction {
    gate: Mutex<Receiver<()>>,
    started: AtomicUsize,
}

impl GatedFunction {
    fn new() -> (SyncSender<()>, Arc<Self>) {
        let (open, gate) = sync_channel(64);
        (open, Arc::new(Self { gate: Mutex::new(gate), started: AtomicUsize::new(0) }))
    }
}

impl HashFunction for GatedFunction {
    fn hash(&self, _: &Password) -> Result<PasswordHash, HashError> {
        self.started.fetch_add(1, Ordering::SeqCst);
        // A failing test must end, too.
        let opened = self.gate.lock().unwrap().recv_timeout(Duration::from_secs(10));
        opened.map_err(|error| HashError::Failed(error.into()))?;
        Ok(PasswordHash::new(String::new()))
    }

    fn verify(&self, password: &Password, _: &PasswordHash) -> Result<bool, HashError> {
        self.hash(password).map(|_| true)
    }
}

fn gated_hasher(limits: HashingLimits) -> (SyncSender<()>, Arc<GatedFunction>, Arc<Argon2Hasher>) {
    let (open, function) = GatedFunction::new();
    let hasher = Argon2Hasher::with_function(function.clone(), Argon2Cost::CHEAPEST, limits).unwrap();
    (open, function, Arc::new(hasher))
}

/// Panics if the condition does not hold within 10 s.
async fn wait_until(condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), poll).await.unwrap();
}

#[tokio::test]
async fn only_the_hashed_password_matches() {
    let hasher = hasher();
    let hash = hasher.hash(password()).await.unwrap();
    assert!(hasher.verify(password(), Some(hash.clone())).await.unwrap());
    for other in ["", "correct horse battery stapl", "correct horse battery staplE"] {
        assert!(!hasher.verify(Password::unvalidated(other), Some(hash.clone())).await.unwrap(), "{other}");
    }
}

#[tokio::test]
async fn hashes_of_the_same_password_differ() {
    let hasher = hasher();
    let (first, second) = (hasher.hash(password()).await.unwrap(), hasher.hash(password()).await.unwrap());
    assert_ne!(first.expose(), second.expose());
}

#[tokio::test]
async fn default_hash_has_the_owasp_cost_a_salt_of_16_bytes_and_a_digest_of_32() {
    let hasher = Argon2Hasher::new(Argon2Cost::default(), HashingLimits::default()).unwrap();
    let hash = hasher.hash(password()).await.unwrap();
    let parts: Vec<&str> = hash.expose().split('$').collect();
    assert_eq!(parts[..4], ["", "argon2id", "v=19", "m=19456,t=2,p=1"]);
    assert_eq!((parts[4].len(), parts[5].len(), parts.len()), (22, 43, 6));
}

#[tokio::test]
async fn password_is_verified_at_the_cost_of_its_hash() {
    let cost = Argon2Cost { memory_kib: 64, passes: 3, lanes: 2 };
    let hash = Argon2Hasher::new(cost, HashingLimits::default()).unwrap().hash(password()).await.unwrap();
    assert!(hasher().verify(password(), Some(hash)).await.unwrap());
}

#[tokio::test]
async fn missing_hash_does_not_match_and_costs_as_much_as_a_real_one() {
    let cost = Argon2Cost { memory_kib: 32, passes: 2, lanes: 1 };
    let inner = Argon2id::new(cost).unwrap();
    let function = Arc::new(RecordingFunction { inner, costs: Mutex::default() });
    let hasher = Argon2Hasher::with_function(function.clone(), cost, HashingLimits::default()).unwrap();

    let hash = hasher.hash(password()).await.unwrap();
    assert!(!hasher.verify(Password::unvalidated("wrong"), Some(hash)).await.unwrap());
    assert!(!hasher.verify(password(), None).await.unwrap());

    let costs = function.costs.lock().unwrap();
    assert_eq!(*costs, ["m=32,t=2,p=1", "m=32,t=2,p=1"]);
}

#[tokio::test]
async fn missing_hash_does_not_match_even_if_the_dummy_does() {
    let (open, _, hasher) = gated_hasher(limits(1, 0));
    open.send(()).unwrap();
    assert!(!hasher.verify(password(), None).await.unwrap());
}

#[tokio::test]
async fn malformed_hash_is_an_error_that_does_not_quote_it() {
    for broken in ["", "hunter2", "$argon2id$v=19$m=8,t=1,p=1$AAAA", "$scrypt$ln=1,r=8,p=1$AAAAAAAAAAA$hunter2"] {
        let result = hasher().verify(password(), Some(PasswordHash::new(broken.to_owned()))).await;
        match result {
            Err(HashError::Failed(cause)) => assert!(!format!("{cause} {cause:?}").contains("hunter2"), "{cause:?}"),
            // A PHC string without a digest is well-formed, but matches nothing.
            Ok(matches) => assert!(!matches && broken.ends_with("$AAAA"), "{broken}"),
            Err(HashError::Overloaded) => panic!("{broken}"),
        }
    }
}

#[test]
fn cost_that_argon2_is_not_defined_for_is_rejected() {
    let cost = Argon2Cost { memory_kib: 0, passes: 1, lanes: 1 };
    assert!(Argon2Hasher::new(cost, HashingLimits::default()).is_err());
}

#[tokio::test]
async fn hash_beyond_the_queue_fails_immediately() {
    let (open, _, hasher) = gated_hasher(limits(1, 1));
    let mut running = hasher.hash(password());
    let mut queued = hasher.hash(password());
    assert!(poll!(running.as_mut()).is_pending() && poll!(queued.as_mut()).is_pending());

    for _ in 0..3 {
        let rejected = poll!(hasher.hash(password()).as_mut());
        assert!(matches!(rejected, std::task::Poll::Ready(Err(HashError::Overloaded))));
    }

    open.send(()).unwrap();
    open.send(()).unwrap();
    assert!(running.await.is_ok() && queued.await.is_ok());
    assert_eq!(hasher.pool.available(), (2, 1));
}

#[tokio::test]
async fn concurrent_hashes_are_limited() {
    let (open, function, hasher) = gated_hasher(limits(1, 8));
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let hasher = Arc::clone(&hasher);
            tokio::spawn(async move { hasher.hash(password()).await })
        })
        .collect();
    for round in 1..=4 {
        wait_until(|| function.started.load(Ordering::SeqCst) >= round).await;
        assert_eq!((function.started.load(Ordering::SeqCst), hasher.pool.available().1), (round, 0));
        open.send(()).unwrap();
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn dropping_a_queued_hash_releases_its_place() {
    let (open, _, hasher) = gated_hasher(limits(1, 1));
    let mut running = hasher.hash(password());
    let mut queued = hasher.hash(password());
    assert!(poll!(running.as_mut()).is_pending() && poll!(queued.as_mut()).is_pending());
    assert_eq!(hasher.pool.available(), (0, 0));

    drop(queued);
    assert_eq!(hasher.pool.available(), (1, 0));

    open.send(()).unwrap();
    assert!(running.await.is_ok());
}

#[tokio::test]
async fn dropped_running_hash_counts_until_it_ends() {
    let (open, _, hasher) = gated_hasher(limits(1, 0));
    let mut running = hasher.hash(password());
    assert!(poll!(running.as_mut()).is_pending());
    drop(running);
    assert_eq!(hasher.pool.available(), (0, 0));
    assert!(matches!(hasher.hash(password()).await, Err(HashError::Overloaded)));

    open.send(()).unwrap();
    wait_until(|| hasher.pool.available() == (1, 1)).await;
}

#[tokio::test]
async fn panic_of_the_hash_function_is_an_error_and_releases_its_permits() {
    let pool = HashingPool::new(limits(1, 0)).unwrap();
    let result: Result<(), HashError> = pool.run(|| panic!("broken")).await;
    assert!(matches!(result, Err(HashError::Failed(_))));
    assert_eq!(pool.available(), (1, 1));
}

#[tokio::test(flavor = "current_thread")]
async fn hashing_does_not_block_the_calling_thread() {
    let (open, function, hasher) = gated_hasher(limits(1, 0));
    let (sender, health) = oneshot::channel();

    let login = tokio::spawn(async move { hasher.hash(password()).await });
    tokio::spawn(async move {
        // Reached during the hash only if hashing runs on another thread.
        wait_until(|| function.started.load(Ordering::SeqCst) > 0).await;
        sender.send("up").unwrap();
    });

    assert_eq!(health.await.unwrap(), "up");
    assert!(!login.is_finished());
    open.send(()).unwrap();
    login.await.unwrap().unwrap();
}

#[tokio::test]
async fn threads_do_not_exceed_the_concurrency_limit() {
    // Idle threads of the shared pool, which hashes must not use.
    let barrier = Arc::new(std::sync::Barrier::new(16));
    let idle = (0..16).map(|_| {
        let barrier = Arc::clone(&barrier);
        tokio::task::spawn_blocking(move || barrier.wait())
    });
    futures_util::future::try_join_all(idle).await.unwrap();
    let pool = HashingPool::new(limits(2, 64)).unwrap();
    let hashes = (0..60).map(|_| pool.run(|| Ok(std::thread::current().id())));
    let threads: std::collections::HashSet<_> =
        futures_util::future::try_join_all(hashes).await.unwrap().into_iter().collect();
    assert!(threads.len() <= 2, "{threads:?}");
}
