//! `kulya account`: hashes passwords and prints lines of the account file. Passwords are read from the
//! terminal without echo or from standard input, never from arguments.

use crate::args::{AccountArgs, AccountCommand};
use crate::output::print_line;
use anyhow::{Context, Result, ensure};
use kulya_client::random_id;
use kulya_auth::{PasswordHash, Secret, account};
use std::io::{IsTerminal, Read};
use std::num::NonZeroU32;

/// Longest password, in bytes.
const MAX_PASSWORD_BYTES: u64 = 4096;

pub(crate) fn run(args: AccountArgs) -> Result<()> {
    let iterations = args.iterations;
    match args.command {
        AccountCommand::Hash => print_line!("{}", hash_password(iterations)?),
        AccountCommand::Add { user, acl } => {
            // rejects a wrong user or ACL before a password is typed
            account::line(&user, &PasswordHash::new(b"", [0; 32], NonZeroU32::MIN), &acl)?;
            print_line!("{}", account::line(&user, &hash_password(iterations)?, &acl)?);
        }
    }
    Ok(())
}

fn hash_password(iterations: NonZeroU32) -> Result<PasswordHash> {
    let password = read_password()?;
    ensure!(!password.reveal().is_empty(), "the password is empty");
    let mut salt = [0; 32];
    for half in salt.chunks_exact_mut(16) {
        half.copy_from_slice(&random_id().to_be_bytes());
    }
    Ok(PasswordHash::new(password.reveal(), salt, iterations))
}

/// Reads a password: twice from the terminal without echo, or the first line of standard input.
fn read_password() -> Result<Secret> {
    if std::io::stdin().is_terminal() {
        let prompt =
            |text| rpassword::prompt_password(text).map(Secret::new).context("cannot ask for a password");
        let password = prompt("Password: ")?;
        ensure!(password == prompt("Repeat the password: ")?, "the passwords differ");
        return Ok(password);
    }
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_PASSWORD_BYTES)
        .read_to_string(&mut text)
        .context("cannot read the password")?;
    Ok(Secret::new(text.lines().next().unwrap_or_default()))
}
