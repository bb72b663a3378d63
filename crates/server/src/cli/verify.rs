//! `paytone verify`

use paytone_journal::Keyring;

use super::{Failure, client::Reach, rows_bar};

/// Prints one page; fails on any difference.
pub async fn run(reach: &Reach) -> Result<(), Failure> {
    let config = reach.settings()?;
    // An auditor may have the books and not the secrets.
    let keyring = match Keyring::load(&config.keyring) {
        Ok(keyring) => Some(keyring),
        Err(error) => {
            eprintln!("whether the keyring fits is not checked: {error}");
            None
        }
    };
    let bar = rows_bar();
    let report = crate::verify::run(&config, keyring.as_ref(), |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })
    .await
    .map_err(Failure::new)?;
    bar.finish_and_clear();
    print!("{report}");
    if report.ok() {
        Ok(())
    } else {
        Err(Failure::new("the books differ"))
    }
}
