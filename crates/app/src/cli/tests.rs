//! How the command line, the variables and the defaults come together, and what the help says.

use clap::error::ErrorKind;

use super::*;

fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Cli {
    let arguments = ["app"].iter().chain(arguments);
    Cli::read(arguments, &variables.iter().copied().collect()).map_err(|error| error.to_string()).unwrap()
}

fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> clap::Error {
    let arguments = ["app"].iter().chain(arguments);
    Cli::read(arguments, &variables.iter().copied().collect()).err().unwrap()
}

#[test]
fn without_arguments_it_serves_with_the_defaults() {
    let Cli { settings, command } = read(&[], &[]);
    assert_eq!(command, None);
    assert_eq!((settings.server.host.as_str(), settings.server.port.as_str()), ("127.0.0.1", "8000"));
    assert_eq!(settings.sign_in.jwt_secret, None);
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_default() {
    assert_eq!(read(&[], &[("PORT", "9000")]).settings.server.port, "9000");
    assert_eq!(read(&["--port", "7000"], &[("PORT", "9000")]).settings.server.port, "7000");
    let cli = read(&[], &[("INSTANCE_ID", "one"), ("DEBUG", "yes")]);
    assert_eq!(
        (cli.settings.process.instance_id.as_deref(), cli.settings.process.debug.as_str()),
        (Some("one"), "yes")
    );
}

#[test]
fn an_empty_variable_counts_as_unset() {
    assert_eq!(read(&[], &[("PORT", "")]).settings.server.port, "8000");
    assert_eq!(read(&[], &[("JWT_SECRET", "")]).settings.sign_in.jwt_secret, None);
}

#[test]
fn a_switch_needs_no_value_and_takes_one_after_an_equals_sign_only() {
    assert_eq!(read(&["--debug"], &[]).settings.process.debug, "true");
    assert_eq!(read(&["--debug=off"], &[("DEBUG", "true")]).settings.process.debug, "off");
    assert_eq!(read(&["--migrate-on-start=false"], &[]).settings.database.migrate_on_start, "false");
    let cli = read(&["--debug", "migrate", "status"], &[]);
    assert_eq!(
        (cli.settings.process.debug.as_str(), cli.command),
        ("true", Some(CliCommand::Migrate(Migrate::Status)))
    );
}

#[test]
fn the_built_in_assistant_is_looked_at_by_assistant() {
    let command = |arguments: &[&str]| match read(arguments, &[]).command {
        Some(CliCommand::Assistant(assistant)) => Some(assistant),
        Some(CliCommand::Migrate(_)) | None => None,
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
        assert_eq!(refused(wrong, &[]).exit_code(), 2, "{wrong:?}");
    }
}

#[test]
fn the_schema_is_changed_by_migrate() {
    let command = |arguments: &[&str]| match read(arguments, &[]).command {
        Some(CliCommand::Migrate(migrate)) => Some(migrate),
        Some(CliCommand::Assistant(_)) | None => None,
    };
    assert_eq!(command(&["migrate", "up"]), Some(Migrate::Up));
    assert_eq!(command(&["migrate", "status"]), Some(Migrate::Status));
    assert_eq!(command(&["migrate", "down"]), Some(Migrate::Down { steps: 1 }));
    assert_eq!(command(&["migrate", "down", "--steps", "3"]), Some(Migrate::Down { steps: 3 }));
    for wrong in [&["migrate"][..], &["migrate", "sideways"], &["migrate", "down", "--steps", "0"], &["serve"]] {
        assert_eq!(refused(wrong, &[]).exit_code(), 2, "{wrong:?}");
    }
}

#[test]
fn a_setting_that_migrate_needs_may_stand_on_either_side_of_it() {
    let url = "sqlite://other.db";
    for arguments in [["--database-url", url, "migrate", "up"], ["migrate", "up", "--database-url", url]] {
        assert_eq!(read(&arguments, &[("DATABASE_URL", "sqlite://x.db")]).settings.database.database_url, url);
    }
    assert_eq!(read(&["migrate", "up"], &[("DATABASE_URL", url)]).settings.database.database_url, url);
    assert_eq!(refused(&["migrate", "up", "--port", "1"], &[]).kind(), ErrorKind::UnknownArgument);
}

#[test]
fn every_settings_flag_is_its_variable_in_lower_case_with_hyphens() {
    let command = Cli::command();
    let flags: Vec<&str> = command.get_arguments().filter_map(Arg::get_long).collect();
    let expected: Vec<String> =
        Cli::variable_names().iter().map(|name| name.to_ascii_lowercase().replace('_', "-")).collect();
    assert_eq!(flags, expected);
}

#[test]
fn the_help_names_every_variable_and_shows_no_secret() {
    let variables = [
        ("JWT_SECRET", "hunter2"),
        ("DATABASE_URL", "postgres://me:hunter3@db/todo"),
        ("COHERE_API_KEY", "hunter4"),
        ("COHERE_BASE_URL", "https://me:hunter5@example.com"),
        ("OPENAI_API_KEY", "hunter6"),
        ("OPENAI_BASE_URL", "https://me:hunter7@example.com"),
        ("PORT", "9000"),
    ];
    for flag in ["-h", "--help"] {
        let error = refused(&[flag], &variables);
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
fn the_version_is_told() {
    assert_eq!(refused(&["--version"], &[]).kind(), ErrorKind::DisplayVersion);
}

#[test]
fn clap_finds_nothing_wrong_with_the_command() {
    Cli::command().debug_assert();
}
