//! `paytone backup`, `paytone restore`

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use paytone_journal::Keyring;

use super::{Failure, client::Reach};
use crate::{backup, edge::time};

#[derive(clap::Args, Debug)]
pub struct BackUp {
    /// A folder that does not exist yet
    folder: PathBuf,
}

#[derive(clap::Args, Debug)]
pub struct Restore {
    /// A folder that `paytone backup` made; where it goes is said by --data, and must not exist yet
    folder: PathBuf,
    /// Only what was decided by then, such as 2026-11-23T06:15:32Z
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// A `subject-keys.sqlite` of after the backup: whoever was erased there is erased again
    #[arg(long, value_name = "FILE")]
    erased_in: Option<PathBuf>,
}

fn bar(doing: &str) -> ProgressBar {
    let style = format!("{doing} {{wide_bar}} {{pos}}/{{len}} rows, {{eta}} left");
    ProgressBar::new(0).with_style(
        ProgressStyle::with_template(&style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}

pub async fn back_up(reach: &Reach, args: BackUp) -> Result<(), Failure> {
    let config = reach.settings()?;
    let bar = bar("copying");
    let manifest = backup::back_up(&config, &args.folder, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })
    .await
    .map_err(Failure::new)?;
    bar.finish_and_clear();
    println!(
        "backup in {}: row {}, {}",
        args.folder.display(),
        manifest.position,
        manifest.hash
    );
    println!("The keyring is not in it; without the keyring it is of no use.");
    Ok(())
}

pub async fn restore(reach: &Reach, args: Restore) -> Result<(), Failure> {
    let config = reach.settings()?;
    let until = match &args.to {
        Some(text) => {
            Some(time::read("--to", text).map_err(|problem| Failure::new(problem.detail))?)
        }
        None => None,
    };
    let keyring = Keyring::load(&config.keyring).map_err(Failure::new)?;
    let bar = bar("restoring");
    let later = args.erased_in.as_deref();
    let restored = backup::restore(
        &args.folder,
        &config,
        &keyring,
        until,
        later,
        |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        },
    )
    .await
    .map_err(Failure::new)?;
    bar.finish_and_clear();
    print!("{}", restored.report);
    println!(
        "\nRestored to {}: row {} of {}; {} rows left out; {} erased.",
        config.data.display(),
        restored.position,
        time::show(restored.time),
        restored.left,
        restored.erased,
    );
    Ok(())
}
