//! The command line: the commands, and the sources of a setting's value.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::{Arg, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::settings::{Settings, Variables, rejected_setting};

const EXAMPLES: &str = "\
A setting is read from its flag, or else its environment variable, or else a line NAME=value in the file .env. An empty \
variable counts as unset.

Examples:
  app                                    serve on http://127.0.0.1:8000, with SQLite in ./data
  PORT=9000 app                          serve on another port
  DATABASE_URL=postgres://me@db/todo app serve with Postgres
  app migrate status                     list the migrations and whether they are applied
  app doctor                             check the settings, the database and the provider
  app assistant explain \"put milk on it\" show how the built-in assistant parses a sentence";

/// Doable: a todo backend with a chat assistant. Serves if no command is given.
#[derive(Parser)]
#[command(name = "doable", version, after_help = EXAMPLES, max_term_width = 110)]
#[command(subcommand_help_heading = "Commands", disable_help_subcommand = true)]
pub struct Cli {
    /// All settings.
    #[command(flatten)]
    pub settings: Settings,
    /// The command; serves if absent.
    #[command(subcommand)]
    pub command: Option<CliCommand>,
}

/// A command other than serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum CliCommand {
    /// Show or change the database's schema
    #[command(subcommand)]
    Migrate(Migrate),
    /// Inspect the built-in assistant; needs no database
    #[command(subcommand)]
    Assistant(AssistantCommand),
    /// Check the settings and everything that they name: database, clock, provider, sign-in, port. Says what is wrong and
    /// what to do; changes nothing. The exit status is 1 if there is a problem
    Doctor,
    /// Ask the running server whether it is ready. The exit status is 1 if it is not
    Healthcheck,
}

/// Ways to inspect the built-in assistant.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum AssistantCommand {
    /// Evaluate it on labelled sentences: accuracy by tool and tag, the confusion table, the wrong rows, and the number of
    /// harmful errors
    Eval {
        /// JSON Lines file; each line has an `id`, a `text`, the call to `expect` (`tool` with `title`, `identifier`,
        /// `new_title` or `status`), and optional `tags`
        #[arg(value_name = "FILE.jsonl")]
        file: PathBuf,
        /// Write the calls that it makes to a file, as one JSON line per row
        #[arg(long, value_name = "FILE")]
        predictions: Option<PathBuf>,
    },
    /// Show the possible readings of a sentence with their scores and grammar lines, and the resulting action
    Explain {
        /// The sentence
        #[arg(required = true)]
        sentence: Vec<String>,
    },
}

/// Schema migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Migrate {
    /// Apply all pending migrations
    Up,
    /// Revert the last migrations. The data that they stored is lost
    Down {
        /// Number of migrations to revert
        #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        steps: u32,
    },
    /// List the migrations and whether they are applied
    Status,
}

impl Cli {
    /// Parses the command line, whose first item is the program's name. A setting without a flag has its variable's value,
    /// or else its default.
    ///
    /// # Errors
    /// A mistake, with all invalid settings, or the requested help; `error.exit()` prints either and ends the program.
    pub fn read<I, A>(arguments: I, variables: &Variables) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = A>,
        A: Into<OsString>,
    {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let mut command = Self::command().mut_args(|argument| with_variable(argument, variables));
        let mut problems = Vec::new();
        let mut matches = loop {
            match command.clone().try_get_matches_from(&arguments) {
                Ok(matches) if problems.is_empty() => break matches,
                Ok(_) => return Err(clap::Error::raw(ErrorKind::ValueValidation, problems.join("\n"))),
                Err(error) => {
                    // Parsing stops at the first invalid setting. It is parsed as any text the next time, to find the others.
                    let Some((id, problem)) = rejected_setting(&error) else { return Err(error) };
                    problems.push(problem);
                    command = command.mut_arg(id, |argument| argument.value_parser(ValueParser::os_string()));
                }
            }
        };
        Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    }

    /// The names of the settings' variables.
    pub fn variable_names() -> Vec<String> {
        Self::command().get_arguments().filter_map(variable_name).collect()
    }
}

/// Makes the variable's value the default. clap's own look-up of variables knows no `.env`, takes an empty variable for a
/// value, and reads the environment of the process, which tests share.
fn with_variable(argument: Arg, variables: &Variables) -> Arg {
    let Some(name) = variable_name(&argument) else { return argument };
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let argument = argument.env(None::<&str>).help(format!("{help} [env: {name}]"));
    match variables.get(&name) {
        Some(value) => argument.default_value(value.to_owned()),
        None => argument,
    }
}

/// The name of a setting's variable; `None` if the argument is not a setting.
pub(crate) fn variable_name(argument: &Arg) -> Option<String> {
    Some(argument.get_env()?.to_string_lossy().into_owned())
}
