//! Architecture rules that the compiler does not check: dependencies, licences, modules, source files, documents.
//!
//! The tables are in this file. Each rule is a pure function in a file below `architecture/`, with unit tests that
//! plant a violation and expect it to be found.

#[path = "architecture/cycles.rs"]
mod cycles;
#[path = "architecture/documents.rs"]
mod documents;
#[path = "architecture/graph.rs"]
mod graph;
#[path = "architecture/images.rs"]
mod images;
#[path = "architecture/manifests.rs"]
mod manifests;
#[path = "architecture/policy.rs"]
mod policy;
#[path = "architecture/sources.rs"]
mod sources;
#[path = "architecture/workspace.rs"]
mod workspace;

use graph::CrateRow;

/// The workspace crates that each workspace crate may name in its manifest. Adapters do not depend on each other; only
/// `app` depends on several. A crate without a row fails the test.
const ALLOWED_DEPENDENCIES: &[CrateRow] = &[
    CrateRow { krate: "domain", normal: &[], dev: &[] },
    CrateRow { krate: "migrations", normal: &[], dev: &["test-database"] },
    CrateRow { krate: "persistence", normal: &["domain"], dev: &["domain", "migrations", "test-database"] },
    CrateRow { krate: "llm", normal: &["domain"], dev: &["domain"] },
    CrateRow { krate: "assistant", normal: &["domain"], dev: &["domain"] },
    CrateRow { krate: "identity", normal: &["domain"], dev: &["domain", "test-openid"] },
    CrateRow { krate: "rate-limit", normal: &["domain"], dev: &["domain", "test-database"] },
    CrateRow { krate: "http-api", normal: &["domain"], dev: &["domain"] },
    CrateRow {
        krate: "app",
        normal: &["domain", "persistence", "migrations", "llm", "assistant", "identity", "rate-limit", "http-api"],
        dev: &["domain", "test-database", "test-openid"],
    },
    // Test support: only dev-dependencies and the crates `bench` and `tests` may name them.
    CrateRow { krate: "test-database", normal: &[], dev: &[] },
    CrateRow { krate: "test-openid", normal: &[], dev: &[] },
    CrateRow { krate: "bench", normal: &["test-database"], dev: &["assistant", "domain", "identity"] },
    CrateRow {
        krate: "tests",
        normal: &["app", "assistant", "domain", "test-database", "test-openid"],
        dev: &["app", "assistant", "domain", "test-database", "test-openid"],
    },
];

/// The dependencies of `domain`: data types, text and errors; no I/O, no runtime, no clock, no randomness.
const DOMAIN_DEPENDENCIES: &[&str] = &[
    "async-trait",
    "caseless",
    "chrono",
    "chrono-tz",
    "email_address",
    "futures-channel",
    "futures-core",
    "futures-util",
    "quick_cache",
    "schemars",
    "secrecy",
    "serde",
    "serde_json",
    "strsim",
    "thiserror",
    "unicode-general-category",
    "unicode-normalization",
    "url",
    "uuid",
];

/// The optional dependencies of `domain`, behind a feature that is off in the binary: the mocks of its ports.
const DOMAIN_OPTIONAL_DEPENDENCIES: &[&str] = &["mockall"];

/// The crate families that `domain` does not depend on, directly or transitively. A family is a name and every name
/// that begins with it and a dash.
const DOMAIN_FORBIDDEN_FAMILIES: &[&str] = &["actix", "hyper", "reqwest", "rustls", "sea-orm", "sqlx", "tokio"];

/// Files that may be longer than [`sources::MAX_LINES`], with the reason. An exemption that is no longer needed fails the test.
const LONGER_FILES: &[(&str, &str)] = &[];

/// Fails with one line for each finding.
fn assert_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

#[test]
fn crates_depend_only_on_the_crates_that_the_table_allows() -> anyhow::Result<()> {
    let findings = graph::forbidden_edges(workspace::metadata()?, ALLOWED_DEPENDENCIES);
    assert_none("dependencies that ALLOWED_DEPENDENCIES does not list", &findings);
    Ok(())
}

#[test]
fn domain_names_only_the_dependencies_that_the_table_allows() -> anyhow::Result<()> {
    let findings = graph::unlisted_dependencies(
        workspace::metadata()?,
        "domain",
        DOMAIN_DEPENDENCIES,
        DOMAIN_OPTIONAL_DEPENDENCIES,
    );
    assert_none("domain may not depend on these", &findings);
    Ok(())
}

#[test]
fn domain_reaches_no_runtime_server_database_or_tls() -> anyhow::Result<()> {
    let findings = graph::forbidden_reach(workspace::metadata()?, "domain", DOMAIN_FORBIDDEN_FAMILIES)?;
    assert_none("domain may not reach these, not even through another crate", &findings);
    Ok(())
}

#[test]
fn every_crate_inherits_the_lints_and_the_package_fields_of_the_workspace() -> anyhow::Result<()> {
    let members = workspace::member_manifests()?;
    assert_none("not inherited from the workspace", &manifests::not_inherited(&members));
    Ok(())
}

#[test]
fn every_dependency_has_its_version_in_the_workspace_table_alone() -> anyhow::Result<()> {
    let members = workspace::member_manifests()?;
    assert_none("write `name.workspace = true`", &manifests::own_versions(&members));
    Ok(())
}

#[test]
fn every_entry_of_the_workspace_table_is_used_by_a_crate() -> anyhow::Result<()> {
    let findings = manifests::unused_entries(&workspace::root_manifest()?, &workspace::member_manifests()?);
    assert_none("no crate uses these entries of [workspace.dependencies]", &findings);
    Ok(())
}

#[test]
fn every_linked_crate_has_a_licence_that_deny_toml_allows() -> anyhow::Result<()> {
    let findings = policy::refused_licences(workspace::metadata()?, &workspace::deny_toml()?)?;
    assert_none("licences that deny.toml does not allow", &findings);
    Ok(())
}

#[test]
fn no_crate_that_deny_toml_bans_is_linked() -> anyhow::Result<()> {
    let findings = policy::banned_crates(workspace::metadata()?, &workspace::deny_toml()?)?;
    assert_none("crates that deny.toml bans", &findings);
    Ok(())
}

#[test]
fn every_linked_crate_comes_from_a_registry_that_deny_toml_allows() -> anyhow::Result<()> {
    let findings = policy::foreign_sources(workspace::metadata()?, &workspace::deny_toml()?)?;
    assert_none("sources that deny.toml does not allow", &findings);
    Ok(())
}

#[test]
fn files_have_at_most_400_lines() -> anyhow::Result<()> {
    let findings = sources::too_long(&workspace::sources()?, LONGER_FILES);
    assert_none("split the file, or give the reason in LONGER_FILES", &findings);
    Ok(())
}

#[test]
fn folders_have_at_most_20_source_files() -> anyhow::Result<()> {
    let findings = sources::crowded_folders(&workspace::sources()?, &["migrations/src"]);
    assert_none("group the files in folders", &findings);
    Ok(())
}

#[test]
fn modules_do_not_import_each_other_in_cycles() -> anyhow::Result<()> {
    let findings = cycles::import_cycles(&workspace::sources()?)?;
    assert_none("move what both need into a module below both", &findings);
    Ok(())
}

#[test]
fn documents_name_only_files_links_and_anchors_that_exist() -> anyhow::Result<()> {
    let findings = documents::dead_references(&workspace::documents()?, &workspace::files()?);
    assert_none("dead links or file names", &findings);
    Ok(())
}

#[test]
fn the_image_and_the_compose_file_fit_the_program() -> anyhow::Result<()> {
    let manifest = workspace::root_manifest()?;
    let rust = manifest["workspace"]["package"]["rust-version"].as_str().unwrap_or_default();
    let [dockerfile, compose] = ["Dockerfile", "docker-compose.yml"].map(workspace::text);
    // The maximum time that a stop takes, in crates/app/src/shutdown.rs.
    let stop = std::time::Duration::from_secs(10);
    assert_none("the image does not fit", &images::misfits(&dockerfile?, &compose?, rust, stop));
    Ok(())
}

#[test]
fn every_file_begins_with_module_docs() -> anyhow::Result<()> {
    assert_none("begin the file with `//!`", &sources::without_opening(&workspace::sources()?));
    Ok(())
}

#[test]
fn no_file_has_a_vague_name() -> anyhow::Result<()> {
    assert_none("name the file after what is in it", &sources::vague_names(&workspace::sources()?));
    Ok(())
}

#[test]
fn no_code_is_unfinished_and_no_test_is_ignored() -> anyhow::Result<()> {
    assert_none("unfinished code or ignored tests", &sources::unfinished(&workspace::sources()?)?);
    Ok(())
}

#[test]
fn a_lint_is_silenced_only_with_its_reason() -> anyhow::Result<()> {
    assert_none("add `reason = \"…\"`", &sources::silenced_without_reason(&workspace::sources()?)?);
    Ok(())
}
