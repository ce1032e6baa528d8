//! How a manifest of the workspace reads: what is shared is inherited, and every version is written once.
//!
//! Which crates a manifest may name is not asked here; see `graph`.

use toml::{Table, Value};

use crate::workspace::Manifest;

/// The package fields that one line of the root decides for every crate.
const SHARED_FIELDS: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

const DEPENDENCY_TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// The manifests that do not take the workspace's lints, or write a shared field of their own.
pub fn not_inherited(members: &[Manifest]) -> Vec<String> {
    let mut findings = Vec::new();
    for manifest in members {
        if !manifest.table.get("lints").is_some_and(inherits) {
            findings.push(format!("{}: [lints]", manifest.path));
        }
        let package = manifest.table.get("package");
        for field in SHARED_FIELDS {
            if !package.and_then(|package| package.get(field)).is_some_and(inherits) {
                findings.push(format!("{}: {field}", manifest.path));
            }
        }
    }
    findings
}

/// The dependencies that do not come from the workspace's table.
pub fn own_versions(members: &[Manifest]) -> Vec<String> {
    let named = members.iter().flat_map(|manifest| dependencies(&manifest.table).map(move |entry| (manifest, entry)));
    named
        .filter(|(_, (_, value))| !inherits(value))
        .map(|(manifest, (name, _))| format!("{}: {name}", manifest.path))
        .collect()
}

/// The entries of the workspace's table of dependencies that no crate names.
pub fn unused_entries(root: &Table, members: &[Manifest]) -> Vec<String> {
    let entries = root.get("workspace").and_then(|workspace| workspace.get("dependencies")).and_then(Value::as_table);
    let used = |name: &str| members.iter().any(|manifest| dependencies(&manifest.table).any(|(used, _)| used == name));
    entries.into_iter().flat_map(Table::keys).filter(|name| !used(name)).cloned().collect()
}

fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// Every dependency that a manifest names, those for one platform included.
fn dependencies(manifest: &Table) -> impl Iterator<Item = (&str, &Value)> {
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let places = platforms.filter_map(Value::as_table).chain([manifest]);
    places
        .flat_map(|place| DEPENDENCY_TABLES.iter().filter_map(|kind| place.get(*kind)?.as_table()))
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = r#"
        package = { name = "x", version.workspace = true, edition.workspace = true, rust-version.workspace = true, license.workspace = true, publish.workspace = true }
        lints.workspace = true
        dependencies.serde.workspace = true
        dev-dependencies.mockall = { workspace = true, optional = true }
    "#;

    fn manifest(text: &str) -> Vec<Manifest> {
        vec![Manifest { path: "x/Cargo.toml".to_owned(), table: text.parse().unwrap() }]
    }

    #[test]
    fn a_manifest_that_takes_everything_from_the_workspace_is_in_order() {
        assert!(not_inherited(&manifest(SOUND)).is_empty());
        assert!(own_versions(&manifest(SOUND)).is_empty());
    }

    #[test]
    fn a_crate_with_lints_of_its_own_or_none_is_found() {
        let without = SOUND.replace("lints.workspace = true", "");
        assert_eq!(not_inherited(&manifest(&without)), ["x/Cargo.toml: [lints]"]);
        let own = SOUND.replace("lints.workspace = true", "lints.rust.unsafe_code = \"allow\"");
        assert_eq!(not_inherited(&manifest(&own)), ["x/Cargo.toml: [lints]"]);
    }

    #[test]
    fn a_shared_field_that_is_written_again_is_found() {
        let own = SOUND.replace("edition.workspace = true", "edition = \"2021\"");
        assert_eq!(not_inherited(&manifest(&own)), ["x/Cargo.toml: edition"]);
    }

    #[test]
    fn a_version_in_any_table_of_a_manifest_is_found() {
        for place in ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
            let own = format!("{SOUND}\n{place}.rand = \"0.10\"");
            assert_eq!(own_versions(&manifest(&own)), ["x/Cargo.toml: rand"], "{place}");
            let own = format!("{SOUND}\n{place}.rand = {{ git = \"https://example.org/rand\" }}");
            assert_eq!(own_versions(&manifest(&own)), ["x/Cargo.toml: rand"], "{place}");
        }
    }

    #[test]
    fn an_entry_that_no_crate_names_is_found() {
        let root = "workspace.dependencies = { serde = \"1\", mockall = \"0.15\", left-over = \"1\" }".parse().unwrap();
        assert_eq!(unused_entries(&root, &manifest(SOUND)), ["left-over"]);
    }
}
