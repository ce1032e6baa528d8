//! The server's binary: built by cargo if cargo runs this program, or else the one next to it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// Returns the binaries to measure: those of `given`, or else the workspace's own.
///
/// # Errors
/// If one is missing or cannot be built.
pub(crate) fn find(given: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let found = if given.is_empty() { vec![build()?] } else { given.to_vec() };
    found.iter().map(|file| file.canonicalize().with_context(|| file.display().to_string())).collect()
}

/// Builds the binary in the profile and the target folder of this program. `cargo run` sets `CARGO`.
fn build() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    if let Some(cargo) = std::env::var_os("CARGO") {
        let folder = this.parent().context("this program is in no folder")?;
        let target = folder.parent().context("this program is in no target folder")?;
        let mut command = Command::new(cargo);
        command.args(["build", "--package", "app", "--profile", profile(folder), "--target-dir"]).arg(target);
        let status = command.stdin(Stdio::null()).status()?;
        ensure!(status.success(), "cargo build --package app: {status}");
    }
    Ok(this.with_file_name("app"))
}

/// Returns the profile whose output is in `folder`.
fn profile(folder: &Path) -> &str {
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_the_name_of_the_folder_except_for_dev() {
        for (folder, expected) in [("target/debug", "dev"), ("target/release", "release"), ("target/dist", "dist")] {
            assert_eq!(profile(Path::new(folder)), expected);
        }
    }
}
