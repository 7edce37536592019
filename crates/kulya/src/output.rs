//! Writing to standard output, and errors to standard error: one line each.

use std::process::ExitCode;

/// Prints a line to standard output. Exits with success once the reader has closed the pipe, as `head`
/// expects.
macro_rules! print_line {
    ($($arguments:tt)*) => {
        if std::io::Write::write_fmt(
            &mut std::io::stdout(),
            format_args!("{}\n", format_args!($($arguments)*)),
        )
        .is_err()
        {
            std::process::exit(0);
        }
    };
}
pub(crate) use print_line;

/// Prints a value as one line of JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print_line!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// Prints an error to standard error and returns the exit code for it: success for a closed pipe, else
/// failure.
pub(crate) fn report_error(error: &anyhow::Error) -> ExitCode {
    let is_broken_pipe = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
    if error.downcast_ref().is_some_and(is_broken_pipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("kulya: {}", format_error(error));
    ExitCode::FAILURE
}

/// Formats an error and its causes as one line; a cause that the text has already is left out.
pub(crate) fn format_error(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
        }
    }
    // names in it may come from anybody
    kulya_sql::visible(&text.replace('\n', " ")).into_owned()
}
