//! The Docker image and the Compose file fit the program.

use std::time::Duration;

/// What does not fit: the version of Rust, instructions that need a shell in the last image, and a grace period that is shorter
/// than a stop.
pub fn misfits(dockerfile: &str, compose: &str, rust_version: &str, stop: Duration) -> Vec<String> {
    let mut findings = Vec::new();
    let instructions = || dockerfile.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    if !instructions().any(|line| line.starts_with(&format!("FROM rust:{rust_version}-"))) {
        findings.push(format!("the image is not built with Rust {rust_version}"));
    }
    let last_from = instructions().filter(|line| line.starts_with("FROM ")).count();
    let (mut stage, mut checks_health) = (0, false);
    for line in instructions() {
        stage += usize::from(line.starts_with("FROM "));
        checks_health |=
            line.starts_with("HEALTHCHECK ") && line.ends_with(r#"CMD ["/usr/local/bin/app", "healthcheck"]"#);
        let needs_shell = line.starts_with("RUN ")
            || ["CMD ", "ENTRYPOINT "]
                .iter()
                .any(|name| line.split(name).nth(1).is_some_and(|rest| !rest.starts_with('[')));
        if stage == last_from && needs_shell {
            findings.push(format!("the last image has no shell: {line}"));
        }
    }
    if !checks_health {
        findings.push("HEALTHCHECK does not run `app healthcheck`".to_owned());
    }
    let grace = compose.lines().find_map(|line| line.trim().strip_prefix("stop_grace_period: "));
    if grace.and_then(|text| humantime::parse_duration(text).ok()).is_none_or(|grace| grace <= stop) {
        findings.push(format!("stop_grace_period is not longer than {} s", stop.as_secs()));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKERFILE: &str = "FROM rust:1.95-slim-trixie AS build\nRUN make\nFROM small\nHEALTHCHECK --retries=3 CMD \
                              [\"/usr/local/bin/app\", \"healthcheck\"]\nENTRYPOINT [\"/usr/local/bin/app\"]\n";
    const COMPOSE: &str = "    stop_grace_period: 15s\n";
    const STOP: Duration = Duration::from_secs(10);

    #[test]
    fn a_planted_misfit_is_found() {
        assert_eq!(misfits(DOCKERFILE, COMPOSE, "1.95", STOP), Vec::<String>::new());
        let shell = DOCKERFILE.replace("ENTRYPOINT [\"/usr/local/bin/app\"]", "ENTRYPOINT app");
        let run = DOCKERFILE.replace("FROM small\n", "FROM small\nRUN useradd doable\n");
        let unchecked = DOCKERFILE.replace("\"healthcheck\"", "\"doctor\"");
        for (dockerfile, compose, rust) in [
            (DOCKERFILE, COMPOSE, "1.96"),
            (DOCKERFILE, "stop_grace_period: 10s", "1.95"),
            (DOCKERFILE, "", "1.95"),
            (&shell, COMPOSE, "1.95"),
            (&run, COMPOSE, "1.95"),
            (&unchecked, COMPOSE, "1.95"),
        ] {
            assert_eq!(misfits(dockerfile, compose, rust, STOP).len(), 1, "{dockerfile}{compose}{rust}");
        }
    }
}
