//! Reads the input of the rules: cargo's metadata, the manifests, deny.toml, the source files, the documents.
//!
//! `cargo metadata` runs with `--offline` and only for the platform of this machine, because the build of these tests
//! has fetched no more than that.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result, anyhow, ensure};
use cargo_metadata::{Metadata, MetadataCommand};

/// A manifest with its path from the root of the workspace.
pub struct Manifest {
    pub path: String,
    pub table: toml::Table,
}

/// A text file with its path from the root of the workspace, separated by `/`.
#[derive(Clone)]
pub struct Source {
    pub path: String,
    pub text: String,
}

/// The resolved dependency graph of the workspace, dev-dependencies included.
pub fn metadata() -> Result<&'static Metadata> {
    static METADATA: LazyLock<Result<Metadata, cargo_metadata::Error>> = LazyLock::new(|| {
        MetadataCommand::new()
            .manifest_path(root().join("Cargo.toml"))
            .other_options(["--offline", "--locked", "--filter-platform", "host-tuple"].map(String::from))
            .exec()
    });
    METADATA.as_ref().map_err(|error| anyhow!("cargo metadata: {error}"))
}

/// The manifest of every crate of the workspace.
pub fn member_manifests() -> Result<Vec<Manifest>> {
    metadata()?
        .workspace_packages()
        .iter()
        .map(|package| {
            let file = package.manifest_path.as_std_path();
            Ok(Manifest { path: relative(file)?, table: table(file)? })
        })
        .collect()
}

/// The manifest of the workspace itself.
pub fn root_manifest() -> Result<toml::Table> {
    table(&root().join("Cargo.toml"))
}

/// The text of a file of the root.
pub fn text(name: &str) -> Result<String> {
    fs::read_to_string(root().join(name)).with_context(|| name.to_owned())
}

/// The rules of cargo-deny.
pub fn deny_toml() -> Result<toml::Table> {
    table(&root().join("deny.toml"))
}

/// Every `.rs` file below the folders of the crates, in no particular order.
pub fn sources() -> Result<Vec<Source>> {
    let mut files = Vec::new();
    for package in metadata()?.workspace_packages() {
        let folder = package.manifest_path.parent().context("a manifest stands in a folder")?;
        collect(folder.as_std_path(), &mut files)?;
    }
    ensure!(!files.is_empty(), "no source file was found");
    Ok(files)
}

/// The path of every file of the repository, build outputs and installed packages aside.
pub fn files() -> Result<Vec<String>> {
    let mut paths = Vec::new();
    walk(metadata()?.workspace_root.as_std_path(), &mut paths)?;
    paths.iter().map(|path| relative(path)).collect()
}

/// Every Markdown document of the repository.
pub fn documents() -> Result<Vec<Source>> {
    let root = metadata()?.workspace_root.as_std_path();
    let paths =
        files()?.into_iter().filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "md"));
    paths.map(|path| Ok(Source { text: fs::read_to_string(root.join(&path))?, path })).collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let ignored = [".git", "target", "node_modules"].iter().any(|name| entry.file_name() == *name);
        if entry.file_type()?.is_dir() && !ignored {
            walk(&entry.path(), paths)?;
        } else if !ignored {
            paths.push(entry.path());
        }
    }
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<Source>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            files.push(Source { path: relative(&path)?, text });
        }
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn relative(file: &Path) -> Result<String> {
    let root = metadata()?.workspace_root.as_std_path();
    let inside = file.strip_prefix(root).with_context(|| file.display().to_string())?;
    Ok(inside.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"))
}

fn table(file: &Path) -> Result<toml::Table> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    text.parse().with_context(|| file.display().to_string())
}
