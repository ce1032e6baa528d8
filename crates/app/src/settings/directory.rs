//! Directories for what is nobody else's business.

use std::path::Path;
use std::{fs, io};

/// Creates a directory, with those above it, that only the program's own user can enter. One that is there stays as
/// it is.
///
/// # Errors
/// If it cannot be created.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
