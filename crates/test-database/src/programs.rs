//! Search for installed PostgreSQL server programs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Returns the folder with `initdb`, `pg_ctl` and `postgres`.
pub(crate) fn find() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| candidates().into_iter().find(|folder| is_complete(folder))).as_deref()
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file())
}

fn candidates() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    if let Some(path) = std::env::var_os("PATH") {
        // Resolves symbolic links, because the server locates its other files relative to its own.
        folders.extend(std::env::split_paths(&path).filter_map(|folder| {
            let server = folder.join("postgres").canonicalize().ok()?;
            server.parent().map(Path::to_owned)
        }));
    }
    folders.extend(versions("/usr/lib/postgresql", "bin"));
    folders.extend(["/usr/local/pgsql/bin", "/usr/pgsql/bin"].map(PathBuf::from));
    for prefix in ["/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt"] {
        folders.extend(versions(prefix, "bin"));
    }
    folders
}

/// Returns `<prefix>/<version>/<folder>`, newest version first.
fn versions(prefix: &str, folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(prefix) else { return Vec::new() };
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| is_postgres(path)).collect();
    found.sort_by_key(|path| std::cmp::Reverse(version(path)));
    found.into_iter().map(|path| path.join(folder)).collect()
}

/// Matches `15` (Debian) and `postgresql@15` (Homebrew).
fn is_postgres(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("postgresql") || name.parse::<u32>().is_ok()
}

fn version(path: &Path) -> u32 {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.trim_start_matches("postgresql").trim_start_matches('@').parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_sorted_numerically_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["9", "15", "postgresql@16", "other"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let found = versions(folder.path().to_str().unwrap(), "bin");
        let names: Vec<_> = found.iter().map(|path| path.strip_prefix(folder.path()).unwrap().to_owned()).collect();
        assert_eq!(names, ["postgresql@16/bin", "15/bin", "9/bin"].map(PathBuf::from));
    }
}
