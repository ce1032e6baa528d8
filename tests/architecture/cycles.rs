//! Import cycles between the modules of a crate.
//!
//! Paths are resolved on tokens: `crate::`, `super::`, `self::`, names of child modules and imported modules. A name
//! that a module only re-exports counts as an import of the file that defines it. Code under `#[cfg(test)]` is exempt.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::workspace::Source;

/// Names of modules or of a module and an item, from the crate root.
type Path = Vec<String>;

/// A path that a file mentions.
struct Mention {
    path: Path,
    /// The local name that a `use` gives it.
    binding: Option<String>,
    /// Whether it is a `pub use`.
    public: bool,
}

/// The module of one file.
#[derive(Default)]
struct Module {
    file: String,
    mentions: Vec<Mention>,
    /// How often each identifier occurs outside `use` items.
    words: BTreeMap<String, usize>,
}

/// The import cycles below every `src` folder, one shortest cycle for each file that is not part of another finding.
///
/// # Errors
/// Returns an error if a file does not consist of Rust tokens.
pub fn import_cycles(sources: &[Source]) -> Result<Vec<String>> {
    let mut crates: BTreeMap<&str, Vec<(&str, &Source)>> = BTreeMap::new();
    for source in sources {
        if let Some((krate, inner)) = source.path.split_once("/src/") {
            crates.entry(krate).or_default().push((inner, source));
        }
    }
    let mut findings = Vec::new();
    for files in crates.values() {
        findings.extend(cycles(&imports(&modules(files)?)));
    }
    Ok(findings)
}

/// The modules of the library of one crate. Binaries are left out: nothing can import them.
fn modules(files: &[(&str, &Source)]) -> Result<BTreeMap<Path, Module>> {
    let mut paths: BTreeMap<Path, &Source> = BTreeMap::new();
    for (inner, source) in files {
        let stem = inner.trim_end_matches(".rs");
        if stem != "main" && !stem.starts_with("bin/") {
            let stem = stem.strip_suffix("/mod").unwrap_or(stem);
            let path = if stem == "lib" { Path::new() } else { stem.split('/').map(str::to_owned).collect() };
            paths.insert(path, source);
        }
    }
    let mut found = BTreeMap::new();
    let mut test_modules = BTreeSet::new();
    for (path, source) in &paths {
        let tokens: TokenStream = source.text.parse().map_err(|error| anyhow!("{}: {error}", source.path))?;
        let children = paths.keys().filter(|child| child.len() == path.len() + 1 && child.starts_with(path));
        let children = children.filter_map(|child| child.last().cloned()).collect();
        let mut reader = Reader { file: path, children, module: Module::default(), test_modules: BTreeSet::new() };
        reader.read(tokens, path);
        test_modules.extend(reader.test_modules);
        found.insert(path.clone(), Module { file: source.path.clone(), ..reader.module });
    }
    found.retain(|path, _| !(0..=path.len()).any(|end| test_modules.contains(&path[..end])));
    Ok(found)
}

struct Reader<'a> {
    file: &'a Path,
    children: BTreeSet<String>,
    module: Module,
    test_modules: BTreeSet<Path>,
}

impl Reader<'_> {
    /// Reads the tokens of the (inline) module `at`.
    fn read(&mut self, stream: TokenStream, at: &Path) {
        let tokens: Vec<_> = stream.into_iter().collect();
        let mut index = 0;
        let mut public = false;
        while let Some(token) = tokens.get(index) {
            if is_cfg_test(&tokens[index..]) {
                index = self.skip_item(&tokens, index + 2, at);
                continue;
            }
            match token {
                TokenTree::Group(group) => self.read(group.stream(), at),
                TokenTree::Ident(word) if word == "use" => {
                    let end = end_of_item(&tokens, index);
                    self.read_tree(&tokens[index + 1..end], &Path::new(), at, Some(public));
                    index = end;
                }
                TokenTree::Ident(word) if word == "mod" && is_braced(tokens.get(index + 2)) => {
                    if let (Some(name), Some(TokenTree::Group(body))) = (tokens.get(index + 1), tokens.get(index + 2)) {
                        let inner = at.iter().cloned().chain([name.to_string()]).collect();
                        self.read(body.stream(), &inner);
                    }
                    index += 2;
                }
                TokenTree::Ident(word) => {
                    *self.module.words.entry(word.to_string()).or_default() += 1;
                    let continues = index > 0 && is_mark(tokens.get(index - 1), ':');
                    if !continues && is_separator(&tokens, index + 1) {
                        let mut path = vec![word.to_string()];
                        index += 1;
                        while is_separator(&tokens, index)
                            && let Some(TokenTree::Ident(next)) = tokens.get(index + 2)
                        {
                            *self.module.words.entry(next.to_string()).or_default() += 1;
                            path.push(next.to_string());
                            index += 3;
                        }
                        self.mention(&path, at, None, false);
                        continue;
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            public = match token {
                TokenTree::Ident(word) => word == "pub",
                TokenTree::Group(_) => public,
                TokenTree::Punct(_) | TokenTree::Literal(_) => false,
            };
            index += 1;
        }
    }

    /// Reads the tree of a `use` item below `prefix`.
    fn read_tree(&mut self, tokens: &[TokenTree], prefix: &Path, at: &Path, public: Option<bool>) {
        let mut path = prefix.clone();
        let mut binding = None;
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    binding = tokens.get(index + 1).map(ToString::to_string);
                    index += 1;
                }
                TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Punct(mark) if mark.as_char() == '*' => path.push("*".to_owned()),
                TokenTree::Group(group) => {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    for branch in inner.split(|token| is_mark(Some(token), ',')).filter(|branch| !branch.is_empty()) {
                        self.read_tree(branch, &path, at, public);
                    }
                    return;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            index += 1;
        }
        let binding = binding.or_else(|| path.last().cloned());
        self.mention(&path, at, binding, public.unwrap_or_default());
    }

    /// Notes a path, made absolute where that needs no other file; other paths wait for the imported modules.
    fn mention(&mut self, path: &[String], at: &Path, binding: Option<String>, public: bool) {
        let Some(first) = path.first() else { return };
        let mut absolute = match first.as_str() {
            "crate" => Path::new(),
            "self" | "super" => at.clone(),
            child if self.children.contains(child) => self.file.iter().cloned().chain([child.to_owned()]).collect(),
            // A name that only an import can explain; resolved by `imports`.
            other => vec!["?".to_owned(), other.to_owned()],
        };
        if first == "super" {
            absolute.pop();
        }
        for segment in &path[1..] {
            if segment == "super" {
                absolute.pop();
            } else {
                absolute.push(segment.clone());
            }
        }
        self.module.mentions.push(Mention { path: absolute, binding, public });
    }

    /// The index behind the item that begins at `index`; a module without a body is noted as a test module.
    fn skip_item(&mut self, tokens: &[TokenTree], index: usize, at: &Path) -> usize {
        let end = (index..tokens.len())
            .find(|end| is_mark(tokens.get(*end), ';') || is_braced(tokens.get(*end)))
            .unwrap_or(tokens.len() - 1);
        let item = &tokens[index..=end];
        if let Some(keyword) = item.iter().position(|token| matches!(token, TokenTree::Ident(word) if word == "mod"))
            && let Some(TokenTree::Ident(name)) = item.get(keyword + 1)
        {
            self.test_modules.insert(at.iter().cloned().chain([name.to_string()]).collect());
        }
        // `use a::{b, c};` ends behind its braces.
        if is_mark(tokens.get(end + 1), ';') { end + 2 } else { end + 1 }
    }
}

fn is_mark(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == mark)
}

fn is_separator(tokens: &[TokenTree], index: usize) -> bool {
    is_mark(tokens.get(index), ':') && is_mark(tokens.get(index + 1), ':')
}

fn is_braced(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace)
}

fn is_cfg_test(tokens: &[TokenTree]) -> bool {
    let attribute = tokens.get(1).map(ToString::to_string).unwrap_or_default();
    is_mark(tokens.first(), '#') && attribute.replace(' ', "") == "[cfg(test)]"
}

fn end_of_item(tokens: &[TokenTree], from: usize) -> usize {
    (from..tokens.len()).find(|index| is_mark(tokens.get(*index), ';')).unwrap_or(tokens.len())
}

/// The files that each file imports.
fn imports(modules: &BTreeMap<Path, Module>) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut graph = BTreeMap::new();
    for module in modules.values() {
        let edges: &mut BTreeSet<&str> = graph.entry(module.file.as_str()).or_default();
        for mention in &module.mentions {
            let Some(path) = absolute(modules, module, &mention.path) else { continue };
            let only_named = mention.binding.is_some() && modules.contains_key(&path);
            let used = |name: &String| module.words.contains_key(name);
            let only_reexported = mention.public && !mention.binding.as_ref().is_some_and(used);
            if !only_named && !only_reexported {
                edges.extend(definer(modules, &path, 0).filter(|file| *file != module.file));
            }
        }
    }
    graph
}

/// The path with its first name replaced by what the module imports under that name.
fn absolute(modules: &BTreeMap<Path, Module>, module: &Module, path: &[String]) -> Option<Path> {
    let [mark, name, rest @ ..] = path else { return Some(path.to_vec()) };
    if mark != "?" {
        return Some(path.to_vec());
    }
    let imported = module.mentions.iter().find(|mention| {
        mention.binding.as_ref() == Some(name) && mention.path.first().is_none_or(|first| first != "?")
    })?;
    let is_module = modules.contains_key(&imported.path);
    is_module.then(|| imported.path.iter().chain(rest).cloned().collect())
}

/// The file that defines what `path` names, behind any re-exports.
fn definer<'a>(modules: &'a BTreeMap<Path, Module>, path: &[String], depth: usize) -> Option<&'a str> {
    let end = (0..=path.len()).rev().find(|end| modules.contains_key(&path[..*end]))?;
    let module = &modules[&path[..end]];
    let rest = &path[end..];
    let reexported = |mention: &&Mention| mention.binding.is_some() && mention.binding.as_ref() == rest.first();
    if let Some(mention) = module.mentions.iter().find(reexported).filter(|_| depth < 8)
        && let Some(target) = absolute(modules, module, &mention.path)
    {
        let target: Path = target.iter().chain(&rest[1..]).cloned().collect();
        return definer(modules, &target, depth + 1);
    }
    Some(&module.file)
}

/// A shortest cycle through each file that is in one, without files of cycles that are already found.
fn cycles(graph: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let mut found = Vec::new();
    let mut reported = BTreeSet::new();
    for start in graph.keys().copied() {
        let mut previous: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(file) = queue.pop_front() {
            for next in graph.get(file).into_iter().flatten().copied() {
                if !previous.contains_key(next) {
                    previous.insert(next, file);
                    queue.push_back(next);
                }
            }
        }
        if !previous.contains_key(start) || reported.contains(start) {
            continue;
        }
        let mut cycle = vec![start];
        let mut file = previous[start];
        while file != start {
            cycle.push(file);
            file = previous[file];
        }
        cycle.push(start);
        cycle.reverse();
        reported.extend(cycle.iter().copied());
        found.push(cycle.join(" -> "));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let file = |(path, text): &(&str, &str)| Source { path: format!("a/src/{path}"), text: (*text).to_owned() };
        import_cycles(&files.iter().map(file).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_cycle_of_imports_is_found_in_every_spelling() {
        let lib = ("lib.rs", "mod b; mod c;");
        for back in [
            "use crate::b::B;",
            "use crate::{b::{B as X}};",
            "use super::b::B;",
            "fn f() { crate::b::f() }",
            "use crate::b; fn f() { b::f() }",
            "fn f() { match 1 { _ => super::b::f() } }",
        ] {
            let cycle = found(&[lib, ("b.rs", "use crate::c::C;"), ("c.rs", back)]);
            assert_eq!(cycle, ["a/src/b.rs -> a/src/c.rs -> a/src/b.rs"], "{back}");
        }
    }

    #[test]
    fn a_cycle_over_three_files_is_found() {
        let files = [("b.rs", "use crate::c::C;"), ("c.rs", "use crate::d::D;"), ("d.rs", "use crate::b::B;")];
        assert_eq!(
            found(&[&[("lib.rs", "mod b; mod c; mod d;")][..], &files].concat()),
            ["a/src/b.rs -> a/src/c.rs -> a/src/d.rs -> a/src/b.rs"]
        );
    }

    #[test]
    fn a_parent_that_uses_its_child_is_found_when_the_child_uses_the_parent() {
        let lib = ("lib.rs", "mod b;");
        let child = ("b/c.rs", "use super::B; pub struct C;");
        for parent in
            ["mod c; use c::C; pub struct B;", "mod c; pub use c::C; pub struct B(C);", "mod c; fn f() { c::f() }"]
        {
            assert_eq!(found(&[lib, ("b.rs", parent), child]).len(), 1, "{parent}");
        }
    }

    #[test]
    fn reexports_are_resolved_to_the_file_that_defines_the_name() {
        let lib = ("lib.rs", "mod b; pub use b::{C, D};");
        let parent = ("b.rs", "mod c; mod d; pub use c::C; pub use d::D; pub struct B;");
        assert!(found(&[lib, parent, ("b/c.rs", "use super::{B, D};"), ("b/d.rs", "use crate::b::B;")]).is_empty());
        let cycle = found(&[lib, parent, ("b/c.rs", "use crate::D;"), ("b/d.rs", "use super::C;")]);
        assert_eq!(cycle, ["a/src/b/c.rs -> a/src/b/d.rs -> a/src/b/c.rs"]);
    }

    #[test]
    fn tests_words_and_other_crates_are_no_imports() {
        let lib = ("lib.rs", "mod b; mod c;");
        let to_c = ("b.rs", "use crate::c::C;");
        for back in [
            "#[cfg(test)] mod tests { use crate::b::B; }",
            "#[cfg(test)] use crate::b::{B, X}; pub struct C;",
            "// crate::b::B\nconst A: &str = \"crate::b::B\";",
            "use other::b::B; mod inner { use super::C; }",
        ] {
            assert!(found(&[lib, to_c, ("c.rs", back)]).is_empty(), "{back}");
        }
        let test_file = [("c.rs", "#[cfg(test)] mod tests;"), ("c/tests.rs", "use crate::b::B;")];
        assert!(found(&[&[lib, to_c][..], &test_file].concat()).is_empty());
    }
}
