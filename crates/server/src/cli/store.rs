//! `paytone store`

use clap::Subcommand;

use super::Failure;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Print what the owner of a PostgreSQL database runs once, for nodes whose role cannot change the journal
    Sql {
        /// The role that nodes sign in as
        #[arg(long, value_name = "NAME")]
        role: String,
        /// They trim the journal (`journal.keep_days`), so that their role may delete rows
        #[arg(long)]
        trims: bool,
    },
}

pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Sql { role, trims } => print!("{}", crate::stores::script(&role, trims)),
    }
    Ok(())
}
