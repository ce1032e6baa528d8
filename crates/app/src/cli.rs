//! The command line: what can be asked of the program, and how a setting finds its value.
//!
//! Deliberately not here: what the settings are ([`crate::settings::SettingsArgs`]) and what their values mean
//! ([`crate::settings::Settings`]).

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::settings::{SettingsArgs, Variables};

const EXAMPLES: &str = "\
Every setting is a flag, a variable of the environment, or a line NAME=value in the file .env, in this order of \
precedence. An empty variable counts as unset.

Examples:
  app                                    serve on http://127.0.0.1:8000, on SQLite in ./data
  PORT=9000 app                          serve on another port
  DATABASE_URL=postgres://me@db/todo app serve from Postgres
  app migrate status                     which migrations are applied
  app assistant explain \"put milk on it\" how the built-in assistant understands that";

/// Doable: a todo backend you can talk to. Without a command it serves.
#[derive(Parser)]
#[command(name = "app", version, after_help = EXAMPLES, max_term_width = 110)]
#[command(subcommand_help_heading = "Commands", disable_help_subcommand = true)]
pub struct Cli {
    /// The settings, as texts.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<CliCommand>,
}

/// What the program does instead of serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum CliCommand {
    /// Change the database's schema, or look at it
    #[command(subcommand)]
    Migrate(Migrate),
    /// See how the built-in assistant understands sentences; needs no database
    #[command(subcommand)]
    Assistant(AssistantCommand),
}

/// What is to be seen of the built-in assistant.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum AssistantCommand {
    /// Score it on sentences with known meaning: accuracy by tool and tag, the confusion table, the wrong rows, and how
    /// many errors would have been harmful
    Eval {
        /// JSON Lines, in each an `id`, a `text`, what to `expect` (`tool` with `title`, `identifier`, `new_title` or
        /// `status`), and `tags` if you like
        #[arg(value_name = "FILE.jsonl")]
        file: PathBuf,
        /// Also write what was understood, a JSON line for each row
        #[arg(long, value_name = "FILE")]
        predictions: Option<PathBuf>,
    },
    /// Show the ways in which it can read a sentence, with their scores and the lines of the grammar, and what it does
    Explain {
        /// The sentence
        #[arg(required = true)]
        sentence: Vec<String>,
    },
}

/// What becomes of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Migrate {
    /// Apply every migration that is not applied yet
    Up,
    /// Take back the migrations applied last. What they stored is lost
    Down {
        /// How many
        #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        steps: u32,
    },
    /// Say which migrations are applied
    Status,
}

impl Cli {
    /// Reads the command line (`arguments` begins with the program's name). A setting that has no flag takes its
    /// variable's value, and else its default.
    ///
    /// # Errors
    /// What clap has to say: a mistake, or the help that was asked for. `error.exit()` prints it and ends the program.
    pub fn read<I, A>(arguments: I, variables: &Variables) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = A>,
        A: Into<OsString> + Clone,
    {
        let mut command = Self::command().mut_args(|argument| with_variable(argument, variables));
        let mut matches = command.try_get_matches_from_mut(arguments)?;
        Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    }

    /// The names of the variables that settings are read from.
    pub fn variable_names() -> Vec<String> {
        Self::command().get_arguments().filter_map(variable_name).collect()
    }
}

/// Puts the variable's value in the place of the default. clap would read the process's environment by itself, but
/// it knows no `.env`, takes an empty variable for a value, and a test cannot set one without setting it for all.
fn with_variable(argument: Arg, variables: &Variables) -> Arg {
    let Some(name) = variable_name(&argument) else { return argument };
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let argument = argument.env(None::<&str>).help(format!("{help} [env: {name}]"));
    match variables.get(&name) {
        Some(value) => argument.default_value(value.to_owned()),
        None => argument,
    }
}

fn variable_name(argument: &Arg) -> Option<String> {
    Some(argument.get_env()?.to_string_lossy().into_owned())
}
