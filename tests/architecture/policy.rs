//! What may be linked: the licences, bans and sources of deny.toml, held without cargo-deny.
//!
//! Advisories are not here: they need a network. `cargo deny check` has them, and looks at other platforms too.

use anyhow::{Context, Result};
use cargo_metadata::Metadata;
use spdx::{Expression, LicenseReq, ParseMode};
use toml::{Table, Value};

/// The crates of the graph whose licence is missing, unreadable, or not met by the allowed ones.
///
/// # Errors
/// When deny.toml has no such list.
pub fn refused_licences(metadata: &Metadata, deny: &Table) -> Result<Vec<String>> {
    let allow = strings(deny, "licenses", "allow")?;
    let refused = metadata.packages.iter().filter_map(|package| {
        let licence = package.license.as_deref().unwrap_or("no licence");
        (!is_allowed(licence, &allow)).then(|| format!("{} {}: {licence}", package.name, package.version))
    });
    Ok(refused.collect())
}

/// The crates of the graph that are on the list of banned ones.
///
/// # Errors
/// When deny.toml has no such list.
pub fn banned_crates(metadata: &Metadata, deny: &Table) -> Result<Vec<String>> {
    let banned = list(deny, "bans", "deny")?
        .iter()
        .map(|entry| entry.get("crate").and_then(Value::as_str).context("an entry of [bans] deny names a crate"))
        .collect::<Result<Vec<_>>>()?;
    let linked = metadata.packages.iter().filter(|package| banned.contains(&package.name.as_str()));
    Ok(linked.map(|package| format!("{} {}", package.name, package.version)).collect())
}

/// The crates of the graph that come neither from the workspace nor from an allowed registry.
///
/// # Errors
/// When deny.toml has no such list.
pub fn foreign_sources(metadata: &Metadata, deny: &Table) -> Result<Vec<String>> {
    let registries = strings(deny, "sources", "allow-registry")?;
    let is_allowed = |source: &str| source.strip_prefix("registry+").is_some_and(|url| registries.contains(&url));
    let mut findings = Vec::new();
    for package in &metadata.packages {
        match &package.source {
            Some(source) if !is_allowed(&source.repr) => findings.push(format!("{}: {source}", package.name)),
            None if !metadata.workspace_members.contains(&package.id) => {
                findings.push(format!("{}: a folder outside the workspace", package.name));
            }
            Some(_) | None => {}
        }
    }
    Ok(findings)
}

/// Whether the allowed licences meet an SPDX expression (<https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions/>).
/// Old manifests write `MIT/Apache-2.0`, which the lax mode reads as OR.
fn is_allowed(licence: &str, allow: &[&str]) -> bool {
    let met = |needed: &LicenseReq| {
        needed.addition.is_none() && needed.license.id().is_some_and(|id| allow.contains(&id.name))
    };
    Expression::parse_mode(licence, ParseMode::LAX).is_ok_and(|expression| expression.evaluate(met))
}

fn strings<'a>(table: &'a Table, section: &str, key: &str) -> Result<Vec<&'a str>> {
    list(table, section, key)?
        .iter()
        .map(|value| value.as_str().with_context(|| format!("[{section}] {key} is a list of strings")))
        .collect()
}

fn list<'a>(table: &'a Table, section: &str, key: &str) -> Result<&'a Vec<Value>> {
    let found = table.get(section).and_then(|section| section.get(key)).and_then(Value::as_array);
    found.with_context(|| format!("deny.toml has a list {key} in [{section}]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{deny_toml, metadata};

    /// The real graph, and in it one package is as `change` makes it.
    fn with_changed(name: &str, change: impl FnOnce(&mut cargo_metadata::Package)) -> Metadata {
        let mut graph = metadata().unwrap().clone();
        change(graph.packages.iter_mut().find(|package| package.name.as_str() == name).unwrap());
        graph
    }

    #[test]
    fn a_choice_needs_one_allowed_licence_and_a_sum_needs_all() {
        let allow = ["MIT", "ISC"];
        for met in ["MIT", "MIT OR GPL-3.0-only", "GPL-2.0/MIT", "MIT AND ISC", "(GPL-3.0-only OR ISC) AND MIT"] {
            assert!(is_allowed(met, &allow), "{met}");
        }
        for refused in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "MIT WITH LLVM-exception", "no licence", "", "Own"] {
            assert!(!is_allowed(refused, &allow), "{refused}");
        }
    }

    #[test]
    fn a_planted_copyleft_licence_and_a_missing_one_are_found() {
        let deny = deny_toml().unwrap();
        let graph = with_changed("serde", |package| package.license = Some("GPL-3.0-or-later".to_owned()));
        let refused = refused_licences(&graph, &deny).unwrap();
        assert!(refused.iter().any(|line| line.ends_with(": GPL-3.0-or-later")), "{refused:?}");
        let graph = with_changed("serde", |package| package.license = None);
        let refused = refused_licences(&graph, &deny).unwrap();
        assert!(refused.iter().any(|line| line.ends_with(": no licence")), "{refused:?}");
    }

    #[test]
    fn a_planted_banned_crate_is_found() {
        let deny = "bans.deny = [{ crate = \"serde\", reason = \"planted\" }]".parse().unwrap();
        let found = banned_crates(metadata().unwrap(), &deny).unwrap();
        assert!(!found.is_empty() && found.iter().all(|line| line.starts_with("serde ")), "{found:?}");
    }

    #[test]
    fn a_planted_fork_and_a_planted_folder_are_found() {
        let deny = deny_toml().unwrap();
        let fork = "git+https://example.org/serde";
        let graph = with_changed("serde", |package| package.source.as_mut().unwrap().repr = fork.to_owned());
        assert_eq!(foreign_sources(&graph, &deny).unwrap(), [format!("serde: {fork}")]);
        let graph = with_changed("serde", |package| package.source = None);
        assert_eq!(foreign_sources(&graph, &deny).unwrap(), ["serde: a folder outside the workspace"]);
    }

    #[test]
    fn a_deny_toml_without_its_lists_is_an_error_and_no_pass() {
        let empty = Table::new();
        let graph = metadata().unwrap();
        assert!(refused_licences(graph, &empty).is_err());
        assert!(banned_crates(graph, &empty).is_err());
        assert!(foreign_sources(graph, &empty).is_err());
    }
}
