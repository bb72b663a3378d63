//! The stand-in bank as a process of its own, as a real one would be; and the side that runs it.
//!
//! ```text
//!   parent ── keeps its standard input open ──▶ paytone stand-in-bank ── "listening on ADDR" ──▶ parent
//! ```
//! It answers only whoever has its token, which both sides read from a file or from the environment.
//!
//! **Invariant:** the process ends with the one that started it, however that ends: its standard input closes.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use paytone_connectors::{
    funding::Token,
    stand_in_bank::{State, serve},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
};

/// `paytone stand-in-bank`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where it listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8401")]
    pub listen: SocketAddr,
    /// Where it keeps its books
    #[arg(long, value_name = "FILE", default_value = "stand-in-bank.jsonl")]
    pub data: PathBuf,
    /// A file with the token that its clients send; else `PAYTONE_STAND_IN_BANK_TOKEN` holds it
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// End when standard input closes: for whoever runs it as a part of something larger
    #[arg(long)]
    pub until_input_ends: bool,
}

const LISTENING: &str = "listening on ";
const TOKEN_VARIABLE: &str = "PAYTONE_STAND_IN_BANK_TOKEN";
const SHORTEST_TOKEN: usize = 16;

/// Reads a token from a file, without the end of its line.
pub fn read_token(file: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(file)?;
    let token = text.trim_end_matches(['\r', '\n']);
    if token.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty"));
    }
    Ok(token.to_owned())
}

fn token(args: &Args) -> Result<Token, StandInBankError> {
    let wrong = |why: String| StandInBankError::Token(why);
    let token = match &args.token_file {
        Some(file) => {
            read_token(file).map_err(|error| wrong(format!("{}: {error}", file.display())))?
        }
        None => std::env::var(TOKEN_VARIABLE)
            .map_err(|_| wrong(format!("give --token-file or {TOKEN_VARIABLE}")))?,
    };
    if token.len() < SHORTEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(format!(
            "it must be {SHORTEST_TOKEN} visible ASCII characters or more"
        )));
    }
    Ok(Token::new(token))
}

/// Runs until it is stopped.
pub async fn run(args: Args) -> Result<(), StandInBankError> {
    let token = token(&args)?;
    let state = State::open(&args.data, token)
        .map_err(|error| StandInBankError::Books(error.to_string()))?;
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| StandInBankError::Listen(args.listen, error))?;
    let address = listener
        .local_addr()
        .map_err(|error| StandInBankError::Listen(args.listen, error))?;
    println!("{LISTENING}{address}");
    let input_ended = async {
        if args.until_input_ends {
            // Whatever comes is skipped; what counts is its end.
            let mut skipped = [0; 256];
            let mut input = tokio::io::stdin();
            while matches!(input.read(&mut skipped).await, Ok(read) if read > 0) {}
        } else {
            std::future::pending::<()>().await;
        }
    };
    // A Ctrl-C at the terminal goes to the whole group; with a parent it is the parent who decides when the bank ends.
    let interrupted = async {
        if args.until_input_ends {
            std::future::pending::<()>().await;
        }
        drop(tokio::signal::ctrl_c().await);
    };
    if args.until_input_ends {
        drop(tokio::spawn(async {
            while tokio::signal::ctrl_c().await.is_ok() {}
        }));
    }
    tokio::select! {
        served = serve(listener, state) => served.map_err(StandInBankError::Ended),
        () = input_ended => Ok(()),
        () = interrupted => Ok(()),
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StandInBankError {
    #[error("the stand-in bank's token: {0}")]
    Token(String),
    #[error("the stand-in bank's books: {0}")]
    Books(String),
    #[error("the stand-in bank cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    #[error("the stand-in bank stopped: {0}")]
    Ended(io::Error),
    #[error("the stand-in bank cannot be started from {program}: {why}")]
    Start { program: PathBuf, why: String },
}

/// A stand-in bank that runs as a process of ours.
pub struct StandInBank {
    pub address: SocketAddr,
    child: Child,
    /// Kept open, so that the bank may print.
    _output: BufReader<ChildStdout>,
}

impl StandInBank {
    /// Starts `program` as a bank on `listen`, or on a port of its own choice, with its books in `data`, for whoever has the
    /// token in `token_file`.
    pub async fn start(
        program: &Path,
        listen: SocketAddr,
        data: &Path,
        token_file: &Path,
    ) -> Result<Self, StandInBankError> {
        let failed = |why: String| StandInBankError::Start {
            program: program.to_owned(),
            why,
        };
        let mut child = Command::new(program)
            .arg("stand-in-bank")
            .arg("--until-input-ends")
            .arg("--listen")
            .arg(listen.to_string())
            .arg("--data")
            .arg(data)
            .arg("--token-file")
            .arg(token_file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| failed("it has no output".to_owned()))?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        let told = tokio::time::timeout(Duration::from_secs(10), output.read_line(&mut line)).await;
        let address = match told {
            Ok(Ok(_)) => line
                .strip_prefix(LISTENING)
                .and_then(|address| address.trim().parse().ok()),
            Ok(Err(_)) | Err(_) => None,
        };
        let address =
            address.ok_or_else(|| failed("it did not say where it listens".to_owned()))?;
        Ok(Self {
            address,
            child,
            _output: output,
        })
    }

    /// As a connector's base address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it and waits until it is gone. Its books are on disk by then: each answer waited for that.
    pub async fn stop(mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "the stand-in bank could not be ended");
        }
    }
}
