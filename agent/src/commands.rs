//! The verbs of the command line. stdout is the answer, stderr the talk; what went wrong becomes an
//! exit code here and nowhere else.

pub(crate) mod app;
pub(crate) mod apply;
pub(crate) mod disk;
pub(crate) mod history;
pub(crate) mod hold;
pub(crate) mod offline;
pub(crate) mod pause;
pub(crate) mod plan;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod tree;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::CommandFactory as _;
use kompox_manifests::diagnostic::{Colour, Diagnostic, Severity};

use crate::args::{Cli, Command, CompletionsArgs};

/// How a command ended; the numbers are part of the command line's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// As it should be.
    Success = 0,
    /// Something is wrong.
    Error = 1,
    /// `plan`: there is something to do.
    Changes = 2,
    /// Something is blocked or held.
    Obstacle = 3,
    /// `apply`: written, but not healthy.
    Unhealthy = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Carries out a command.
///
/// # Errors
/// What stopped it, for people.
pub(crate) async fn dispatch(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Run(args) => run::run(args).await,
        Command::Plan(args) => plan::plan(args).await,
        Command::Apply(args) => apply::apply(args).await,
        Command::Validate(args) => offline::validate(&args),
        Command::Render(args) => offline::render(&args),
        Command::Status(args) => status::status(args).await,
        Command::Sync(args) => sync::sync(args).await,
        Command::Pause(args) => pause::pause(args).await,
        Command::Resume(args) => pause::resume(args).await,
        Command::Hold(args) => hold::hold(args.command).await,
        Command::History(args) => history::history(args).await,
        Command::Disk(args) => disk::disk(&args),
        Command::Schema(args) => schema::schema(&args),
        Command::Completions(args) => completions(&args),
    }
}

fn completions(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "kompox-agent", &mut script);
    answer(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}

/// Writes to stdout. A reader that went away (`| head`) is no error.
///
/// # Errors
/// stdout cannot be written.
pub(crate) fn answer(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Writes a line to stderr.
pub(crate) fn talk(text: &str) {
    // Nobody can be told when stderr is gone.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Shows diagnostics on stderr, in colour on a terminal; gives the number of errors.
pub(crate) fn show(diagnostics: &[Diagnostic]) -> usize {
    let colour = if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        Colour::Always
    } else {
        Colour::Never
    };
    for diagnostic in diagnostics {
        talk(&diagnostic.render(colour));
    }
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
}

/// Asks a question on the terminal; anything but yes is no.
///
/// # Errors
/// There is no terminal to ask on.
pub(crate) fn confirmed(question: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        anyhow::bail!("there is no terminal to ask on: give --yes to go on without being asked");
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
