//! `kulya account`: lines of the account file, made from a password that no screen, process list or history shows.

use crate::args::{AccountArgs, AccountCommand};
use crate::say;
use anyhow::{Context, Result, ensure};
use kulya_auth::{PasswordHash, Secret, account};
use kulya_client::random_id;
use std::io::{IsTerminal, Read};
use std::num::NonZeroU32;

/// No password is longer, in bytes.
const MAX_PASSWORD_BYTES: u64 = 4096;

pub(crate) fn run(args: AccountArgs) -> Result<()> {
    let iterations = args.iterations;
    match args.command {
        AccountCommand::Hash => say!("{}", hash(iterations)?),
        AccountCommand::Add { user, acl } => {
            // what is wrong with them is said before a password is typed
            account::line(&user, &PasswordHash::new(b"", [0; 32], NonZeroU32::MIN), &acl)?;
            say!("{}", account::line(&user, &hash(iterations)?, &acl)?);
        }
    }
    Ok(())
}

fn hash(iterations: NonZeroU32) -> Result<PasswordHash> {
    let password = password()?;
    ensure!(!password.reveal().is_empty(), "the password is empty");
    let mut salt = [0; 32];
    for half in salt.chunks_exact_mut(16) {
        half.copy_from_slice(&random_id().to_be_bytes());
    }
    Ok(PasswordHash::new(password.reveal(), salt, iterations))
}

/// From the terminal, twice and unseen, or the first line of standard input.
fn password() -> Result<Secret> {
    if std::io::stdin().is_terminal() {
        let ask =
            |prompt| rpassword::prompt_password(prompt).map(Secret::new).context("cannot ask for a password");
        let password = ask("Password: ")?;
        ensure!(password == ask("Again: ")?, "the two are not the same");
        return Ok(password);
    }
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_PASSWORD_BYTES)
        .read_to_string(&mut text)
        .context("cannot read the password")?;
    Ok(Secret::new(text.lines().next().unwrap_or_default()))
}
