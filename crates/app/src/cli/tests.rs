//! Precedence of flags, variables and defaults; commands; help.

use clap::error::ErrorKind;

use super::*;

fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Cli {
    let arguments = ["app"].iter().chain(arguments);
    Cli::read(arguments, &variables.iter().copied().collect()).map_err(|error| error.to_string()).unwrap()
}

fn rejected(arguments: &[&str], variables: &[(&str, &str)]) -> clap::Error {
    let arguments = ["app"].iter().chain(arguments);
    Cli::read(arguments, &variables.iter().copied().collect()).err().unwrap()
}

#[test]
fn no_arguments_mean_serving_with_the_defaults() {
    let Cli { settings, command } = read(&[], &[]);
    assert_eq!(command, None);
    assert_eq!((settings.server.host.as_str(), settings.server.port), ("127.0.0.1", 8000));
    assert!(settings.sign_in.jwt_secret.is_none());
}

#[test]
fn a_flag_overrides_a_variable_and_a_variable_overrides_the_default() {
    assert_eq!(read(&[], &[("PORT", "9000")]).settings.server.port, 9000);
    assert_eq!(read(&["--port", "7000"], &[("PORT", "9000")]).settings.server.port, 7000);
    let cli = read(&[], &[("INSTANCE_ID", "one"), ("DEBUG", "yes")]);
    assert!(cli.settings.process.instance_id.is_some() && cli.settings.process.debug);
}

#[test]
fn an_empty_variable_counts_as_unset() {
    assert_eq!(read(&[], &[("PORT", "")]).settings.server.port, 8000);
    assert!(read(&[], &[("JWT_SECRET", "")]).settings.sign_in.jwt_secret.is_none());
}

#[test]
fn a_switch_accepts_a_value_only_after_an_equals_sign() {
    assert!(read(&["--debug"], &[]).settings.process.debug);
    assert!(!read(&["--debug=off"], &[("DEBUG", "true")]).settings.process.debug);
    assert!(!read(&["--migrate-on-start=false"], &[]).settings.database.migrate_on_start);
    let cli = read(&["--debug", "migrate", "status"], &[]);
    assert_eq!((cli.settings.process.debug, cli.command), (true, Some(CliCommand::Migrate(Migrate::Status))));
}

#[test]
fn the_command_assistant_is_parsed() {
    let command = |arguments: &[&str]| match read(arguments, &[]).command {
        Some(CliCommand::Assistant(assistant)) => Some(assistant),
        Some(CliCommand::Migrate(_) | CliCommand::Doctor | CliCommand::Healthcheck) | None => None,
    };
    let eval = |predictions: Option<&str>| AssistantCommand::Eval {
        file: "rows.jsonl".into(),
        predictions: predictions.map(Into::into),
    };
    assert_eq!(command(&["assistant", "eval", "rows.jsonl"]), Some(eval(None)));
    assert_eq!(command(&["assistant", "eval", "rows.jsonl", "--predictions", "p"]), Some(eval(Some("p"))));
    let sentence = vec!["put milk on it".to_owned()];
    assert_eq!(command(&["assistant", "explain", "put milk on it"]), Some(AssistantCommand::Explain { sentence }));
    for wrong in [&["assistant"][..], &["assistant", "eval"], &["assistant", "explain"]] {
        assert_eq!(rejected(wrong, &[]).exit_code(), 2, "{wrong:?}");
    }
}

#[test]
fn the_command_migrate_is_parsed() {
    let command = |arguments: &[&str]| match read(arguments, &[]).command {
        Some(CliCommand::Migrate(migrate)) => Some(migrate),
        Some(CliCommand::Assistant(_) | CliCommand::Doctor | CliCommand::Healthcheck) | None => None,
    };
    assert_eq!(command(&["migrate", "up"]), Some(Migrate::Up));
    assert_eq!(command(&["migrate", "status"]), Some(Migrate::Status));
    assert_eq!(command(&["migrate", "down"]), Some(Migrate::Down { steps: 1 }));
    assert_eq!(command(&["migrate", "down", "--steps", "3"]), Some(Migrate::Down { steps: 3 }));
    for wrong in [&["migrate"][..], &["migrate", "sideways"], &["migrate", "down", "--steps", "0"], &["serve"]] {
        assert_eq!(rejected(wrong, &[]).exit_code(), 2, "{wrong:?}");
    }
}

#[test]
fn the_database_url_may_precede_or_follow_migrate() {
    let (url, description) = ("sqlite:////srv/other.db", "SQLite in /srv/other.db");
    let described = |arguments: &[&str], variable| {
        read(arguments, &[("DATABASE_URL", variable)]).settings.database.database_url.description().to_owned()
    };
    for arguments in [["--database-url", url, "migrate", "up"], ["migrate", "up", "--database-url", url]] {
        assert_eq!(described(&arguments, "sqlite://x.db"), description);
    }
    assert_eq!(described(&["migrate", "up"], url), description);
    assert_eq!(rejected(&["migrate", "up", "--port", "1"], &[]).kind(), ErrorKind::UnknownArgument);
}

#[test]
fn the_flag_of_a_setting_is_its_variable_in_lower_case_with_hyphens() {
    let command = Cli::command();
    let flags: Vec<&str> = command.get_arguments().filter_map(Arg::get_long).collect();
    let expected: Vec<String> =
        Cli::variable_names().iter().map(|name| name.to_ascii_lowercase().replace('_', "-")).collect();
    assert_eq!(flags, expected);
}

#[test]
fn the_help_names_every_variable_and_contains_no_secret() {
    let variables = [
        ("JWT_SECRET", "hunter2"),
        ("DATABASE_URL", "postgres://me:hunter3@db/todo"),
        ("COHERE_API_KEY", "hunter4"),
        ("COHERE_BASE_URL", "https://me:hunter5@example.com"),
        ("OPENAI_API_KEY", "hunter6"),
        ("OPENAI_BASE_URL", "https://me:hunter7@example.com"),
        ("REDIS_URL", "redis://me:hunter8@cache"),
        ("PORT", "9000"),
    ];
    for flag in ["-h", "--help"] {
        let error = rejected(&[flag], &variables);
        assert_eq!(error.kind(), ErrorKind::DisplayHelp);
        let help = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        for name in Cli::variable_names() {
            assert!(help.contains(&format!("[env: {name}]")), "{name}: {help}");
        }
        for part in
            ["Server:", "Database:", "Sign-in:", "Assistant:", "Process:", "Examples:", "[default: 9000]", "migrate"]
        {
            assert!(help.contains(part), "{part}: {help}");
        }
        assert!(!help.contains("hunter"), "{help}");
    }
}

#[test]
fn the_version_has_the_name_of_the_program() {
    let version = rejected(&["--version"], &[]);
    assert_eq!(version.kind(), ErrorKind::DisplayVersion);
    assert!(version.to_string().starts_with("doable "), "{version}");
}

#[test]
fn the_definition_of_the_command_is_consistent() {
    Cli::command().debug_assert();
}
