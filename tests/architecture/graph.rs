//! Rules over the dependency graph that cargo reports.
//!
//! What a manifest names and what is reached through it are two questions: the first is asked of the declared
//! dependencies, optional and platform ones included, the second of the resolved graph.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};

/// One row of the table: a crate, and the crates of the workspace that its manifest may name.
pub struct CrateRow {
    pub krate: &'static str,
    pub normal: &'static [&'static str],
    pub dev: &'static [&'static str],
}

/// The edges between crates of the workspace that `table` does not have, the crates without a row, and the rows
/// without a crate.
pub fn forbidden_edges(metadata: &Metadata, table: &[CrateRow]) -> Vec<String> {
    let members = metadata.workspace_packages();
    let is_member = |name: &str| members.iter().any(|package| package.name.as_str() == name);
    let mut findings = Vec::new();
    for package in &members {
        let Some(row) = table.iter().find(|row| row.krate == package.name.as_str()) else {
            findings.push(format!("{} has no row in the table", package.name));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| is_member(&dependency.name)) {
            let allowed = match dependency.kind {
                DependencyKind::Normal => row.normal,
                DependencyKind::Development => row.dev,
                // A build script that needs another crate of the workspace is a design of its own: no row has one.
                _ => &[],
            };
            if !allowed.contains(&dependency.name.as_str()) {
                findings.push(format!("{} -> {} ({})", package.name, dependency.name, dependency.kind));
            }
        }
    }
    findings.extend(table.iter().filter(|row| !is_member(row.krate)).map(|row| format!("{} is no crate", row.krate)));
    findings
}

/// The dependencies of `krate`, dev-dependencies aside, that are neither in `may_use` nor optional and in `may_offer`.
pub fn unlisted_dependencies(metadata: &Metadata, krate: &str, may_use: &[&str], may_offer: &[&str]) -> Vec<String> {
    let declared = metadata.workspace_packages().into_iter().filter(|package| package.name.as_str() == krate);
    declared
        .flat_map(|package| &package.dependencies)
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .filter(|dependency| {
            let name = dependency.name.as_str();
            let may_offer = dependency.optional && may_offer.contains(&name);
            !may_offer && !may_use.contains(&name)
        })
        .map(|dependency| dependency.name.clone())
        .collect()
}

/// The ways from `krate` to a crate of one of `families` along normal dependencies, as cargo resolved them for the
/// whole workspace with dev-dependencies: never less than what a build of `krate` alone links.
///
/// # Errors
/// When the graph does not have `krate`, or is not whole.
pub fn forbidden_reach(metadata: &Metadata, krate: &str, families: &[&str]) -> Result<Vec<String>> {
    let ways = reachable(metadata, krate)?;
    let in_family = |name: &str, family: &str| {
        name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
    };
    Ok(ways
        .into_iter()
        .filter(|(id, _)| families.iter().any(|family| in_family(metadata[*id].name.as_str(), family)))
        .map(|(_, way)| way)
        .collect())
}

/// Every crate that `krate` reaches along normal dependencies, itself included, with a shortest way to it.
fn reachable<'a>(metadata: &'a Metadata, krate: &str) -> Result<BTreeMap<&'a PackageId, String>> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata was asked for the graph")?;
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let start = &member(metadata, krate)?.id;
    let mut ways = BTreeMap::from([(start, krate.to_owned())]);
    let mut queue = VecDeque::from([start]);
    while let Some(id) = queue.pop_front() {
        let way = ways[id].clone();
        let node = nodes.get(id).with_context(|| format!("{id} is in the graph"))?;
        for dependency in &node.deps {
            let normal = dependency.dep_kinds.iter().any(|info| info.kind == DependencyKind::Normal);
            if normal && !ways.contains_key(&dependency.pkg) {
                ways.insert(&dependency.pkg, format!("{way} -> {}", metadata[&dependency.pkg].name));
                queue.push_back(&dependency.pkg);
            }
        }
    }
    Ok(ways)
}

fn member<'a>(metadata: &'a Metadata, krate: &str) -> Result<&'a Package> {
    let mut members = metadata.workspace_packages().into_iter();
    members
        .find(|package| package.name.as_str() == krate)
        .with_context(|| format!("{krate} is a crate of the workspace"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::metadata;
    use crate::{ALLOWED_DEPENDENCIES, DOMAIN_DEPENDENCIES, DOMAIN_FORBIDDEN_FAMILIES, DOMAIN_OPTIONAL_DEPENDENCIES};

    /// The real graph, and in it `from` names `to` in its manifest.
    fn with_planted(from: &str, to: &str, kind: DependencyKind) -> Metadata {
        let mut graph = metadata().unwrap().clone();
        let model = graph.packages.iter().flat_map(|package| &package.dependencies).find(|found| found.name == to);
        let mut planted = model.unwrap().clone();
        planted.kind = kind;
        planted.optional = false;
        graph.packages.iter_mut().find(|package| package.name.as_str() == from).unwrap().dependencies.push(planted);
        graph
    }

    /// The real graph, and in it cargo has resolved an edge from `from` to `to`.
    fn with_resolved(from: &str, to: &str, kind: DependencyKind) -> Metadata {
        let mut graph = metadata().unwrap().clone();
        let id = |name: &str| graph.packages.iter().find(|package| package.name.as_str() == name).unwrap().id.clone();
        let (from, to) = (id(from), id(to));
        let nodes = &mut graph.resolve.as_mut().unwrap().nodes;
        let mut planted = nodes.iter().flat_map(|node| &node.deps).find(|edge| edge.pkg == to).unwrap().clone();
        planted.dep_kinds.truncate(1);
        planted.dep_kinds[0].kind = kind;
        nodes.iter_mut().find(|node| node.id == from).unwrap().deps.push(planted);
        graph
    }

    #[test]
    fn a_planted_edge_between_two_adapters_is_found() {
        let graph = with_planted("llm", "persistence", DependencyKind::Normal);
        assert_eq!(forbidden_edges(&graph, ALLOWED_DEPENDENCIES), ["llm -> persistence (normal)"]);
    }

    #[test]
    fn a_planted_edge_out_of_domain_is_found_even_among_its_dev_dependencies() {
        let graph = with_planted("domain", "llm", DependencyKind::Development);
        assert_eq!(forbidden_edges(&graph, ALLOWED_DEPENDENCIES), ["domain -> llm (dev)"]);
    }

    #[test]
    fn a_dev_dependency_that_becomes_a_normal_one_is_found() {
        let graph = with_planted("persistence", "migrations", DependencyKind::Normal);
        assert_eq!(forbidden_edges(&graph, ALLOWED_DEPENDENCIES), ["persistence -> migrations (normal)"]);
        let graph = with_planted("app", "test-database", DependencyKind::Normal);
        assert_eq!(forbidden_edges(&graph, ALLOWED_DEPENDENCIES), ["app -> test-database (normal)"]);
    }

    #[test]
    fn a_build_script_that_needs_a_crate_of_the_workspace_is_found() {
        let graph = with_planted("persistence", "domain", DependencyKind::Build);
        assert_eq!(forbidden_edges(&graph, ALLOWED_DEPENDENCIES), ["persistence -> domain (build)"]);
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        let mut graph = metadata().unwrap().clone();
        graph.workspace_members.retain(|id| graph.packages.iter().any(|p| p.id == *id && p.name.as_str() == "domain"));
        assert_eq!(
            forbidden_edges(&graph, &ALLOWED_DEPENDENCIES[1..2]),
            ["domain has no row in the table", "migrations is no crate"]
        );
    }

    #[test]
    fn tokio_planted_in_the_manifest_of_domain_is_found() {
        let graph = with_planted("domain", "tokio", DependencyKind::Normal);
        assert_eq!(
            unlisted_dependencies(&graph, "domain", DOMAIN_DEPENDENCIES, DOMAIN_OPTIONAL_DEPENDENCIES),
            ["tokio"]
        );
    }

    #[test]
    fn mocks_that_are_not_behind_a_feature_are_found() {
        let graph = with_planted("domain", "mockall", DependencyKind::Normal);
        assert_eq!(
            unlisted_dependencies(&graph, "domain", DOMAIN_DEPENDENCIES, DOMAIN_OPTIONAL_DEPENDENCIES),
            ["mockall"]
        );
    }

    #[test]
    fn tokio_as_a_dev_dependency_of_domain_is_allowed() {
        let graph = with_planted("domain", "tokio", DependencyKind::Development);
        assert!(unlisted_dependencies(&graph, "domain", DOMAIN_DEPENDENCIES, DOMAIN_OPTIONAL_DEPENDENCIES).is_empty());
        let graph = with_resolved("domain", "tokio", DependencyKind::Development);
        assert!(forbidden_reach(&graph, "domain", DOMAIN_FORBIDDEN_FAMILIES).unwrap().is_empty());
    }

    #[test]
    fn tokio_behind_an_allowed_dependency_of_domain_is_found_with_the_way_to_it() {
        let graph = with_resolved("futures-util", "tokio", DependencyKind::Normal);
        let ways = forbidden_reach(&graph, "domain", DOMAIN_FORBIDDEN_FAMILIES).unwrap();
        assert!(ways.iter().any(|way| way == "domain -> futures-util -> tokio"), "{ways:?}");
    }

    #[test]
    fn a_member_of_a_forbidden_family_is_found_and_a_name_that_only_looks_like_one_is_not() {
        let graph = with_resolved("serde_json", "sqlx-core", DependencyKind::Normal);
        let ways = forbidden_reach(&graph, "domain", &["sqlx"]).unwrap();
        assert!(ways.iter().any(|way| way.ends_with(" -> sqlx-core")), "{ways:?}");
        assert!(forbidden_reach(&graph, "domain", &["sq"]).unwrap().is_empty());
    }

    #[test]
    fn the_walk_follows_more_than_one_step() {
        let ways = reachable(metadata().unwrap(), "domain").unwrap();
        assert!(ways.values().any(|way| way.matches(" -> ").count() > 1), "{ways:?}");
    }
}
