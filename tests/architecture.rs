//! The rules of the house that no compiler holds: who may know whom, what may be linked, how files look.
//!
//! The tables stand here; each rule is a pure function in a file of its own below `architecture/`, with tests that
//! plant a fault and see it found. Behaviour is deliberately not here: the other test targets have it.

#[path = "architecture/graph.rs"]
mod graph;
#[path = "architecture/manifests.rs"]
mod manifests;
#[path = "architecture/policy.rs"]
mod policy;
#[path = "architecture/sources.rs"]
mod sources;
#[path = "architecture/workspace.rs"]
mod workspace;

use graph::MayKnow;

/// Every crate of the workspace and the crates of the workspace that it may name in its manifest. Adapters never see
/// each other; `app` is the only place where two of them meet. A new crate is refused until it has a row.
const WHO_MAY_KNOW_WHOM: &[MayKnow] = &[
    MayKnow { krate: "domain", normal: &[], dev: &[] },
    MayKnow { krate: "migrations", normal: &[], dev: &["test-database"] },
    MayKnow { krate: "persistence", normal: &["domain"], dev: &["domain", "migrations", "test-database"] },
    MayKnow { krate: "llm", normal: &["domain"], dev: &["domain"] },
    MayKnow { krate: "assistant", normal: &["domain"], dev: &["domain"] },
    MayKnow { krate: "identity", normal: &["domain"], dev: &["domain", "test-openid"] },
    MayKnow { krate: "http-api", normal: &["domain"], dev: &["domain"] },
    MayKnow {
        krate: "app",
        normal: &["domain", "persistence", "migrations", "llm", "assistant", "identity", "http-api"],
        dev: &["domain", "test-database", "test-openid"],
    },
    // They serve tests alone: only dev-dependencies may name them, and `tests`, which is nothing but tests.
    MayKnow { krate: "test-database", normal: &[], dev: &[] },
    MayKnow { krate: "test-openid", normal: &[], dev: &[] },
    MayKnow {
        krate: "tests",
        normal: &["app", "assistant", "domain", "test-database", "test-openid"],
        dev: &["app", "assistant", "domain", "test-database", "test-openid"],
    },
];

/// What `domain` may use: data types, text and errors, nothing that does I/O, runs tasks, or asks for time or chance.
const DOMAIN_MAY_USE: &[&str] = &[
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

/// What `domain` may use behind a feature that is off in the binary: the mocks of its ports.
const DOMAIN_MAY_OFFER: &[&str] = &["mockall"];

/// The families of crates that `domain` never reaches, not even through another crate. A family is its name and
/// every name that begins with it and a dash.
const DOMAIN_NEVER: &[&str] = &["actix", "hyper", "reqwest", "rustls", "sea-orm", "sqlx", "tokio"];

/// Files that may be longer than [`sources::MOST_LINES`], each with the reason. One that no longer needs it is refused.
const LONGER_FILES: &[(&str, &str)] = &[];

/// Fails with one line for each finding.
fn assert_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

#[test]
fn crates_know_only_the_crates_that_the_table_allows() -> anyhow::Result<()> {
    let findings = graph::forbidden_edges(workspace::metadata()?, WHO_MAY_KNOW_WHOM);
    assert_none("who may know whom", &findings);
    Ok(())
}

#[test]
fn domain_names_only_the_dependencies_that_the_table_allows() -> anyhow::Result<()> {
    let findings = graph::strangers(workspace::metadata()?, "domain", DOMAIN_MAY_USE, DOMAIN_MAY_OFFER);
    assert_none("domain may not depend on these", &findings);
    Ok(())
}

#[test]
fn domain_reaches_no_runtime_server_database_or_tls() -> anyhow::Result<()> {
    let findings = graph::forbidden_reach(workspace::metadata()?, "domain", DOMAIN_NEVER)?;
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
fn files_stay_short_enough_to_be_read() -> anyhow::Result<()> {
    let findings = sources::too_long(&workspace::sources()?, LONGER_FILES);
    assert_none("split the file, or give the reason in LONGER_FILES", &findings);
    Ok(())
}

#[test]
fn every_file_opens_by_saying_what_it_is() -> anyhow::Result<()> {
    assert_none("begin the file with `//!`", &sources::without_opening(&workspace::sources()?));
    Ok(())
}

#[test]
fn no_file_has_a_name_that_says_nothing() -> anyhow::Result<()> {
    assert_none("name the file after what is in it", &sources::vague_names(&workspace::sources()?));
    Ok(())
}

#[test]
fn nothing_is_unfinished_and_no_test_is_switched_off() -> anyhow::Result<()> {
    assert_none("unfinished or switched off", &sources::unfinished(&workspace::sources()?)?);
    Ok(())
}

#[test]
fn a_lint_is_silenced_only_with_its_reason() -> anyhow::Result<()> {
    assert_none("add `reason = \"…\"`", &sources::silenced_without_reason(&workspace::sources()?)?);
    Ok(())
}
