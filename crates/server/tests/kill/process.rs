//! The real binary as a process of its own, ended the hard way.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// `paytone serve` on a folder.
pub struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Where a node's settings are.
#[derive(Clone, Debug)]
pub struct Settings(PathBuf);

/// Where a node is among several.
#[derive(Clone, Debug)]
pub struct Place {
    pub name: String,
    pub listen: SocketAddr,
    pub among_nodes: SocketAddr,
    pub peers: Vec<(String, SocketAddr)>,
}

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paytone"));
    command.kill_on_drop(true).stdin(Stdio::null());
    command.env("PAYTONE_PASSWORD", PASSWORD);
    command
}

/// Of the operator that each world has.
pub const PASSWORD: &str = "correct horse battery";

impl Settings {
    /// A node on the data that is in `folder` or in a database already, at any free port.
    pub fn write(folder: &Path, origin: &str, store_url: &str) -> Self {
        let path = folder.join("paytone.toml");
        let mut text = String::new();
        for (name, value) in [
            ("data", folder.join("data").display().to_string()),
            ("keyring", folder.join("keyring.toml").display().to_string()),
            ("listen", "127.0.0.1:0".to_owned()),
            ("origin", origin.to_owned()),
        ] {
            writeln!(text, "{name} = {value:?}").expect("text");
        }
        writeln!(text, "[store]\nurl = {store_url:?}").expect("text");
        // What is over leaves memory while they are at it.
        writeln!(text, "[archive]\nafter_seconds = 5\nkeys_after_seconds = 5").expect("text");
        std::fs::write(&path, text).expect("settings can be written");
        Self(path)
    }

    /// One of several nodes on a database, with a folder of its own.
    pub fn write_member(folder: &Path, origin: &str, store_url: &str, place: &Place) -> Self {
        let path = folder.join(format!("{}.toml", place.name));
        let tls = folder.join("tls");
        let mut text = String::new();
        for (name, value) in [
            ("data", folder.join(&place.name).display().to_string()),
            ("keyring", folder.join("keyring.toml").display().to_string()),
            ("listen", place.listen.to_string()),
            ("origin", origin.to_owned()),
        ] {
            writeln!(text, "{name} = {value:?}").expect("text");
        }
        writeln!(text, "[store]\nurl = {store_url:?}").expect("text");
        writeln!(
            text,
            "[archive]\nafter_seconds = 5\nkeys_after_seconds = 5\n[cluster]"
        )
        .expect("text");
        for (name, value) in [
            ("name", place.name.clone()),
            ("listen", place.among_nodes.to_string()),
            (
                "certificate",
                tls.join(format!("{}.pem", place.name))
                    .display()
                    .to_string(),
            ),
            (
                "key",
                tls.join(format!("{}.key", place.name))
                    .display()
                    .to_string(),
            ),
            ("authority", tls.join("authority.pem").display().to_string()),
        ] {
            writeln!(text, "{name} = {value:?}").expect("text");
        }
        writeln!(text, "[cluster.peers]").expect("text");
        for (name, address) in &place.peers {
            writeln!(text, "{name} = \"{address}\"").expect("text");
        }
        std::fs::write(&path, text).expect("settings can be written");
        Self(path)
    }

    pub fn start(&self) -> Server {
        self.spawn(&[], Stdio::inherit())
    }

    /// With more in its environment; what it says of failures goes to a file.
    pub fn start_telling(&self, environment: &[(&str, String)], told: &Path) -> Server {
        let told = std::fs::File::create(told).expect("a file can be made");
        self.spawn(environment, told.into())
    }

    fn spawn(&self, environment: &[(&str, String)], stderr: Stdio) -> Server {
        let mut child = binary()
            .arg("serve")
            .arg("--config")
            .arg(&self.0)
            .env("RUST_LOG", "warn")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("a pipe");
        Server {
            child,
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// Begins another command, which talks to the node that runs.
    pub fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = binary();
        command.args(arguments).arg("--config").arg(&self.0);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the binary starts")
    }

    /// What another command says of the node that runs, as JSON.
    pub async fn run(&self, arguments: &[&str]) -> serde_json::Value {
        let told = self.begin(arguments).wait_with_output();
        let told = told.await.expect("it ends");
        assert!(told.status.success(), "{arguments:?}: {told:?}");
        serde_json::from_slice(&told.stdout).expect("JSON")
    }

    /// What `paytone verify` says of the folder, which nobody uses at the time.
    pub async fn verify(&self) {
        let report = binary()
            .arg("verify")
            .arg("--config")
            .arg(&self.0)
            .output()
            .await
            .expect("the binary starts");
        assert!(
            report.status.success(),
            "verify: {}\n{}\n{}",
            report.status,
            String::from_utf8_lossy(&report.stdout),
            String::from_utf8_lossy(&report.stderr),
        );
    }
}

impl Server {
    /// Where it listens; comes once it does.
    pub async fn address(&mut self) -> SocketAddr {
        while let Some(line) = self
            .lines
            .next_line()
            .await
            .expect("its output can be read")
        {
            if let Some((_, address)) = line.split_once("http://") {
                let address = address.split_whitespace().next().unwrap_or("");
                return address.parse().expect("an address");
            }
        }
        let status = self.child.wait().await;
        panic!("the server ended before it listened: {status:?}");
    }

    /// Until it ends by itself.
    pub async fn ended(&mut self) -> std::process::ExitStatus {
        self.child.wait().await.expect("it can be waited for")
    }

    /// `STOP` or `CONT`.
    pub async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(pid)
            .status();
        assert!(sent.await.expect("kill can be run").success());
    }

    /// SIGTERM; comes back once the process is gone.
    pub async fn end(mut self) {
        self.signal("TERM").await;
        let status = self.child.wait().await.expect("it can be waited for");
        assert!(status.success(), "it ended with {status}");
    }

    /// SIGKILL; comes back once the process is gone.
    pub async fn kill(mut self) {
        self.child.start_kill().expect("it can be killed");
        self.child.wait().await.expect("it can be waited for");
    }
}
