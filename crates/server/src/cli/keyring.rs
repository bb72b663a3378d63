//! `paytone keyring`

use std::path::PathBuf;

use clap::Subcommand;
use paytone_journal::{Keyring, keyring::KeyName};

use super::Failure;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Draw new secrets into a file that must not exist yet
    Init(Place),
    /// Show ids and dates of the keys and the fingerprint, never a secret
    Show(Place),
    /// Add a new key that writes from the next start on; older ones still read
    Rotate {
        /// `master` or `seal`
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(clap::Args, Debug)]
struct Place {
    /// The keyring's file
    #[arg(long, value_name = "FILE", default_value = "paytone-keyring.toml")]
    file: PathBuf,
}

pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Init(place) => {
            let keyring = Keyring::create(&place.file).map_err(Failure::new)?;
            println!("keyring {} made", place.file.display());
            println!("fingerprint {}", fingerprint(&keyring));
            println!(
                "Keep a copy apart from backups of the databases: without it they cannot be read."
            );
        }
        Command::Show(place) => {
            let keyring = Keyring::load(&place.file).map_err(Failure::new)?;
            println!("fingerprint {}", fingerprint(&keyring));
            for name in KeyName::ALL {
                for (id, created) in keyring.key_ids(name) {
                    println!("{:8} {id:3}  {created}", name.as_str());
                }
            }
        }
        Command::Rotate { name, place } => {
            let name = KeyName::ALL
                .into_iter()
                .find(|known| known.as_str() == name)
                .ok_or_else(|| Failure::new(format_args!("no key is called {name:?}")))?;
            let keyring = Keyring::rotate(&place.file, name).map_err(Failure::new)?;
            let newest = keyring.key_ids(name).last();
            if let Some((id, _)) = newest {
                println!("key {} {id} writes from the next start on", name.as_str());
            }
        }
    }
    Ok(())
}

fn fingerprint(keyring: &Keyring) -> String {
    data_encoding::HEXLOWER.encode(&keyring.fingerprint())
}
