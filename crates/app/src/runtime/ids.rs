//! Generation of identifiers.

use domain::conversation::turn::{InstanceId, InstanceIdError};
use domain::runtime::IdGenerator;
use uuid::Uuid;

/// Generates UUIDs version 7. They increase even if the system clock is set back, because the `uuid` crate keeps one
/// counter per process, behind a lock.
#[derive(Clone, Copy, Debug, Default)]
pub struct UuidGenerator;

impl UuidGenerator {
    /// Generates a unique instance id.
    ///
    /// # Errors
    /// None in practice: the text of a UUID is a valid instance id.
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
    fn an_id_is_greater_than_all_earlier_ids_of_all_threads() {
        let greatest = Mutex::new(Uuid::nil());
        let generate = || {
            let mut generated = Vec::new();
            for _ in 0..25_000 {
                // The published ids were generated before this call.
                let floor = *greatest.lock().unwrap();
                let id = UuidGenerator.next();
                assert!(id > floor, "{id} after {floor}");
                let mut greatest = greatest.lock().unwrap();
                *greatest = id.max(*greatest);
                generated.push(id);
            }
            generated
        };
        let all: HashSet<Uuid> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(generate)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(all.len(), 100_000);
    }

    #[test]
    fn every_instance_id_is_different() {
        assert_ne!(UuidGenerator.instance_id().unwrap(), UuidGenerator.instance_id().unwrap());
    }
}
