//! How the hasher behaves, alone and under load.

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

fn limits(at_once: usize, waiting: usize) -> HashingLimits {
    HashingLimits { at_once: at_once.try_into().unwrap(), waiting }
}

/// Argon2id that writes down the costs it was asked to compare at.
struct Recording {
    inner: Argon2id,
    costs: Mutex<Vec<String>>,
}

impl HashFunction for Recording {
    fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        self.inner.hash(password)
    }

    fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<bool, HashError> {
        let answer = self.inner.verify(password, hash)?;
        let cost = hash.expose().split('$').nth(3).unwrap().to_owned();
        self.costs.lock().unwrap_or_else(PoisonError::into_inner).push(cost);
        Ok(answer)
    }
}

/// A hash function that waits at a gate, so that a test decides how long a hash takes.
struct Gated {
    gate: Mutex<Receiver<()>>,
    entered: AtomicUsize,
}

impl Gated {
    fn new() -> (SyncSender<()>, Arc<Self>) {
        let (open, gate) = sync_channel(64);
        (open, Arc::new(Self { gate: Mutex::new(gate), entered: AtomicUsize::new(0) }))
    }
}

impl HashFunction for Gated {
    fn hash(&self, _: &Password) -> Result<PasswordHash, HashError> {
        self.entered.fetch_add(1, Ordering::SeqCst);
        // A test that is wrong must end too.
        let passed = self.gate.lock().unwrap().recv_timeout(Duration::from_secs(10));
        passed.map_err(|error| HashError::Failed(error.into()))?;
        Ok(PasswordHash::new(String::new()))
    }

    fn verify(&self, password: &Password, _: &PasswordHash) -> Result<bool, HashError> {
        self.hash(password).map(|_| true)
    }
}

fn gated(limits: HashingLimits) -> (SyncSender<()>, Arc<Gated>, Arc<Argon2Hasher>) {
    let (open, function) = Gated::new();
    let hasher = Argon2Hasher::over(function.clone(), Argon2Cost::CHEAPEST, limits).unwrap();
    (open, function, Arc::new(hasher))
}

#[tokio::test]
async fn a_password_fits_its_own_hash_and_no_other_password_does() {
    let hasher = hasher();
    let hash = hasher.hash(password()).await.unwrap();
    assert!(hasher.verify(password(), Some(hash.clone())).await.unwrap());
    for other in ["", "correct horse battery stapl", "correct horse battery staplE"] {
        assert!(!hasher.verify(Password::unvalidated(other), Some(hash.clone())).await.unwrap(), "{other}");
    }
}

#[tokio::test]
async fn the_same_password_never_has_the_same_hash_twice() {
    let hasher = hasher();
    let (one, other) = (hasher.hash(password()).await.unwrap(), hasher.hash(password()).await.unwrap());
    assert_ne!(one.expose(), other.expose());
}

#[tokio::test]
async fn a_hash_names_the_owasp_cost_a_salt_of_16_bytes_and_a_digest_of_32() {
    let hasher = Argon2Hasher::new(Argon2Cost::default(), HashingLimits::default()).unwrap();
    let hash = hasher.hash(password()).await.unwrap();
    let parts: Vec<&str> = hash.expose().split('$').collect();
    assert_eq!(parts[..4], ["", "argon2id", "v=19", "m=19456,t=2,p=1"]);
    assert_eq!((parts[4].len(), parts[5].len(), parts.len()), (22, 43, 6));
}

#[tokio::test]
async fn a_password_is_compared_at_the_cost_that_its_hash_names() {
    let dear = Argon2Cost { memory_kib: 64, passes: 3, lanes: 2 };
    let made_dear = Argon2Hasher::new(dear, HashingLimits::default()).unwrap().hash(password()).await.unwrap();
    assert!(hasher().verify(password(), Some(made_dear)).await.unwrap());
}

#[tokio::test]
async fn without_a_hash_the_answer_is_no_and_a_hash_of_the_same_cost_is_computed() {
    let cost = Argon2Cost { memory_kib: 32, passes: 2, lanes: 1 };
    let inner = Argon2id::new(cost).unwrap();
    let function = Arc::new(Recording { inner, costs: Mutex::default() });
    let hasher = Argon2Hasher::over(function.clone(), cost, HashingLimits::default()).unwrap();

    let hash = hasher.hash(password()).await.unwrap();
    assert!(!hasher.verify(Password::unvalidated("wrong"), Some(hash)).await.unwrap());
    assert!(!hasher.verify(password(), None).await.unwrap());

    let costs = function.costs.lock().unwrap();
    assert_eq!(*costs, ["m=32,t=2,p=1", "m=32,t=2,p=1"]);
}

#[tokio::test]
async fn without_a_hash_the_answer_is_no_even_if_the_dummy_were_guessed() {
    let (open, _, hasher) = gated(limits(1, 0));
    open.send(()).unwrap();
    assert!(!hasher.verify(password(), None).await.unwrap());
}

#[tokio::test]
async fn a_stored_hash_that_is_none_is_an_error_that_does_not_quote_it() {
    for broken in ["", "hunter2", "$argon2id$v=19$m=8,t=1,p=1$AAAA", "$scrypt$ln=1,r=8,p=1$AAAAAAAAAAA$hunter2"] {
        let answer = hasher().verify(password(), Some(PasswordHash::new(broken.to_owned()))).await;
        match answer {
            Err(HashError::Failed(cause)) => assert!(!format!("{cause} {cause:?}").contains("hunter2"), "{cause:?}"),
            // A PHC string without a digest is well-formed; nothing fits it.
            Ok(fits) => assert!(!fits && broken.ends_with("$AAAA"), "{broken}"),
            Err(HashError::Overloaded) => panic!("{broken}"),
        }
    }
}

#[test]
fn a_cost_that_argon2_is_not_defined_for_is_refused() {
    let nothing = Argon2Cost { memory_kib: 0, passes: 1, lanes: 1 };
    assert!(Argon2Hasher::new(nothing, HashingLimits::default()).is_err());
}

#[tokio::test]
async fn whoever_finds_no_place_left_is_turned_away_at_once() {
    let (open, _, hasher) = gated(limits(1, 1));
    let mut computing = hasher.hash(password());
    let mut waiting = hasher.hash(password());
    assert!(poll!(computing.as_mut()).is_pending() && poll!(waiting.as_mut()).is_pending());

    for _ in 0..3 {
        let refused = poll!(hasher.hash(password()).as_mut());
        assert!(matches!(refused, std::task::Poll::Ready(Err(HashError::Overloaded))));
    }

    open.send(()).unwrap();
    open.send(()).unwrap();
    assert!(computing.await.is_ok() && waiting.await.is_ok());
    assert_eq!(hasher.pool.free(), (2, 1));
}

#[tokio::test]
async fn no_more_than_the_permitted_number_compute_at_once() {
    let (open, function, hasher) = gated(limits(1, 8));
    let all: Vec<_> = (0..4)
        .map(|_| {
            let hasher = Arc::clone(&hasher);
            tokio::spawn(async move { hasher.hash(password()).await })
        })
        .collect();
    for round in 1..=4 {
        while function.entered.load(Ordering::SeqCst) < round {
            tokio::task::yield_now().await;
        }
        assert_eq!((function.entered.load(Ordering::SeqCst), hasher.pool.free().1), (round, 0));
        open.send(()).unwrap();
    }
    for one in all {
        one.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_while_waiting_gives_up_its_place() {
    let (open, _, hasher) = gated(limits(1, 1));
    let mut computing = hasher.hash(password());
    let mut waiting = hasher.hash(password());
    assert!(poll!(computing.as_mut()).is_pending() && poll!(waiting.as_mut()).is_pending());
    assert_eq!(hasher.pool.free(), (0, 0));

    drop(waiting);
    assert_eq!(hasher.pool.free(), (1, 0));

    open.send(()).unwrap();
    assert!(computing.await.is_ok());
}

#[tokio::test]
async fn a_caller_that_goes_away_while_computing_is_counted_until_the_computing_is_done() {
    let (open, _, hasher) = gated(limits(1, 0));
    let mut computing = hasher.hash(password());
    assert!(poll!(computing.as_mut()).is_pending());
    drop(computing);
    assert_eq!(hasher.pool.free(), (0, 0));
    assert!(matches!(hasher.hash(password()).await, Err(HashError::Overloaded)));

    open.send(()).unwrap();
    while hasher.pool.free() != (1, 1) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_hash_function_that_panics_is_an_error_and_leaves_its_place() {
    let pool = HashingPool::new(limits(1, 0)).unwrap();
    let answer: Result<(), HashError> = pool.run(|| panic!("broken")).await;
    assert!(matches!(answer, Err(HashError::Failed(_))));
    assert_eq!(pool.free(), (1, 1));
}

#[tokio::test(flavor = "current_thread")]
async fn the_thread_that_serves_stays_free_while_a_hash_is_computed() {
    let (open, function, hasher) = gated(limits(1, 0));
    let (answered, health) = oneshot::channel();

    let login = tokio::spawn(async move { hasher.hash(password()).await });
    tokio::spawn(async move {
        // Only a thread that is not hashing can get here while the gate is shut.
        while function.entered.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        answered.send("up").unwrap();
    });

    assert_eq!(health.await.unwrap(), "up");
    assert!(!login.is_finished());
    open.send(()).unwrap();
    login.await.unwrap().unwrap();
}

#[tokio::test]
async fn hashes_are_computed_on_no_more_threads_than_there_are_hashes_at_once() {
    // Many idle threads that a hash could take by mistake.
    let together = Arc::new(std::sync::Barrier::new(16));
    let idle = (0..16).map(|_| {
        let together = Arc::clone(&together);
        tokio::task::spawn_blocking(move || together.wait())
    });
    futures_util::future::try_join_all(idle).await.unwrap();
    let pool = HashingPool::new(limits(2, 64)).unwrap();
    let hashes = (0..60).map(|_| pool.run(|| Ok(std::thread::current().id())));
    let threads: std::collections::HashSet<_> =
        futures_util::future::try_join_all(hashes).await.unwrap().into_iter().collect();
    assert!(threads.len() <= 2, "{threads:?}");
}
