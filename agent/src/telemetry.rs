//! Log lines on stderr.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::args::{LogArgs, LogFormat};

/// Starts logging.
///
/// # Errors
/// The filter cannot be read.
pub(crate) fn start(args: &LogArgs) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(&args.log)?;
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false);
    match args.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}
