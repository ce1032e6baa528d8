//! Directories that only the current user can read.

use std::path::Path;
use std::{fs, io};

/// Creates a directory and its parents with mode 0700. An existing directory is not changed.
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
