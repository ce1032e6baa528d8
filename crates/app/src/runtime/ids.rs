//! Identifiers.

use domain::runtime::IdGenerator;
use domain::turn::{InstanceId, InstanceIdError};
use uuid::Uuid;

/// Makes UUIDs version 7. The `uuid` crate keeps one counter for the process, under a lock, which goes up even when
/// the system's clock goes back: each id is greater than every one that was made before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct UuidGenerator;

impl UuidGenerator {
    /// An instance's name that no process had before.
    ///
    /// # Errors
    /// Never, as long as a UUID's text is a sane name.
    pub fn instance_id(&self) -> Result<InstanceId, InstanceIdError> {
        self.next().to_string().parse()
    }
}

impl IdGenerator for UuidGenerator {
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;
    use std::thread;

    use uuid::Version;

    use super::*;

    #[test]
    fn an_id_is_a_uuid_version_7() {
        assert_eq!(UuidGenerator.next().get_version(), Some(Version::SortRand));
    }

    #[test]
    fn every_id_is_greater_than_every_one_made_before_on_any_thread() {
        let greatest = Mutex::new(Uuid::nil());
        let make = || {
            let mut made = Vec::new();
            for _ in 0..25_000 {
                // What was published was made before this one is asked for.
                let floor = *greatest.lock().unwrap();
                let id = UuidGenerator.next();
                assert!(id > floor, "{id} after {floor}");
                let mut greatest = greatest.lock().unwrap();
                *greatest = id.max(*greatest);
                made.push(id);
            }
            made
        };
        let all: HashSet<Uuid> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(all.len(), 100_000);
    }

    #[test]
    fn every_instance_gets_another_name() {
        assert_ne!(UuidGenerator.instance_id().unwrap(), UuidGenerator.instance_id().unwrap());
    }
}
